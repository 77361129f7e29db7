//! DescribeLogDirs (key 35): how much each partition occupies.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Partitions to measure; null means all.
    pub struct DescribeLogDirsRequest {
        /// By topic.
        pub topics: Option<Vec<DescribableLogDirTopic>> => 0;
    }

    /// Partitions of one topic.
    pub struct DescribableLogDirTopic {
        /// The topic.
        pub topic: Str => 0;
        /// The partitions.
        pub partitions: Vec<i32> => 0;
    }

    /// What they occupy.
    pub struct DescribeLogDirsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// An error of the whole request.
        pub error_code: ErrorCode => 3;
        /// By directory.
        pub results: Vec<DescribeLogDirsResult> => 0;
    }

    /// One directory.
    pub struct DescribeLogDirsResult {
        /// Whether it is broken.
        pub error_code: ErrorCode => 0;
        /// Its path.
        pub log_dir: Str => 0;
        /// By topic.
        pub topics: Vec<DescribeLogDirsTopic> => 0;
        /// The size of its volume, or -1.
        pub total_bytes: i64 => 4, default -1;
        /// What is free of it, or -1.
        pub usable_bytes: i64 => 4, default -1;
    }

    /// One topic.
    pub struct DescribeLogDirsTopic {
        /// The topic.
        pub name: Str => 0;
        /// By partition.
        pub partitions: Vec<DescribeLogDirsPartition> => 0;
    }

    /// One partition.
    pub struct DescribeLogDirsPartition {
        /// The partition.
        pub partition_index: i32 => 0;
        /// The bytes of its segments.
        pub partition_size: i64 => 0;
        /// How far it is behind its high watermark.
        pub offset_lag: i64 => 0;
        /// Whether it is being moved here.
        pub is_future_key: bool => 0;
    }
}
