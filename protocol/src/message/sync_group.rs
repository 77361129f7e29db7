//! SyncGroup (key 14): the leader hands in what it assigned, everybody gets a share.

use bytes::Bytes;

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Who asks for its share; the leader brings everybody's.
    pub struct SyncGroupRequest {
        /// The group.
        pub group_id: Str => 0;
        /// The generation that it joined.
        pub generation_id: i32 => 0;
        /// Its id.
        pub member_id: Str => 0;
        /// Its own lasting name.
        pub group_instance_id: Option<Str> => 3;
        /// The kind of group.
        pub protocol_type: Option<Str> => 5;
        /// The way of assigning.
        pub protocol_name: Option<Str> => 5;
        /// From the leader: who gets what.
        pub assignments: Vec<SyncAssignment> => 0;
    }

    /// One member's share.
    pub struct SyncAssignment {
        /// Whose.
        pub member_id: Str => 0;
        /// What.
        pub assignment: Bytes => 0;
    }

    /// The share.
    pub struct SyncGroupResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// Why there is none.
        pub error_code: ErrorCode => 0;
        /// The kind of group.
        pub protocol_type: Option<Str> => 5;
        /// The way of assigning.
        pub protocol_name: Option<Str> => 5;
        /// What is assigned.
        pub assignment: Bytes => 0;
    }
}
