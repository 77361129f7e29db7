//! OffsetForLeaderEpoch (key 23): where a leader's epoch ended, so that a client sees whether what it read
//! still stands (KIP-320).

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Epochs to look up.
    pub struct OffsetForLeaderEpochRequest {
        /// A follower's node id; -2 from consumers.
        pub replica_id: i32 => 3, default -2;
        /// By topic.
        pub topics: Vec<OffsetForLeaderTopic> => 0;
    }

    /// Epochs of one topic.
    pub struct OffsetForLeaderTopic {
        /// The topic.
        pub topic: Str => 0;
        /// By partition.
        pub partitions: Vec<OffsetForLeaderPartition> => 0;
    }

    /// An epoch of one partition.
    pub struct OffsetForLeaderPartition {
        /// The partition.
        pub partition: i32 => 0;
        /// The epoch that the asker believes to be current, or -1.
        pub current_leader_epoch: i32 => 2, default -1;
        /// The epoch to look up.
        pub leader_epoch: i32 => 0;
    }

    /// What was found.
    pub struct OffsetForLeaderEpochResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 2;
        /// By topic.
        pub topics: Vec<OffsetForLeaderTopicResult> => 0;
    }

    /// What was found in one topic.
    pub struct OffsetForLeaderTopicResult {
        /// The topic.
        pub topic: Str => 0;
        /// By partition.
        pub partitions: Vec<EpochEndOffset> => 0;
    }

    /// What was found in one partition.
    pub struct EpochEndOffset {
        /// Why nothing was found.
        pub error_code: ErrorCode => 0;
        /// The partition.
        pub partition: i32 => 0;
        /// The largest epoch not above the one asked for, or -1.
        pub leader_epoch: i32 => 1, default -1;
        /// One past its last offset, or -1.
        pub end_offset: i64 => 0, default -1;
    }
}
