//! Heartbeat (key 12): a member of a classic group is still there, and learns whether the group rebalances.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Who is there.
    pub struct HeartbeatRequest {
        /// The group.
        pub group_id: Str => 0;
        /// The generation that it joined.
        pub generation_id: i32 => 0;
        /// Its id.
        pub member_id: Str => 0;
        /// Its own lasting name.
        pub group_instance_id: Option<Str> => 3;
    }

    /// Whether all is well.
    pub struct HeartbeatResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// What the member has to do.
        pub error_code: ErrorCode => 0;
    }
}
