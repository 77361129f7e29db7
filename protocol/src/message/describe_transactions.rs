//! DescribeTransactions (key 65): transactional ids and what they are doing (KIP-664).

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which ones.
    pub struct DescribeTransactionsRequest {
        /// The transactional ids.
        pub transactional_ids: Vec<Str> => 0;
    }

    /// The transactions.
    pub struct DescribeTransactionsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// One entry each.
        pub transaction_states: Vec<DescribedTransaction> => 0;
    }

    /// A transactional id.
    pub struct DescribedTransaction {
        /// Why it is not known.
        pub error_code: ErrorCode => 0;
        /// It.
        pub transactional_id: Str => 0;
        /// Its state: "Ongoing", "Empty".
        pub transaction_state: Str => 0;
        /// After how long a transaction is aborted, ms.
        pub transaction_timeout_ms: i32 => 0;
        /// When the open one began, ms, or -1.
        pub transaction_start_time_ms: i64 => 0;
        /// Its producer id.
        pub producer_id: i64 => 0;
        /// Its epoch.
        pub producer_epoch: i16 => 0;
        /// The partitions of the open transaction.
        pub topics: Vec<TransactionTopic> => 0;
    }

    /// A topic.
    pub struct TransactionTopic {
        /// Its name.
        pub topic: Str => 0;
        /// Its partitions.
        pub partitions: Vec<i32> => 0;
    }
}
