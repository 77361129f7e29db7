//! DescribeShareGroupOffsets (key 90): how far share groups have come (KIP-932), and from version 1 on how far they are behind (KIP-1226).

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which groups.
    pub struct DescribeShareGroupOffsetsRequest {
        /// The groups.
        pub groups: Vec<DescribeShareGroupOffsetsGroup> => 0;
    }

    /// A group.
    pub struct DescribeShareGroupOffsetsGroup {
        /// Its id.
        pub group_id: Str => 0;
        /// Which topics; null for all that the group has read.
        pub topics: Option<Vec<DescribeShareGroupOffsetsTopic>> => 0;
    }

    /// A topic.
    pub struct DescribeShareGroupOffsetsTopic {
        /// Its name.
        pub topic_name: Str => 0;
        /// Its partitions.
        pub partitions: Vec<i32> => 0;
    }

    /// How far the groups have come.
    pub struct DescribeShareGroupOffsetsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// One entry each.
        pub groups: Vec<DescribeShareGroupOffsetsGroupResult> => 0;
    }

    /// A group.
    pub struct DescribeShareGroupOffsetsGroupResult {
        /// Its id.
        pub group_id: Str => 0;
        /// By topic.
        pub topics: Vec<DescribeShareGroupOffsetsTopicResult> => 0;
        /// Why nothing is known of it.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
    }

    /// A topic.
    pub struct DescribeShareGroupOffsetsTopicResult {
        /// Its name.
        pub topic_name: Str => 0;
        /// Its id.
        pub topic_id: TopicId => 0;
        /// By partition.
        pub partitions: Vec<DescribeShareGroupOffsetsPartitionResult> => 0;
    }

    /// A partition.
    pub struct DescribeShareGroupOffsetsPartitionResult {
        /// Its index.
        pub partition_index: i32 => 0;
        /// The share-partition start offset: all records before it are done with.
        pub start_offset: i64 => 0;
        /// The leader epoch of the partition.
        pub leader_epoch: i32 => 0;
        /// How many records are still to be delivered or acknowledged, or -1.
        pub lag: i64 => 1, default -1;
        /// Why it is not known.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
    }
}
