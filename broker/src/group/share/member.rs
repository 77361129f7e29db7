//! A member of a share group: what it wants, what it has, and until when it is one.

use std::collections::BTreeSet;

use millstream_protocol::Str;
use millstream_protocol::message::share_group_heartbeat::ShareGroupHeartbeatRequest;

use crate::group::Client;
use crate::group::assignor::Partitions;

/// A member.
#[derive(Debug, Clone, Default)]
pub(in crate::group) struct ShareMember {
    pub rack_id: Option<Str>,
    pub client: Client,
    pub subscribed_names: BTreeSet<Str>,
    pub epoch: i32,
    /// The one that it had before, which it may still name.
    pub previous_epoch: i32,
    /// What it was told that it has.
    pub assigned: Partitions,
    pub session_ends_ms: i64,
}

impl ShareMember {
    /// Takes over what a heartbeat says.
    pub(super) fn update(&mut self, request: &ShareGroupHeartbeatRequest, client: Client) {
        if let Some(rack_id) = &request.rack_id {
            self.rack_id = Some(rack_id.detached());
        }
        if let Some(names) = &request.subscribed_topic_names {
            self.subscribed_names = names.iter().map(Str::detached).collect();
        }
        self.client = client;
    }
}
