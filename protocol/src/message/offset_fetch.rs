//! OffsetFetch (key 9): how far groups have come.

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::string::Str;
use crate::wire;

wire! {
    /// Whose offsets are wanted.
    pub struct OffsetFetchRequest {
        /// The group.
        pub group_id: Str => 1 to 7;
        /// The topics; null: all with an offset.
        pub topics: Option<Vec<OffsetFetchTopic>> => 1 to 7, null 2;
        /// The groups.
        pub groups: Vec<OffsetFetchGroup> => 8;
        /// Whether to fail while a transaction holds offsets back (KIP-447).
        pub require_stable: bool => 7;
    }

    /// A topic, up to version 7.
    pub struct OffsetFetchTopic {
        /// Its name.
        pub name: Str => 1 to 7;
        /// Its partitions.
        pub partition_indexes: Vec<i32> => 1 to 7;
    }

    /// A group.
    pub struct OffsetFetchGroup {
        /// Its id.
        pub group_id: Str => 8;
        /// The member that asks, or null.
        pub member_id: Option<Str> => 9;
        /// Its epoch, or -1.
        pub member_epoch: i32 => 9, default -1;
        /// The topics; null: all with an offset.
        pub topics: Option<Vec<OffsetFetchGroupTopic>> => 8;
    }

    /// A topic.
    pub struct OffsetFetchGroupTopic {
        /// Its name.
        pub name: Str => 8 to 9;
        /// Its id.
        pub topic_id: TopicId => 10;
        /// Its partitions.
        pub partition_indexes: Vec<i32> => 8;
    }

    /// The offsets.
    pub struct OffsetFetchResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 3;
        /// The topics.
        pub topics: Vec<OffsetFetchTopicResult> => 1 to 7;
        /// Why there are none.
        pub error_code: ErrorCode => 2 to 7;
        /// By group.
        pub groups: Vec<OffsetFetchGroupResult> => 8;
    }

    /// A topic, up to version 7.
    pub struct OffsetFetchTopicResult {
        /// Its name.
        pub name: Str => 1 to 7;
        /// Its partitions.
        pub partitions: Vec<CommittedOffset> => 1 to 7;
    }

    /// A group.
    pub struct OffsetFetchGroupResult {
        /// Its id.
        pub group_id: Str => 8;
        /// Its topics.
        pub topics: Vec<OffsetFetchGroupTopicResult> => 8;
        /// Why there are none.
        pub error_code: ErrorCode => 8;
    }

    /// A topic.
    pub struct OffsetFetchGroupTopicResult {
        /// Its name.
        pub name: Str => 8 to 9;
        /// Its id.
        pub topic_id: TopicId => 10;
        /// Its partitions.
        pub partitions: Vec<CommittedOffset> => 8;
    }

    /// A partition.
    pub struct CommittedOffset {
        /// Its index.
        pub partition_index: i32 => 1;
        /// The next offset to be read; -1: none was committed.
        pub committed_offset: i64 => 1;
        /// The leader epoch of the record before it, or -1.
        pub committed_leader_epoch: i32 => 5, default -1;
        /// The note that was committed with it.
        pub metadata: Option<Str> => 1;
        /// Why it is not known.
        pub error_code: ErrorCode => 1;
    }
}
