//! ShareGroupHeartbeat (key 76): membership, subscription and assignment of a share group in one request (KIP-932).

use super::consumer_group_heartbeat::Assignment;
use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// A member, and what changed since its last heartbeat.
    pub struct ShareGroupHeartbeatRequest {
        /// The group.
        pub group_id: Str => 0;
        /// The member's id, of its own making.
        pub member_id: Str => 0;
        /// Its epoch; 0 joins, -1 leaves.
        pub member_epoch: i32 => 0;
        /// Where it stands; null when unchanged.
        pub rack_id: Option<Str> => 0;
        /// The topics that it wants; null when unchanged.
        pub subscribed_topic_names: Option<Vec<Str>> => 0;
    }

    /// What the member has to know.
    pub struct ShareGroupHeartbeatResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why it is no member.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// Its id.
        pub member_id: Option<Str> => 0;
        /// Its epoch.
        pub member_epoch: i32 => 0;
        /// When to come again, ms.
        pub heartbeat_interval_ms: i32 => 0;
        /// What it has; null when unchanged.
        pub assignment: Option<Box<Assignment>> => 0;
    }
}
