//! OffsetDelete (key 47): forgets how far a group had come in some partitions.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// What to forget.
    pub struct OffsetDeleteRequest {
        /// The group.
        pub group_id: Str => 0;
        /// The topics.
        pub topics: Vec<OffsetDeleteTopic> => 0;
    }

    /// A topic.
    pub struct OffsetDeleteTopic {
        /// Its name.
        pub name: Str => 0;
        /// Its partitions.
        pub partitions: Vec<OffsetDeletePartition> => 0;
    }

    /// A partition.
    pub struct OffsetDeletePartition {
        /// Its index.
        pub partition_index: i32 => 0;
    }

    /// What was forgotten.
    pub struct OffsetDeleteResponse {
        /// Why nothing was.
        pub error_code: ErrorCode => 0;
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// The topics.
        pub topics: Vec<OffsetDeleteTopicResult> => 0;
    }

    /// A topic.
    pub struct OffsetDeleteTopicResult {
        /// Its name.
        pub name: Str => 0;
        /// Its partitions.
        pub partitions: Vec<OffsetDeletePartitionResult> => 0;
    }

    /// A partition.
    pub struct OffsetDeletePartitionResult {
        /// Its index.
        pub partition_index: i32 => 0;
        /// Why it was not forgotten.
        pub error_code: ErrorCode => 0;
    }
}
