//! AlterPartitionReassignments (key 45): moves partitions to other brokers.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// What goes where.
    pub struct AlterPartitionReassignmentsRequest {
        /// How long to wait, ms.
        pub timeout_ms: i32 => 0, default 60_000;
        /// Whether the number of replicas may change.
        pub allow_replication_factor_change: bool => 1, default true;
        /// By topic.
        pub topics: Vec<ReassignTopic> => 0;
    }

    /// A topic.
    pub struct ReassignTopic {
        /// Its name.
        pub name: Str => 0;
        /// Its partitions.
        pub partitions: Vec<ReassignPartition> => 0;
    }

    /// A partition.
    pub struct ReassignPartition {
        /// Its index.
        pub partition_index: i32 => 0;
        /// The brokers; null: what is under way is given up.
        pub replicas: Option<Vec<i32>> => 0;
    }

    /// What begins to move.
    pub struct AlterPartitionReassignmentsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// As in the request.
        pub allow_replication_factor_change: bool => 1, default true;
        /// Why nothing does.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// By topic.
        pub responses: Vec<ReassignTopicResult> => 0;
    }

    /// A topic.
    pub struct ReassignTopicResult {
        /// Its name.
        pub name: Str => 0;
        /// By partition.
        pub partitions: Vec<ReassignPartitionResult> => 0;
    }

    /// A partition.
    pub struct ReassignPartitionResult {
        /// Its index.
        pub partition_index: i32 => 0;
        /// Why it does not move.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
    }
}
