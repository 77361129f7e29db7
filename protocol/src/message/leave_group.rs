//! LeaveGroup (key 13): members go, or are removed by an administrator.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Who goes.
    pub struct LeaveGroupRequest {
        /// The group.
        pub group_id: Str => 0;
        /// The member.
        pub member_id: Str => 0 to 2;
        /// The members.
        pub members: Vec<LeavingMember> => 3;
    }

    /// A member, by id or by its lasting name.
    pub struct LeavingMember {
        /// Its id, or empty.
        pub member_id: Str => 3;
        /// Its own lasting name.
        pub group_instance_id: Option<Str> => 3;
        /// Why (KIP-800).
        pub reason: Option<Str> => 5;
    }

    /// Who went.
    pub struct LeaveGroupResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// Why nobody went.
        pub error_code: ErrorCode => 0;
        /// Each one.
        pub members: Vec<LeftMember> => 3;
    }

    /// Whether a member went.
    pub struct LeftMember {
        /// Its id.
        pub member_id: Str => 3;
        /// Its own lasting name.
        pub group_instance_id: Option<Str> => 3;
        /// Why not.
        pub error_code: ErrorCode => 3;
    }
}
