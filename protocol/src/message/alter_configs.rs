//! AlterConfigs (key 33): replace all properties of a resource.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Resources and their new properties.
    pub struct AlterConfigsRequest {
        /// The resources.
        pub resources: Vec<AlterConfigsResource> => 0;
        /// Check, and change nothing.
        pub validate_only: bool => 0;
    }

    /// A resource and its new properties.
    pub struct AlterConfigsResource {
        /// 2: topic, 4: broker.
        pub resource_type: i8 => 0;
        /// Its name.
        pub resource_name: Str => 0;
        /// All that differ from the default.
        pub configs: Vec<AlterableConfig> => 0;
    }

    /// A property.
    pub struct AlterableConfig {
        /// Its name.
        pub name: Str => 0;
        /// Its value.
        pub value: Option<Str> => 0;
    }

    /// What became of each.
    pub struct AlterConfigsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// By resource.
        pub responses: Vec<AlterConfigsResourceResponse> => 0;
    }

    /// What became of one resource.
    pub struct AlterConfigsResourceResponse {
        /// Why nothing was changed.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// 2: topic, 4: broker.
        pub resource_type: i8 => 0;
        /// Its name.
        pub resource_name: Str => 0;
    }
}
