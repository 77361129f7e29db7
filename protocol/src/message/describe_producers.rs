//! DescribeProducers (key 61): what partitions know of their producers (KIP-664).

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Of which partitions.
    pub struct DescribeProducersRequest {
        /// By topic.
        pub topics: Vec<DescribeProducersTopic> => 0;
    }

    /// A topic.
    pub struct DescribeProducersTopic {
        /// Its name.
        pub name: Str => 0;
        /// Its partitions.
        pub partition_indexes: Vec<i32> => 0;
    }

    /// The producers.
    pub struct DescribeProducersResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// By topic.
        pub topics: Vec<DescribeProducersTopicResult> => 0;
    }

    /// A topic.
    pub struct DescribeProducersTopicResult {
        /// Its name.
        pub name: Str => 0;
        /// By partition.
        pub partitions: Vec<PartitionProducers> => 0;
    }

    /// A partition.
    pub struct PartitionProducers {
        /// Its index.
        pub partition_index: i32 => 0;
        /// Why they are not known.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// The producers.
        pub active_producers: Vec<ProducerState> => 0;
    }

    /// A producer.
    pub struct ProducerState {
        /// Its id.
        pub producer_id: i64 => 0;
        /// Its epoch.
        pub producer_epoch: i32 => 0;
        /// Its last sequence number, or -1.
        pub last_sequence: i32 => 0, default -1;
        /// The time of its last batch, ms, or -1.
        pub last_timestamp: i64 => 0, default -1;
        /// The epoch of the coordinator of its last transaction.
        pub coordinator_epoch: i32 => 0;
        /// Where its open transaction begins, or -1.
        pub current_txn_start_offset: i64 => 0, default -1;
    }
}
