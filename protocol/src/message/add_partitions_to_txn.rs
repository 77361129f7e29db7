//! AddPartitionsToTxn (key 24): partitions that a transaction is about to write to.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which partitions; up to version 3 of one transaction.
    pub struct AddPartitionsToTxnRequest {
        /// The transactions.
        pub transactions: Vec<AddPartitionsTransaction> => 4;
        /// The transactional id.
        pub transactional_id: Str => 0 to 3;
        /// Its producer id.
        pub producer_id: i64 => 0 to 3;
        /// Its epoch.
        pub producer_epoch: i16 => 0 to 3;
        /// The partitions.
        pub topics: Vec<AddPartitionsTopic> => 0 to 3;
    }

    /// A transaction.
    pub struct AddPartitionsTransaction {
        /// Its transactional id.
        pub transactional_id: Str => 4;
        /// Its producer id.
        pub producer_id: i64 => 4;
        /// Its epoch.
        pub producer_epoch: i16 => 4;
        /// Whether to look only, and add nothing.
        pub verify_only: bool => 4;
        /// The partitions.
        pub topics: Vec<AddPartitionsTopic> => 4;
    }

    /// A topic.
    pub struct AddPartitionsTopic {
        /// Its name.
        pub name: Str => 0;
        /// Its partitions.
        pub partitions: Vec<i32> => 0;
    }

    /// What was added.
    pub struct AddPartitionsToTxnResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why nothing was.
        pub error_code: ErrorCode => 4;
        /// By transaction.
        pub results_by_transaction: Vec<AddPartitionsResult> => 4;
        /// By topic.
        pub results_by_topic: Vec<AddPartitionsTopicResult> => 0 to 3;
    }

    /// A transaction.
    pub struct AddPartitionsResult {
        /// Its transactional id.
        pub transactional_id: Str => 4;
        /// By topic.
        pub topic_results: Vec<AddPartitionsTopicResult> => 4;
    }

    /// A topic.
    pub struct AddPartitionsTopicResult {
        /// Its name.
        pub name: Str => 0;
        /// By partition.
        pub results_by_partition: Vec<AddPartitionsPartitionResult> => 0;
    }

    /// A partition.
    pub struct AddPartitionsPartitionResult {
        /// Its index.
        pub partition_index: i32 => 0;
        /// Why it was not added.
        pub partition_error_code: ErrorCode => 0;
    }
}
