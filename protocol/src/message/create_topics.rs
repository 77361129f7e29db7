//! CreateTopics (key 19).

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::string::Str;
use crate::wire;

wire! {
    /// Topics to create.
    pub struct CreateTopicsRequest {
        /// The topics.
        pub topics: Vec<CreatableTopic> => 0;
        /// How long to wait, ms.
        pub timeout_ms: i32 => 0, default 60_000;
        /// Check, and create nothing.
        pub validate_only: bool => 1;
    }

    /// A topic to create.
    pub struct CreatableTopic {
        /// Its name.
        pub name: Str => 0;
        /// How many partitions; -1: the broker's default, or as many as are assigned.
        pub num_partitions: i32 => 0;
        /// How many replicas; -1: the broker's default.
        pub replication_factor: i16 => 0;
        /// Brokers for each partition, instead of the two counts.
        pub assignments: Vec<CreatableReplicaAssignment> => 0;
        /// Properties that differ from the broker's.
        pub configs: Vec<CreatableTopicConfig> => 0;
    }

    /// Brokers for one partition.
    pub struct CreatableReplicaAssignment {
        /// The partition.
        pub partition_index: i32 => 0;
        /// Its replicas.
        pub broker_ids: Vec<i32> => 0;
    }

    /// A property.
    pub struct CreatableTopicConfig {
        /// Its name.
        pub name: Str => 0;
        /// Its value.
        pub value: Option<Str> => 0;
    }

    /// What became of each.
    pub struct CreateTopicsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 2;
        /// By topic.
        pub topics: Vec<CreatableTopicResult> => 0;
    }

    /// What became of one topic.
    pub struct CreatableTopicResult {
        /// Its name.
        pub name: Str => 0;
        /// Its id, once created.
        pub topic_id: TopicId => 7;
        /// Why it was not created.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 1;
        /// Why its properties are not shown.
        pub topic_config_error_code: ErrorCode => 5, tag 0;
        /// How many partitions it has.
        pub num_partitions: i32 => 5, default -1;
        /// How many replicas each has.
        pub replication_factor: i16 => 5, default -1;
        /// Its properties.
        pub configs: Option<Vec<CreatableTopicConfigResult>> => 5, default Some(Vec::new());
    }

    /// A property of a created topic.
    pub struct CreatableTopicConfigResult {
        /// Its name.
        pub name: Str => 5;
        /// Its value.
        pub value: Option<Str> => 5;
        /// Whether it cannot be changed.
        pub read_only: bool => 5;
        /// Where it comes from.
        pub config_source: i8 => 5, default -1;
        /// Whether it is secret.
        pub is_sensitive: bool => 5;
    }
}
