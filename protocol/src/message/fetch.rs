//! Fetch (key 1): read record batches, waiting for them if need be; sessions keep the list of partitions
//! on the broker (KIP-227).

use super::produce::{LeaderIdAndEpoch, NodeEndpoint};
use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::record::Records;
use crate::string::Str;
use crate::wire;

wire! {
    /// Where to read from, and how long and how much.
    pub struct FetchRequest {
        /// The cluster that the asker believes to be in.
        pub cluster_id: Option<Str> => 12, tag 0;
        /// A follower's node id; -1 from consumers.
        pub replica_id: i32 => 0 to 14, default -1;
        /// The same, with an epoch.
        pub replica_state: ReplicaState => 15, tag 1;
        /// How long to wait for `min_bytes`, ms.
        pub max_wait_ms: i32 => 0;
        /// Answer as soon as this much is there.
        pub min_bytes: i32 => 0;
        /// The most that the whole answer may carry; a first batch beyond it is sent all the same (KIP-74).
        pub max_bytes: i32 => 3, default i32::MAX;
        /// 0: everything; 1: only what committed transactions wrote.
        pub isolation_level: i8 => 4;
        /// The fetch session, or 0.
        pub session_id: i32 => 7;
        /// The session's epoch; -1: no session.
        pub session_epoch: i32 => 7, default -1;
        /// Partitions to read, or to add to the session.
        pub topics: Vec<FetchTopic> => 0;
        /// Partitions to take out of the session.
        pub forgotten_topics_data: Vec<ForgottenTopic> => 7;
        /// The asker's rack.
        pub rack_id: Str => 11;
    }

    /// A follower's identity.
    pub struct ReplicaState {
        /// Its node id.
        pub replica_id: i32 => 15, default -1;
        /// Its epoch.
        pub replica_epoch: i64 => 15, default -1;
    }

    /// Partitions of one topic.
    pub struct FetchTopic {
        /// The topic's name.
        pub topic: Str => 0 to 12;
        /// The topic's id.
        pub topic_id: TopicId => 13;
        /// The partitions.
        pub partitions: Vec<FetchPartition> => 0;
    }

    /// Where to read one partition from.
    pub struct FetchPartition {
        /// The partition.
        pub partition: i32 => 0;
        /// The leader epoch that the asker knows, or -1.
        pub current_leader_epoch: i32 => 9, default -1;
        /// The first offset wanted.
        pub fetch_offset: i64 => 0;
        /// The epoch of the last record read, or -1.
        pub last_fetched_epoch: i32 => 12, default -1;
        /// A follower's first offset.
        pub log_start_offset: i64 => 5, default -1;
        /// The most to read here.
        pub partition_max_bytes: i32 => 0;
        /// A follower's directory.
        pub replica_directory_id: TopicId => 17, tag 0;
        /// A follower's high watermark.
        pub high_watermark: i64 => 18, tag 1, default i64::MAX;
    }

    /// Partitions that leave the session.
    pub struct ForgottenTopic {
        /// The topic's name.
        pub topic: Str => 7 to 12;
        /// The topic's id.
        pub topic_id: TopicId => 13;
        /// The partitions.
        pub partitions: Vec<i32> => 7;
    }

    /// What was read.
    pub struct FetchResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 1;
        /// An error of the whole request.
        pub error_code: ErrorCode => 7;
        /// The session, or 0 for none.
        pub session_id: i32 => 7;
        /// By topic.
        pub responses: Vec<FetchTopicResponse> => 0;
        /// Where the leaders are that are named within (KIP-951).
        pub node_endpoints: Vec<NodeEndpoint> => 16, tag 0;
    }

    /// What was read of one topic.
    pub struct FetchTopicResponse {
        /// The topic's name.
        pub topic: Str => 0 to 12;
        /// The topic's id.
        pub topic_id: TopicId => 13;
        /// By partition.
        pub partitions: Vec<FetchPartitionResponse> => 0;
    }

    /// What was read of one partition.
    pub struct FetchPartitionResponse {
        /// The partition.
        pub partition_index: i32 => 0;
        /// Why nothing was read.
        pub error_code: ErrorCode => 0;
        /// One past the last offset that may be read.
        pub high_watermark: i64 => 0;
        /// One past the last offset that belongs to no open transaction.
        pub last_stable_offset: i64 => 4, default -1;
        /// The first offset that is kept.
        pub log_start_offset: i64 => 5, default -1;
        /// Where the asker's log parts from this one (KIP-595).
        pub diverging_epoch: EpochAndOffset => 12, tag 0;
        /// Who leads, if it is somebody else.
        pub current_leader: LeaderIdAndEpoch => 12, tag 1;
        /// A snapshot to read instead; only for the metadata log.
        pub snapshot_id: SnapshotId => 12, tag 2;
        /// Aborted transactions in what was read; null for an asker that reads everything.
        pub aborted_transactions: Option<Vec<AbortedTransaction>> => 4;
        /// A replica nearer to the asker, or -1.
        pub preferred_read_replica: i32 => 11, default -1;
        /// Whole batches, the first being the one that holds the offset asked for.
        pub records: Option<Records> => 0;
    }

    /// An epoch and where it ends.
    pub struct EpochAndOffset {
        /// The epoch.
        pub epoch: i32 => 12, default -1;
        /// One past its last offset.
        pub end_offset: i64 => 12, default -1;
    }

    /// A snapshot's name.
    pub struct SnapshotId {
        /// One past its last offset.
        pub end_offset: i64 => 0, default -1;
        /// Its epoch.
        pub epoch: i32 => 0, default -1;
    }

    /// A transaction that was aborted.
    pub struct AbortedTransaction {
        /// Whose it was.
        pub producer_id: i64 => 4;
        /// Its first offset.
        pub first_offset: i64 => 4;
    }
}
