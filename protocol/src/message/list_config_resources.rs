//! ListConfigResources (key 74): what has properties (KIP-1142).

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Of which types.
    pub struct ListConfigResourcesRequest {
        /// The types; none: all.
        pub resource_types: Vec<i8> => 1;
    }

    /// The resources.
    pub struct ListConfigResourcesResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why there is no list.
        pub error_code: ErrorCode => 0;
        /// One entry each.
        pub config_resources: Vec<ListedConfigResource> => 0;
    }

    /// A resource.
    pub struct ListedConfigResource {
        /// Its name.
        pub resource_name: Str => 0;
        /// Its type.
        pub resource_type: i8 => 1, default 16;
    }
}
