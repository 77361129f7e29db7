//! ListTransactions (key 66): the transactional ids there are (KIP-664).

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which ones.
    pub struct ListTransactionsRequest {
        /// Only those in one of these states; none: all.
        pub state_filters: Vec<Str> => 0;
        /// Only those of one of these producers; none: all.
        pub producer_id_filters: Vec<i64> => 0;
        /// Only those open for longer than this, ms; -1: all.
        pub duration_filter: i64 => 1, default -1;
        /// Only those whose id matches this regular expression; null: all.
        pub transactional_id_pattern: Option<Str> => 2;
    }

    /// The transactional ids.
    pub struct ListTransactionsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why there is no list.
        pub error_code: ErrorCode => 0;
        /// States of the filter that are none.
        pub unknown_state_filters: Vec<Str> => 0;
        /// One entry each.
        pub transaction_states: Vec<ListedTransaction> => 0;
    }

    /// A transactional id.
    pub struct ListedTransaction {
        /// It.
        pub transactional_id: Str => 0;
        /// Its producer id.
        pub producer_id: i64 => 0;
        /// Its state.
        pub transaction_state: Str => 0;
    }
}
