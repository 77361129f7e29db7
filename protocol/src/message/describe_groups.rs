//! DescribeGroups (key 15): classic groups and their members.

use bytes::Bytes;

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which ones.
    pub struct DescribeGroupsRequest {
        /// The groups.
        pub groups: Vec<Str> => 0;
        /// Whether to say what the client may do with them.
        pub include_authorized_operations: bool => 3;
    }

    /// The groups.
    pub struct DescribeGroupsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// One entry each.
        pub groups: Vec<DescribedGroup> => 0;
    }

    /// A group.
    pub struct DescribedGroup {
        /// Why it cannot be described.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 6;
        /// Its id.
        pub group_id: Str => 0;
        /// Its state.
        pub group_state: Str => 0;
        /// The kind of group.
        pub protocol_type: Str => 0;
        /// The way of assigning.
        pub protocol_data: Str => 0;
        /// Its members.
        pub members: Vec<DescribedMember> => 0;
        /// What the client may do with it, as bits.
        pub authorized_operations: i32 => 3, default i32::MIN;
    }

    /// A member.
    pub struct DescribedMember {
        /// Its id.
        pub member_id: Str => 0;
        /// Its own lasting name.
        pub group_instance_id: Option<Str> => 4;
        /// What its client calls itself.
        pub client_id: Str => 0;
        /// Where it connects from.
        pub client_host: Str => 0;
        /// What it said of itself.
        pub member_metadata: Bytes => 0;
        /// What it was assigned.
        pub member_assignment: Bytes => 0;
    }
}
