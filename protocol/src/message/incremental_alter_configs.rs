//! IncrementalAlterConfigs (key 44): change single properties of a resource (KIP-339).

use super::alter_configs::AlterConfigsResourceResponse;
use crate::string::Str;
use crate::wire;

wire! {
    /// Resources and their changes.
    pub struct IncrementalAlterConfigsRequest {
        /// The resources.
        pub resources: Vec<IncrementalAlterConfigsResource> => 0;
        /// Check, and change nothing.
        pub validate_only: bool => 0;
    }

    /// A resource and its changes.
    pub struct IncrementalAlterConfigsResource {
        /// 2: topic, 4: broker.
        pub resource_type: i8 => 0;
        /// Its name.
        pub resource_name: Str => 0;
        /// The changes.
        pub configs: Vec<IncrementalAlterableConfig> => 0;
    }

    /// A change of one property.
    pub struct IncrementalAlterableConfig {
        /// Its name.
        pub name: Str => 0;
        /// 0: set, 1: back to the default, 2: append to a list, 3: take out of a list.
        pub config_operation: i8 => 0;
        /// The value.
        pub value: Option<Str> => 0;
    }

    /// What became of each.
    pub struct IncrementalAlterConfigsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// By resource.
        pub responses: Vec<AlterConfigsResourceResponse> => 0;
    }
}
