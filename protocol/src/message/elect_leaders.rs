//! ElectLeaders (key 43): asks for another leader of partitions.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which partitions.
    pub struct ElectLeadersRequest {
        /// 0: the preferred one, 1: any, even one that lost records.
        pub election_type: i8 => 1;
        /// The partitions; null: all.
        pub topic_partitions: Option<Vec<ElectLeadersTopic>> => 0;
        /// How long to wait, ms.
        pub timeout_ms: i32 => 0, default 60_000;
    }

    /// A topic.
    pub struct ElectLeadersTopic {
        /// Its name.
        pub topic: Str => 0;
        /// Its partitions.
        pub partitions: Vec<i32> => 0;
    }

    /// What was elected.
    pub struct ElectLeadersResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why nothing was.
        pub error_code: ErrorCode => 1;
        /// By topic.
        pub replica_election_results: Vec<ElectLeadersTopicResult> => 0;
    }

    /// A topic.
    pub struct ElectLeadersTopicResult {
        /// Its name.
        pub topic: Str => 0;
        /// By partition.
        pub partition_result: Vec<ElectLeadersPartitionResult> => 0;
    }

    /// A partition.
    pub struct ElectLeadersPartitionResult {
        /// Its index.
        pub partition_id: i32 => 0;
        /// Why there is no other leader.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
    }
}
