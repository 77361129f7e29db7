//! TxnOffsetCommit (key 28): how far a group has come, if the transaction commits.

use crate::error_code::ErrorCode;
use crate::string::Str;
use crate::wire;

wire! {
    /// Who commits what.
    pub struct TxnOffsetCommitRequest {
        /// The transactional id.
        pub transactional_id: Str => 0;
        /// The group.
        pub group_id: Str => 0;
        /// The producer id.
        pub producer_id: i64 => 0;
        /// Its epoch.
        pub producer_epoch: i16 => 0;
        /// The generation, or the member's epoch; -1 from a client that is no member.
        pub generation_id: i32 => 3, default -1;
        /// The member, or empty.
        pub member_id: Str => 3;
        /// Its own lasting name.
        pub group_instance_id: Option<Str> => 3;
        /// The topics.
        pub topics: Vec<TxnOffsetCommitTopic> => 0;
    }

    /// A topic.
    pub struct TxnOffsetCommitTopic {
        /// Its name.
        pub name: Str => 0;
        /// Its partitions.
        pub partitions: Vec<TxnOffsetCommitPartition> => 0;
    }

    /// A partition.
    pub struct TxnOffsetCommitPartition {
        /// Its index.
        pub partition_index: i32 => 0;
        /// The next offset to be read.
        pub committed_offset: i64 => 0;
        /// The leader epoch of the record before it, or -1.
        pub committed_leader_epoch: i32 => 2, default -1;
        /// A note of the client's.
        pub committed_metadata: Option<Str> => 0;
    }

    /// What was taken.
    pub struct TxnOffsetCommitResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// The topics.
        pub topics: Vec<TxnOffsetCommitTopicResult> => 0;
    }

    /// A topic.
    pub struct TxnOffsetCommitTopicResult {
        /// Its name.
        pub name: Str => 0;
        /// Its partitions.
        pub partitions: Vec<TxnOffsetCommitPartitionResult> => 0;
    }

    /// A partition.
    pub struct TxnOffsetCommitPartitionResult {
        /// Its index.
        pub partition_index: i32 => 0;
        /// Why the offset was not taken.
        pub error_code: ErrorCode => 0;
    }
}
