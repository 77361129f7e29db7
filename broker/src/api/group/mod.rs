//! Groups: members come and go, offsets are committed and fetched, and those who look after groups list, describe and delete them. One file
//! an API, with the name of its message.

pub(crate) mod consumer_group_describe;
pub(crate) mod consumer_group_heartbeat;
pub(crate) mod delete_groups;
pub(crate) mod describe_groups;
pub(crate) mod heartbeat;
pub(crate) mod join_group;
pub(crate) mod leave_group;
pub(crate) mod list_groups;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod sync_group;

use super::Context;
use crate::group::Client;

/// What a client may do with a group when nothing is forbidden, as Kafka's bit field: read, delete, describe, and the two for
/// properties.
pub(super) const GROUP_OPERATIONS: i32 = 3400;

impl Context {
    pub(super) fn client(&self) -> Client {
        Client::new(self.client_id.as_ref(), self.peer)
    }
}
