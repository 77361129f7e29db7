//! ShareAcknowledge (key 79): what became of records that a member of a share group acquired (KIP-932). Version 2 can renew the locks on
//! them (KIP-1222).

use super::produce::NodeEndpoint;
use super::share_fetch::{AcknowledgementBatch, ShareLeaderIdAndEpoch};
use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::string::Str;
use crate::wire;

wire! {
    /// The acknowledgements.
    pub struct ShareAcknowledgeRequest {
        /// The group.
        pub group_id: Option<Str> => 0;
        /// The member.
        pub member_id: Option<Str> => 0;
        /// The share session's epoch; -1 closes the session. It cannot be opened here.
        pub share_session_epoch: i32 => 0;
        /// Whether there are acknowledgements of type 4 within.
        pub is_renew_ack: bool => 2;
        /// By topic.
        pub topics: Vec<ShareAcknowledgeTopic> => 0;
    }

    /// Acknowledgements of one topic.
    pub struct ShareAcknowledgeTopic {
        /// The topic.
        pub topic_id: TopicId => 0;
        /// By partition.
        pub partitions: Vec<ShareAcknowledgePartition> => 0;
    }

    /// Acknowledgements of one partition.
    pub struct ShareAcknowledgePartition {
        /// The partition.
        pub partition_index: i32 => 0;
        /// The acknowledgements.
        pub acknowledgement_batches: Vec<AcknowledgementBatch> => 0;
    }

    /// Whether they count.
    pub struct ShareAcknowledgeResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 0;
        /// An error of the whole request.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// How long renewed records are locked, ms.
        pub acquisition_lock_timeout_ms: i32 => 2;
        /// By topic.
        pub responses: Vec<ShareAcknowledgeTopicResponse> => 0;
        /// Where the leaders are that are named within.
        pub node_endpoints: Vec<NodeEndpoint> => 0;
    }

    /// Whether those of one topic count.
    pub struct ShareAcknowledgeTopicResponse {
        /// The topic.
        pub topic_id: TopicId => 0;
        /// By partition.
        pub partitions: Vec<ShareAcknowledgePartitionResponse> => 0;
    }

    /// Whether those of one partition count.
    pub struct ShareAcknowledgePartitionResponse {
        /// The partition.
        pub partition_index: i32 => 0;
        /// Why they do not.
        pub error_code: ErrorCode => 0;
        /// The same in words.
        pub error_message: Option<Str> => 0;
        /// Who leads, if it is somebody else.
        pub current_leader: ShareLeaderIdAndEpoch => 0;
    }
}
