//! APIs of what there is not here: access lists, passwords, quotas, replicas that move. Each answers what Kafka answers where there is none,
//! and nothing pretends otherwise. One file an API, with the name of its message.

pub(crate) mod alter_client_quotas;
pub(crate) mod alter_partition_reassignments;
pub(crate) mod alter_user_scram_credentials;
pub(crate) mod create_acls;
pub(crate) mod delete_acls;
pub(crate) mod describe_acls;
pub(crate) mod describe_client_quotas;
pub(crate) mod describe_user_scram_credentials;
pub(crate) mod elect_leaders;
pub(crate) mod list_partition_reassignments;

use millstream_protocol::{ErrorCode, Str};

/// What APIs of access lists and passwords answer without an authorizer.
const CODE: ErrorCode = ErrorCode::SECURITY_DISABLED;

fn sentence() -> Option<Str> {
    Some(Str::from_static("No Authorizer is configured on the broker"))
}
