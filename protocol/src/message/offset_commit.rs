//! OffsetCommit (key 8): how far a group has come.

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::string::Str;
use crate::wire;

wire! {
    /// Who commits what.
    pub struct OffsetCommitRequest {
        /// The group.
        pub group_id: Str => 2;
        /// The generation, or the member's epoch; -1 from a client that is no member.
        pub generation_id_or_member_epoch: i32 => 2, default -1;
        /// The member, or empty.
        pub member_id: Str => 2;
        /// Its own lasting name.
        pub group_instance_id: Option<Str> => 7;
        /// How long to keep the offsets, ms; -1: as the broker does.
        pub retention_time_ms: i64 => 2 to 4, default -1;
        /// The topics.
        pub topics: Vec<OffsetCommitTopic> => 2;
    }

    /// A topic.
    pub struct OffsetCommitTopic {
        /// Its name.
        pub name: Str => 2 to 9;
        /// Its id.
        pub topic_id: TopicId => 10;
        /// Its partitions.
        pub partitions: Vec<OffsetCommitPartition> => 2;
    }

    /// A partition.
    pub struct OffsetCommitPartition {
        /// Its index.
        pub partition_index: i32 => 2;
        /// The next offset to be read.
        pub committed_offset: i64 => 2;
        /// The leader epoch of the record before it, or -1.
        pub committed_leader_epoch: i32 => 6, default -1;
        /// A note of the client's.
        pub committed_metadata: Option<Str> => 2;
    }

    /// What was kept.
    pub struct OffsetCommitResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 3;
        /// The topics.
        pub topics: Vec<OffsetCommitTopicResult> => 2;
    }

    /// A topic.
    pub struct OffsetCommitTopicResult {
        /// Its name.
        pub name: Str => 2 to 9;
        /// Its id.
        pub topic_id: TopicId => 10;
        /// Its partitions.
        pub partitions: Vec<OffsetCommitPartitionResult> => 2;
    }

    /// A partition.
    pub struct OffsetCommitPartitionResult {
        /// Its index.
        pub partition_index: i32 => 2;
        /// Why the offset was not kept.
        pub error_code: ErrorCode => 2;
    }
}
