//! CreateAcls (key 30): allows or denies.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// The entries.
    pub struct CreateAclsRequest {
        /// One each.
        pub creations: Vec<AclCreation> => 1;
    }

    /// An entry.
    pub struct AclCreation {
        /// The type of the resource.
        pub resource_type: i8 => 1;
        /// Its name.
        pub resource_name: Str => 1;
        /// How the name is meant.
        pub resource_pattern_type: i8 => 1, default 3;
        /// Who.
        pub principal: Str => 1;
        /// From where.
        pub host: Str => 1;
        /// What.
        pub operation: i8 => 1;
        /// Whether it is allowed or denied.
        pub permission_type: i8 => 1;
    }

    /// What was made.
    pub struct CreateAclsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// One each.
        pub results: Vec<AclCreationResult> => 1;
    }

    /// An entry.
    pub struct AclCreationResult {
        /// Why it was not made.
        pub error_code: ErrorCode => 1;
        /// The same in words.
        pub error_message: Option<Str> => 1;
    }
}
