//! WriteTxnMarkers (key 27): ends transactions in partitions. From coordinators, and from an administrator who ends one
//! that hangs.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// What to write.
    pub struct WriteTxnMarkersRequest {
        /// One entry a transaction.
        pub markers: Vec<TxnMarker> => 1;
    }

    /// The end of a transaction.
    pub struct TxnMarker {
        /// Whose.
        pub producer_id: i64 => 1;
        /// The epoch.
        pub producer_epoch: i16 => 1;
        /// Whether it was committed.
        pub transaction_result: bool => 1;
        /// Where.
        pub topics: Vec<TxnMarkerTopic> => 1;
        /// The epoch of the coordinator.
        pub coordinator_epoch: i32 => 1;
    }

    /// A topic.
    pub struct TxnMarkerTopic {
        /// Its name.
        pub name: Str => 1;
        /// Its partitions.
        pub partition_indexes: Vec<i32> => 1;
    }

    /// What was written.
    pub struct WriteTxnMarkersResponse {
        /// One entry a transaction.
        pub markers: Vec<TxnMarkerResult> => 1;
    }

    /// A transaction.
    pub struct TxnMarkerResult {
        /// Whose.
        pub producer_id: i64 => 1;
        /// By topic.
        pub topics: Vec<TxnMarkerTopicResult> => 1;
    }

    /// A topic.
    pub struct TxnMarkerTopicResult {
        /// Its name.
        pub name: Str => 1;
        /// By partition.
        pub partitions: Vec<TxnMarkerPartitionResult> => 1;
    }

    /// A partition.
    pub struct TxnMarkerPartitionResult {
        /// Its index.
        pub partition_index: i32 => 1;
        /// Why nothing was written.
        pub error_code: ErrorCode => 1;
    }
}
