//! The handlers: one file for an API, or for a few that belong together. A handler gets a typed request and gives a typed response; it sees no sockets.

pub(crate) mod alter_configs;
pub(crate) mod api_versions;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_cluster;
pub(crate) mod describe_configs;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_topic_partitions;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
pub(crate) mod groups;
pub(crate) mod init_producer_id;
pub(crate) mod list_offsets;
pub(crate) mod membership;
pub(crate) mod metadata;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod offsets;
pub(crate) mod produce;
pub(crate) mod security;
pub(crate) mod single_node;
pub(crate) mod transaction;
pub(crate) mod transactions;

use std::net::IpAddr;
use std::sync::Arc;

use millstream_protocol::{ErrorCode, Str};

use crate::broker::Broker;
use crate::partition::Partition;

/// What a handler knows beside the request.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The version that the answer will be written in.
    pub version: i16,
    /// What the client calls itself.
    pub client_id: Option<Str>,
    /// Where it is.
    pub peer: Option<IpAddr>,
}

/// What a client may do with a topic when nothing is forbidden, as Kafka's bit field: read, write, create, delete,
/// alter, describe, and the two for properties.
pub(crate) const TOPIC_OPERATIONS: i32 = 3576;
/// The same for the cluster.
pub(crate) const CLUSTER_OPERATIONS: i32 = 8096;

/// A partition by name, or the error for a name or index that is not known.
pub(crate) fn partition(broker: &Broker, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
    broker.catalog.get(topic).and_then(|topic| topic.partition(index)).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

/// Compares the leader epoch that a client knows with the partition's (KIP-320).
pub(crate) fn check_leader_epoch(asked: i32, current: i32) -> Result<(), ErrorCode> {
    match asked {
        asked if asked < 0 || asked == current => Ok(()),
        asked if asked < current => Err(ErrorCode::FENCED_LEADER_EPOCH),
        _ => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
    }
}

/// Runs something that may wait for the disk off the I/O threads.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ErrorCode> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!("a read ended in a panic: {error}");
        ErrorCode::UNKNOWN_SERVER_ERROR
    })
}

/// The error of a log as a client sees it.
pub(crate) fn read_error(error: &crate::log::LogError) -> ErrorCode {
    tracing::error!("read failed: {error}");
    match error {
        crate::log::LogError::Damaged { .. } => ErrorCode::CORRUPT_MESSAGE,
        crate::log::LogError::Io { .. } | crate::log::LogError::NoRoom { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}
