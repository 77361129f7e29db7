//! EndTxn (key 26): a transaction is to be committed or aborted.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which one, and how.
    pub struct EndTxnRequest {
        /// The transactional id.
        pub transactional_id: Str => 0;
        /// Its producer id.
        pub producer_id: i64 => 0;
        /// Its epoch.
        pub producer_epoch: i16 => 0;
        /// Whether to commit; else it is aborted.
        pub committed: bool => 0;
    }

    /// Whether it ended.
    pub struct EndTxnResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why not.
        pub error_code: ErrorCode => 0;
        /// The producer id for the next transaction (KIP-890).
        pub producer_id: i64 => 5, default -1;
        /// The epoch for the next transaction.
        pub producer_epoch: i16 => 5, default -1;
    }
}
