//! Produce (key 0): append record batches. Advertised from version 0, because clients before 2025 stop
//! compressing otherwise (KAFKA-18659); served from version 3, the first that carries batches v2.

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::record::Records;
use crate::string::Str;
use crate::wire;

wire! {
    /// Batches for partitions, and what an acknowledgement shall mean.
    pub struct ProduceRequest {
        /// The transaction's id, or null.
        pub transactional_id: Option<Str> => 3;
        /// 0: no answer; 1: written; -1: on stable storage.
        pub acks: i16 => 3;
        /// How long to wait for the acknowledgement, ms.
        pub timeout_ms: i32 => 3;
        /// Batches by topic.
        pub topic_data: Vec<TopicProduceData> => 3;
    }

    /// Batches for one topic.
    pub struct TopicProduceData {
        /// The topic's name.
        pub name: Str => 3 to 12;
        /// The topic's id.
        pub topic_id: TopicId => 13;
        /// Batches by partition.
        pub partition_data: Vec<PartitionProduceData> => 3;
    }

    /// Batches for one partition.
    pub struct PartitionProduceData {
        /// The partition.
        pub index: i32 => 3;
        /// One batch.
        pub records: Option<Records> => 3;
    }

    /// What became of each partition's batch.
    pub struct ProduceResponse {
        /// By topic.
        pub responses: Vec<TopicProduceResponse> => 3;
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 3;
        /// Where the leaders are that [`PartitionProduceResponse::current_leader`] names (KIP-951).
        pub node_endpoints: Vec<NodeEndpoint> => 10, tag 0;
    }

    /// What became of one topic's batches.
    pub struct TopicProduceResponse {
        /// The topic's name.
        pub name: Str => 3 to 12;
        /// The topic's id.
        pub topic_id: TopicId => 13;
        /// By partition.
        pub partition_responses: Vec<PartitionProduceResponse> => 3;
    }

    /// What became of one batch.
    pub struct PartitionProduceResponse {
        /// The partition.
        pub index: i32 => 3;
        /// Zero when appended.
        pub error_code: ErrorCode => 3;
        /// The offset of the first record; -1 on error.
        pub base_offset: i64 => 3, default -1;
        /// The time that the broker stamped; -1 when the client's stands.
        pub log_append_time_ms: i64 => 3, default -1;
        /// The partition's first offset.
        pub log_start_offset: i64 => 5, default -1;
        /// Records that made the batch fail (KIP-467).
        pub record_errors: Vec<BatchIndexAndErrorMessage> => 8;
        /// What they have in common.
        pub error_message: Option<Str> => 8;
        /// Who leads, if it is somebody else.
        pub current_leader: LeaderIdAndEpoch => 10, tag 0;
    }

    /// One record that made its batch fail.
    pub struct BatchIndexAndErrorMessage {
        /// Its place in the batch.
        pub batch_index: i32 => 8;
        /// What is wrong with it.
        pub batch_index_error_message: Option<Str> => 8;
    }

    /// A leader and its epoch; both -1 when there is nothing to say.
    pub struct LeaderIdAndEpoch {
        /// The leader's node id.
        pub leader_id: i32 => 0, default -1;
        /// Its epoch.
        pub leader_epoch: i32 => 0, default -1;
    }

    /// Where a node is reached.
    pub struct NodeEndpoint {
        /// Its id.
        pub node_id: i32 => 0;
        /// Its host.
        pub host: Str => 0;
        /// Its port.
        pub port: i32 => 0;
        /// Its rack.
        pub rack: Option<Str> => 0;
    }
}
