//! ListPartitionReassignments (key 46): which partitions are moving.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Of which topics.
    pub struct ListPartitionReassignmentsRequest {
        /// How long to wait, ms.
        pub timeout_ms: i32 => 0, default 60_000;
        /// The topics; null: all.
        pub topics: Option<Vec<ListReassignmentsTopic>> => 0;
    }

    /// A topic.
    pub struct ListReassignmentsTopic {
        /// Its name.
        pub name: Str => 0;
        /// Its partitions.
        pub partition_indexes: Vec<i32> => 0;
    }

    /// What is moving.
    pub struct ListPartitionReassignmentsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why there is no list.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// By topic.
        pub topics: Vec<MovingTopic> => 0;
    }

    /// A topic.
    pub struct MovingTopic {
        /// Its name.
        pub name: Str => 0;
        /// Its partitions.
        pub partitions: Vec<MovingPartition> => 0;
    }

    /// A partition.
    pub struct MovingPartition {
        /// Its index.
        pub partition_index: i32 => 0;
        /// Where it is.
        pub replicas: Vec<i32> => 0;
        /// Where it is going.
        pub adding_replicas: Vec<i32> => 0;
        /// What it leaves.
        pub removing_replicas: Vec<i32> => 0;
    }
}
