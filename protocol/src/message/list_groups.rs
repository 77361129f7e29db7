//! ListGroups (key 16): the groups there are.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which ones.
    pub struct ListGroupsRequest {
        /// Only those in one of these states; none: all.
        pub states_filter: Vec<Str> => 4;
        /// Only those of one of these types; none: all.
        pub types_filter: Vec<Str> => 5;
    }

    /// The groups.
    pub struct ListGroupsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// Why there is no list.
        pub error_code: ErrorCode => 0;
        /// One entry each.
        pub groups: Vec<ListedGroup> => 0;
    }

    /// A group.
    pub struct ListedGroup {
        /// Its id.
        pub group_id: Str => 0;
        /// The kind of group: "consumer", or empty.
        pub protocol_type: Str => 0;
        /// Its state: "Stable", "Empty".
        pub group_state: Str => 4;
        /// Its type: "classic", "consumer".
        pub group_type: Str => 5;
    }
}
