//! The handlers: one file an API, with the name of its message in `protocol`. A handler gets a typed request and gives a typed response; it
//! sees no sockets.
//!
//! * records and topics are here; `group`, `share`, `transaction` and `config` have theirs in folders
//! * `absent` answers for what there is not here
//! * `refused` is how they say no; `wire_code` has the code for every error of what they ask

pub(crate) mod absent;
pub(crate) mod api_versions;
pub(crate) mod config;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_cluster;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_topic_partitions;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
pub(crate) mod group;
pub(crate) mod list_offsets;
pub(crate) mod metadata;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;
mod refused;
pub(crate) mod share;
pub(crate) mod transaction;
mod wire_code;

use std::net::IpAddr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::{Endpoint, ErrorCode, Response, Str};

use crate::broker::Broker;
use crate::log::LogError;
use crate::partition::Partition;
use crate::served::Served;

pub(crate) use refused::Refused;

/// What a handler knows beside the request.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The version that the answer will be written in.
    pub version: i16,
    /// What the client calls itself.
    pub client_id: Option<Str>,
    /// Where it is.
    pub peer: Option<IpAddr>,
    /// The address that answers name to connect to.
    pub endpoint: Endpoint,
    /// It came over a socket, and its answer goes there.
    pub is_remote: bool,
    /// Which one; 0 for a caller in the same process.
    pub connection: u64,
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

/// Administers topics off the I/O threads: it waits for the disk, and for others that do. Requests take effect in the order in which
/// they came, whether or not anybody waits for their answers.
pub(crate) fn administer(broker: &Arc<Broker>, work: impl FnOnce(&Arc<Broker>) -> Response + Send + 'static) -> Served {
    administer_until(broker, |broker| ready(work(broker)).boxed())
}

/// The same, of what is to be waited for on after it has taken effect.
#[expect(clippy::async_yields_async, reason = "taking effect and being answered are two things to wait for")]
pub(crate) fn administer_until(
    broker: &Arc<Broker>,
    work: impl FnOnce(&Arc<Broker>) -> BoxFuture<'static, Response> + Send + 'static,
) -> Served {
    let broker = broker.clone();
    let turn = broker.administration.clone().acquire_owned();
    // A task of its own: nobody's hanging up leaves it half done.
    let administering = tokio::spawn(async move {
        let turn = turn.await;
        let done = tokio::task::spawn_blocking(move || work(&broker)).await;
        drop(turn);
        done
    });
    Served::Beginning(
        async move {
            match administering.await {
                Ok(Ok(answer)) => answer,
                Ok(Err(panic)) | Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        .boxed(),
    )
}

/// The error of a log as a client sees it. Clients try again and again: the log has it once a minute.
pub(crate) fn read_error(broker: &Broker, error: &LogError) -> ErrorCode {
    let sentence = error.to_string();
    if broker.seldom.is_due(&sentence, std::time::Instant::now()) {
        tracing::error!("read failed: {sentence}");
    }
    error.code()
}
