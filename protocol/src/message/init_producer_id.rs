//! InitProducerId (key 22): an identity for a producer that must not repeat itself.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Who asks.
    pub struct InitProducerIdRequest {
        /// The transactional id, or null.
        pub transactional_id: Option<Str> => 0;
        /// After how long an open transaction is aborted, ms.
        pub transaction_timeout_ms: i32 => 0;
        /// The id that it holds already, or -1.
        pub producer_id: i64 => 3, default -1;
        /// The epoch that it holds already, or -1.
        pub producer_epoch: i16 => 3, default -1;
        /// Whether it takes part in two-phase commits (KIP-939).
        pub enable_2pc: bool => 6;
        /// Whether to leave a prepared transaction alone (KIP-939).
        pub keep_prepared_txn: bool => 6;
    }

    /// Its identity.
    pub struct InitProducerIdResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// Why there is none.
        pub error_code: ErrorCode => 0;
        /// The id, or -1.
        pub producer_id: i64 => 0, default -1;
        /// The epoch.
        pub producer_epoch: i16 => 0;
        /// Whose transaction is open, or -1.
        pub ongoing_txn_producer_id: i64 => 6, default -1;
        /// Its epoch, or -1.
        pub ongoing_txn_producer_epoch: i16 => 6, default -1;
    }
}
