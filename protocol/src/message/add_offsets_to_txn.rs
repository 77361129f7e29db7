//! AddOffsetsToTxn (key 25): a transaction is about to commit offsets of a group.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which transaction, which group.
    pub struct AddOffsetsToTxnRequest {
        /// The transactional id.
        pub transactional_id: Str => 0;
        /// Its producer id.
        pub producer_id: i64 => 0;
        /// Its epoch.
        pub producer_epoch: i16 => 0;
        /// The group.
        pub group_id: Str => 0;
    }

    /// Whether it may.
    pub struct AddOffsetsToTxnResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why not.
        pub error_code: ErrorCode => 0;
    }
}
