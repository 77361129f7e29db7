//! DescribeConfigs (key 32): properties of topics and brokers, and where each value comes from.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Resources to describe.
    pub struct DescribeConfigsRequest {
        /// The resources.
        pub resources: Vec<DescribeConfigsResource> => 0;
        /// Whether to list every level that has a value.
        pub include_synonyms: bool => 1;
        /// Whether to explain each property.
        pub include_documentation: bool => 3;
    }

    /// A resource.
    pub struct DescribeConfigsResource {
        /// 2: topic, 4: broker.
        pub resource_type: i8 => 0;
        /// Its name.
        pub resource_name: Str => 0;
        /// Properties wanted, or null for all.
        pub configuration_keys: Option<Vec<Str>> => 0;
    }

    /// What was found.
    pub struct DescribeConfigsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// By resource.
        pub results: Vec<DescribeConfigsResult> => 0;
    }

    /// One resource.
    pub struct DescribeConfigsResult {
        /// Why it could not be described.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// 2: topic, 4: broker.
        pub resource_type: i8 => 0;
        /// Its name.
        pub resource_name: Str => 0;
        /// Its properties.
        pub configs: Vec<DescribeConfigsEntry> => 0;
    }

    /// One property.
    pub struct DescribeConfigsEntry {
        /// Its name.
        pub name: Str => 0;
        /// Its value.
        pub value: Option<Str> => 0;
        /// Whether it cannot be changed.
        pub read_only: bool => 0;
        /// Where it comes from.
        pub config_source: i8 => 1, default -1;
        /// Whether it is secret.
        pub is_sensitive: bool => 0;
        /// Every level that has a value, nearest first.
        pub synonyms: Vec<DescribeConfigsSynonym> => 1;
        /// Its type.
        pub config_type: i8 => 3;
        /// What it does.
        pub documentation: Option<Str> => 3;
    }

    /// A value at one level.
    pub struct DescribeConfigsSynonym {
        /// The property's name there.
        pub name: Str => 1;
        /// The value there.
        pub value: Option<Str> => 1;
        /// Which level.
        pub source: i8 => 1;
    }
}
