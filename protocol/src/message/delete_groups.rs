//! DeleteGroups (key 42): forgets groups that have no members, and their offsets.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which ones.
    pub struct DeleteGroupsRequest {
        /// The groups.
        pub groups_names: Vec<Str> => 0;
    }

    /// What was deleted.
    pub struct DeleteGroupsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// One entry each.
        pub results: Vec<DeletedGroup> => 0;
    }

    /// A group.
    pub struct DeletedGroup {
        /// Its id.
        pub group_id: Str => 0;
        /// Why it was not deleted.
        pub error_code: ErrorCode => 0;
    }
}
