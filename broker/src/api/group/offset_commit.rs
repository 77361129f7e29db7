//! OffsetCommit: how far a group has come.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::offset_commit::{
    OffsetCommitPartitionResult, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopicResult,
};
use millstream_protocol::{ErrorCode, Response};

use crate::api::Context;
use crate::broker::Broker;
use crate::group::{Commit, Committer};
use crate::journal::durable;
use crate::metrics::Metrics;

pub(crate) fn offset_commit(broker: &Arc<Broker>, context: &Context, request: OffsetCommitRequest) -> BoxFuture<'static, Response> {
    let by_id = context.version >= 10;
    let who = Committer {
        group_id: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        epoch: request.generation_id_or_member_epoch,
        version: context.version,
    };
    // What is committed, and where its answer stands.
    let (mut commits, mut places) = (Vec::new(), Vec::new());
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics.into_iter().filter(|topic| !topic.partitions.is_empty()) {
        let topic_place = topics.len();
        let found = if by_id { broker.catalog.get_by_id(topic.topic_id) } else { broker.catalog.get(&topic.name) };
        let mut results = Vec::with_capacity(topic.partitions.len());
        let is_unknown = |index: i32| found.as_ref().is_none_or(|topic| topic.partition(index).is_none());
        let (unknown, known): (Vec<_>, Vec<_>) = topic.partitions.into_iter().partition(|asked| is_unknown(asked.partition_index));
        for (place, asked) in unknown.into_iter().chain(known).enumerate() {
            let partition_index = asked.partition_index;
            let error_code = match &found {
                None if by_id => ErrorCode::UNKNOWN_TOPIC_ID,
                Some(topic) if topic.partition(partition_index).is_some() => ErrorCode::NONE,
                _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            };
            if let Some(topic) = found.as_ref().filter(|_| error_code.is_none()) {
                places.push((topic_place, place));
                commits.push(Commit {
                    topic: topic.name.as_str().into(),
                    topic_id: Some(topic.id),
                    partition: partition_index,
                    offset: asked.committed_offset,
                    leader_epoch: asked.committed_leader_epoch,
                    metadata: asked.committed_metadata,
                });
            }
            results.push(OffsetCommitPartitionResult { partition_index, error_code });
        }
        topics.push(OffsetCommitTopicResult { name: topic.name, topic_id: topic.topic_id, partitions: results });
    }
    let broker = broker.clone();
    let retention_ms = (request.retention_time_ms >= 0).then_some(request.retention_time_ms);
    // The group is looked at for what there is to commit, and not before.
    let committed = if commits.is_empty() { Ok((Vec::new(), None)) } else { broker.groups.commit(&who, &commits, retention_ms, None) };
    async move {
        let mut set = |codes: &dyn Fn(usize) -> ErrorCode| {
            for (at, (topic, partition)) in places.iter().enumerate() {
                topics[*topic].partitions[*partition].error_code = codes(at);
            }
        };
        match committed {
            Err(error) => set(&|_| error.code()),
            Ok((results, acknowledged)) => match durable(acknowledged).await {
                Ok(()) => {
                    Metrics::add(&broker.metrics.offsets_committed, results.iter().filter(|result| result.is_ok()).count() as u64);
                    set(&|at| results[at].err().map_or(ErrorCode::NONE, |error| error.code()));
                }
                Err(error) => set(&|_| error.code()),
            },
        }
        OffsetCommitResponse { topics, ..Default::default() }.into()
    }
    .boxed()
}
