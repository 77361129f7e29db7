//! DeleteRecords (key 21): raise the first offset of partitions.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Partitions to shorten at the front.
    pub struct DeleteRecordsRequest {
        /// By topic.
        pub topics: Vec<DeleteRecordsTopic> => 0;
        /// How long to wait, ms.
        pub timeout_ms: i32 => 0;
    }

    /// Partitions of one topic.
    pub struct DeleteRecordsTopic {
        /// The topic.
        pub name: Str => 0;
        /// By partition.
        pub partitions: Vec<DeleteRecordsPartition> => 0;
    }

    /// One partition.
    pub struct DeleteRecordsPartition {
        /// The partition.
        pub partition_index: i32 => 0;
        /// Delete everything before this offset; -1: everything before the high watermark.
        pub offset: i64 => 0;
    }

    /// What became of each.
    pub struct DeleteRecordsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// By topic.
        pub topics: Vec<DeleteRecordsTopicResult> => 0;
    }

    /// What became of one topic.
    pub struct DeleteRecordsTopicResult {
        /// The topic.
        pub name: Str => 0;
        /// By partition.
        pub partitions: Vec<DeleteRecordsPartitionResult> => 0;
    }

    /// What became of one partition.
    pub struct DeleteRecordsPartitionResult {
        /// The partition.
        pub partition_index: i32 => 0;
        /// Its first offset now, or -1.
        pub low_watermark: i64 => 0, default -1;
        /// Why nothing was deleted.
        pub error_code: ErrorCode => 0;
    }
}
