//! AlterShareGroupOffsets (key 91): lets a share group without members start elsewhere (KIP-932).

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::string::Str;
use crate::wire;

wire! {
    /// Where to start.
    pub struct AlterShareGroupOffsetsRequest {
        /// The group.
        pub group_id: Str => 0;
        /// By topic.
        pub topics: Vec<AlterShareGroupOffsetsTopic> => 0;
    }

    /// A topic.
    pub struct AlterShareGroupOffsetsTopic {
        /// Its name.
        pub topic_name: Str => 0;
        /// By partition.
        pub partitions: Vec<AlterShareGroupOffsetsPartition> => 0;
    }

    /// A partition.
    pub struct AlterShareGroupOffsetsPartition {
        /// Its index.
        pub partition_index: i32 => 0;
        /// The share-partition start offset.
        pub start_offset: i64 => 0;
    }

    /// What was altered.
    pub struct AlterShareGroupOffsetsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why nothing was.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// By topic.
        pub responses: Vec<AlterShareGroupOffsetsTopicResult> => 0;
    }

    /// A topic.
    pub struct AlterShareGroupOffsetsTopicResult {
        /// Its name.
        pub topic_name: Str => 0;
        /// Its id.
        pub topic_id: TopicId => 0;
        /// By partition.
        pub partitions: Vec<AlterShareGroupOffsetsPartitionResult> => 0;
    }

    /// A partition.
    pub struct AlterShareGroupOffsetsPartitionResult {
        /// Its index.
        pub partition_index: i32 => 0;
        /// Why it was not altered.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
    }
}
