//! Metadata (key 3): brokers, topics and who leads each partition.

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::string::Str;
use crate::wire;

wire! {
    /// Which topics to describe; null (an empty list in version 0) means all.
    pub struct MetadataRequest {
        /// The topics.
        pub topics: Option<Vec<MetadataRequestTopic>> => 0, null 1;
        /// Whether to create topics that do not exist.
        pub allow_auto_topic_creation: bool => 4, default true;
        /// Whether to list what the asker may do with the cluster.
        pub include_cluster_authorized_operations: bool => 8 to 10;
        /// Whether to list what the asker may do with each topic.
        pub include_topic_authorized_operations: bool => 8;
    }

    /// A topic by name or, from version 12 on, by id.
    pub struct MetadataRequestTopic {
        /// The id, or zero.
        pub topic_id: TopicId => 10;
        /// The name, or null when the id says it.
        pub name: Option<Str> => 0, null 10;
    }

    /// The cluster as this broker knows it.
    pub struct MetadataResponse {
        /// How long the client was held back, ms.
        pub throttle_time_ms: i32 => 3;
        /// The brokers.
        pub brokers: Vec<MetadataBroker> => 0;
        /// The cluster's id.
        pub cluster_id: Option<Str> => 2;
        /// The controller's node id.
        pub controller_id: i32 => 1, default -1;
        /// The topics.
        pub topics: Vec<MetadataTopic> => 0;
        /// What the asker may do with the cluster, as a bit field.
        pub cluster_authorized_operations: i32 => 8 to 10, default i32::MIN;
        /// An error of the whole request (KIP-1102).
        pub error_code: ErrorCode => 13;
    }

    /// One broker.
    pub struct MetadataBroker {
        /// Its id.
        pub node_id: i32 => 0;
        /// Where clients reach it.
        pub host: Str => 0;
        /// The port there.
        pub port: i32 => 0;
        /// Its rack.
        pub rack: Option<Str> => 1;
    }

    /// One topic.
    pub struct MetadataTopic {
        /// Why it could not be described.
        pub error_code: ErrorCode => 0;
        /// Its name; null when it was asked for by an id that is not known.
        pub name: Option<Str> => 0, null 12;
        /// Its id.
        pub topic_id: TopicId => 10;
        /// Whether the broker keeps it for itself.
        pub is_internal: bool => 1;
        /// Its partitions.
        pub partitions: Vec<MetadataPartition> => 0;
        /// What the asker may do with it, as a bit field.
        pub topic_authorized_operations: i32 => 8, default i32::MIN;
    }

    /// One partition.
    pub struct MetadataPartition {
        /// Why it cannot be used.
        pub error_code: ErrorCode => 0;
        /// Its index in the topic.
        pub partition_index: i32 => 0;
        /// The leader's node id.
        pub leader_id: i32 => 0;
        /// The leader's epoch.
        pub leader_epoch: i32 => 7, default -1;
        /// All replicas.
        pub replica_nodes: Vec<i32> => 0;
        /// Replicas in sync.
        pub isr_nodes: Vec<i32> => 0;
        /// Replicas that are down.
        pub offline_replicas: Vec<i32> => 5;
    }
}
