//! ShareFetch (key 78): acquire records for a member of a share group, waiting for them if need be, and acknowledge those of before
//! (KIP-932). A share session keeps the list of partitions on the broker. Version 2 can acquire no more records than asked for (KIP-1206)
//! and renew the locks on acquired records (KIP-1222).

use super::produce::NodeEndpoint;
use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::record::Records;
use crate::string::Str;
use crate::wire;

wire! {
    /// What to acquire and how much of it, and what became of records that were acquired before.
    pub struct ShareFetchRequest {
        /// The group.
        pub group_id: Option<Str> => 0;
        /// The member.
        pub member_id: Option<Str> => 0;
        /// The share session's epoch; 0 opens a session, -1 closes it.
        pub share_session_epoch: i32 => 0;
        /// How long to wait for `min_bytes`, ms.
        pub max_wait_ms: i32 => 0;
        /// Answer as soon as this much is there.
        pub min_bytes: i32 => 0;
        /// The most that the whole answer may carry; a first batch beyond it is sent all the same (KIP-74).
        pub max_bytes: i32 => 0, default i32::MAX;
        /// The most records to acquire; more are, up to the end of a batch, unless `share_acquire_mode` is 1.
        pub max_records: i32 => 1;
        /// How many records a batch of acquired records shall have.
        pub batch_size: i32 => 1;
        /// 0: whole batches (`batch_optimized`); 1: never more than `max_records` (`record_limit`).
        pub share_acquire_mode: i8 => 2;
        /// Whether there are acknowledgements of type 4 within.
        pub is_renew_ack: bool => 2;
        /// Partitions to add to the session, or to acknowledge records of.
        pub topics: Vec<ShareFetchTopic> => 0;
        /// Partitions to take out of the session.
        pub forgotten_topics_data: Vec<ShareForgottenTopic> => 0;
    }

    /// Partitions of one topic.
    pub struct ShareFetchTopic {
        /// The topic.
        pub topic_id: TopicId => 0;
        /// The partitions.
        pub partitions: Vec<ShareFetchPartition> => 0;
    }

    /// One partition, and what became of its records.
    pub struct ShareFetchPartition {
        /// The partition.
        pub partition_index: i32 => 0;
        /// The acknowledgements.
        pub acknowledgement_batches: Vec<AcknowledgementBatch> => 0;
    }

    /// What became of some records in a row.
    pub struct AcknowledgementBatch {
        /// The offset of the first.
        pub first_offset: i64 => 0;
        /// The offset of the last.
        pub last_offset: i64 => 0;
        /// 0: gap, 1: accept, 2: release, 3: reject, and from version 2 on 4: renew. A single one is for all records, otherwise each has its
        /// own.
        pub acknowledge_types: Vec<i8> => 0;
    }

    /// Partitions that leave the session.
    pub struct ShareForgottenTopic {
        /// The topic.
        pub topic_id: TopicId => 0;
        /// The partitions.
        pub partitions: Vec<i32> => 0;
    }

    /// What was acquired.
    pub struct ShareFetchResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// An error of the whole request.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// How long acquired records are locked, ms.
        pub acquisition_lock_timeout_ms: i32 => 1;
        /// By topic.
        pub responses: Vec<ShareFetchTopicResponse> => 0;
        /// Where the leaders are that are named within.
        pub node_endpoints: Vec<NodeEndpoint> => 0;
    }

    /// What was acquired of one topic.
    pub struct ShareFetchTopicResponse {
        /// The topic.
        pub topic_id: TopicId => 0;
        /// By partition.
        pub partitions: Vec<ShareFetchPartitionResponse> => 0;
    }

    /// What was acquired of one partition.
    pub struct ShareFetchPartitionResponse {
        /// The partition.
        pub partition_index: i32 => 0;
        /// Why nothing was acquired.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// Why the acknowledgements do not count.
        pub acknowledge_error_code: ErrorCode => 0;
        /// The same in words.
        pub acknowledge_error_message: Option<Str> => 0;
        /// Who leads, if it is somebody else.
        pub current_leader: ShareLeaderIdAndEpoch => 0;
        /// Whole batches, with records that were not acquired too; never null, which Kafka 4.3's clients refuse.
        pub records: Records => 0;
        /// Which of them were acquired.
        pub acquired_records: Vec<AcquiredRecords> => 0;
    }

    /// A leader and its epoch. Unlike in Fetch it is always on the wire, and two zeros say nothing.
    pub struct ShareLeaderIdAndEpoch {
        /// The leader's node id, or -1.
        pub leader_id: i32 => 0;
        /// Its epoch.
        pub leader_epoch: i32 => 0;
    }

    /// Records in a row that the member has now.
    pub struct AcquiredRecords {
        /// The offset of the first.
        pub first_offset: i64 => 0;
        /// The offset of the last.
        pub last_offset: i64 => 0;
        /// How often they have been delivered, this time counted.
        pub delivery_count: i16 => 0;
    }
}
