//! DescribeTopicPartitions (key 75): topics page by page (KIP-966).

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::string::Str;
use crate::wire;

wire! {
    /// Topics to describe, and where to go on.
    pub struct DescribeTopicPartitionsRequest {
        /// The topics; none means all.
        pub topics: Vec<TopicRequest> => 0;
        /// The most partitions in one answer.
        pub response_partition_limit: i32 => 0, default 2000;
        /// Where the last answer ended.
        pub cursor: Option<Box<Cursor>> => 0;
    }

    /// A topic by name.
    pub struct TopicRequest {
        /// Its name.
        pub name: Str => 0;
    }

    /// A place in the list of all partitions.
    pub struct Cursor {
        /// The topic.
        pub topic_name: Str => 0;
        /// The partition.
        pub partition_index: i32 => 0;
    }

    /// A page.
    pub struct DescribeTopicPartitionsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// The topics.
        pub topics: Vec<DescribeTopicPartitionsTopic> => 0;
        /// Where the next page begins, or null at the end.
        pub next_cursor: Option<Box<Cursor>> => 0;
    }

    /// One topic.
    pub struct DescribeTopicPartitionsTopic {
        /// Why it could not be described.
        pub error_code: ErrorCode => 0;
        /// Its name.
        pub name: Option<Str> => 0;
        /// Its id.
        pub topic_id: TopicId => 0;
        /// Whether the broker keeps it for itself.
        pub is_internal: bool => 0;
        /// Its partitions.
        pub partitions: Vec<DescribeTopicPartitionsPartition> => 0;
        /// What the asker may do with it, as a bit field.
        pub topic_authorized_operations: i32 => 0, default i32::MIN;
    }

    /// One partition.
    pub struct DescribeTopicPartitionsPartition {
        /// Why it cannot be used.
        pub error_code: ErrorCode => 0;
        /// Its index in the topic.
        pub partition_index: i32 => 0;
        /// The leader's node id.
        pub leader_id: i32 => 0;
        /// The leader's epoch.
        pub leader_epoch: i32 => 0, default -1;
        /// All replicas.
        pub replica_nodes: Vec<i32> => 0;
        /// Replicas in sync.
        pub isr_nodes: Vec<i32> => 0;
        /// Replicas that may be elected though not in sync.
        pub eligible_leader_replicas: Option<Vec<i32>> => 0, default None;
        /// The last of those.
        pub last_known_elr: Option<Vec<i32>> => 0, default None;
        /// Replicas that are down.
        pub offline_replicas: Vec<i32> => 0;
    }
}
