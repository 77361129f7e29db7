//! ListOffsets (key 2): the offset of a time, or of an end of the log.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

/// The end of the log: the next offset to be written.
pub const LATEST: i64 = -1;
/// The first offset that is kept.
pub const EARLIEST: i64 = -2;
/// The record with the largest timestamp (KIP-734).
pub const MAX_TIMESTAMP: i64 = -3;
/// The first offset on local disk (KIP-405).
pub const EARLIEST_LOCAL: i64 = -4;
/// The last offset in tiered storage (KIP-1005).
pub const LATEST_TIERED: i64 = -5;

wire! {
    /// Times to look up.
    pub struct ListOffsetsRequest {
        /// A follower's node id; -1 from consumers.
        pub replica_id: i32 => 0;
        /// 0: everything counts; 1: only what committed transactions wrote.
        pub isolation_level: i8 => 2;
        /// By topic.
        pub topics: Vec<ListOffsetsTopic> => 0;
        /// How long to wait, ms (tiered storage, KIP-1075).
        pub timeout_ms: i32 => 10;
    }

    /// Times to look up in one topic.
    pub struct ListOffsetsTopic {
        /// The topic.
        pub name: Str => 0;
        /// By partition.
        pub partitions: Vec<ListOffsetsPartition> => 0;
    }

    /// A time to look up in one partition.
    pub struct ListOffsetsPartition {
        /// The partition.
        pub partition_index: i32 => 0;
        /// The leader epoch that the asker knows, or -1.
        pub current_leader_epoch: i32 => 4, default -1;
        /// Ms since 1970, or one of the special times of [`crate::message::list_offsets`].
        pub timestamp: i64 => 0;
    }

    /// What was found.
    pub struct ListOffsetsResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 2;
        /// By topic.
        pub topics: Vec<ListOffsetsTopicResponse> => 0;
    }

    /// What was found in one topic.
    pub struct ListOffsetsTopicResponse {
        /// The topic.
        pub name: Str => 0;
        /// By partition.
        pub partitions: Vec<ListOffsetsPartitionResponse> => 0;
    }

    /// What was found in one partition.
    pub struct ListOffsetsPartitionResponse {
        /// The partition.
        pub partition_index: i32 => 0;
        /// Why nothing was found.
        pub error_code: ErrorCode => 0;
        /// The time of the record found, or -1.
        pub timestamp: i64 => 1, default -1;
        /// Its offset, or -1.
        pub offset: i64 => 1, default -1;
        /// Its leader epoch, or -1.
        pub leader_epoch: i32 => 4, default -1;
    }
}
