//! Offsets of groups: OffsetCommit, OffsetFetch, OffsetDelete.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::offset_commit::{
    OffsetCommitPartitionResult, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopicResult,
};
use millstream_protocol::message::offset_delete::{
    OffsetDeletePartitionResult, OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteTopicResult,
};
use millstream_protocol::message::offset_fetch::{
    CommittedOffset, OffsetFetchGroup, OffsetFetchGroupResult, OffsetFetchGroupTopic, OffsetFetchGroupTopicResult, OffsetFetchRequest,
    OffsetFetchResponse, OffsetFetchTopicResult,
};
use millstream_protocol::{ErrorCode, Response, Str, TopicId};

use super::Context;
use crate::broker::Broker;
use crate::group::{Asked, Commit, Committer, Told, Wanted};
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
            Err(code) => set(&|_| code),
            Ok((codes, acknowledged)) => match durable(acknowledged).await {
                Ok(()) => {
                    Metrics::add(&broker.metrics.offsets_committed, codes.iter().filter(|code| code.is_none()).count() as u64);
                    set(&|at| codes[at]);
                }
                Err(code) => set(&|_| code),
            },
        }
        OffsetCommitResponse { topics, ..Default::default() }.into()
    }
    .boxed()
}

pub(crate) fn offset_fetch(broker: &Arc<Broker>, context: &Context, request: OffsetFetchRequest) -> BoxFuture<'static, Response> {
    let version = context.version;
    let groups = if version >= 8 {
        request.groups
    } else {
        let topics = request.topics.map(|topics| {
            let named = topics.into_iter().map(|topic| OffsetFetchGroupTopic {
                name: topic.name,
                partition_indexes: topic.partition_indexes,
                ..Default::default()
            });
            named.collect()
        });
        vec![OffsetFetchGroup { group_id: request.group_id, topics, ..Default::default() }]
    };
    let results: Vec<OffsetFetchGroupResult> =
        groups.into_iter().map(|group| fetch_group(broker, group, request.require_stable, version)).collect();
    let broker = broker.clone();
    async move {
        // What is told is on stable storage, so that no later answer tells less.
        let settled = durable(broker.groups.settled()).await;
        let mut results = results;
        if let Err(code) = settled {
            results.iter_mut().for_each(|group| {
                group.error_code = code;
                group.topics.clear();
            });
        }
        if version >= 8 {
            return OffsetFetchResponse { groups: results, ..Default::default() }.into();
        }
        let Some(group) = results.pop() else { return OffsetFetchResponse::default().into() };
        let topics = group.topics.into_iter().map(|topic| OffsetFetchTopicResult { name: topic.name, partitions: topic.partitions });
        OffsetFetchResponse { topics: topics.collect(), error_code: group.error_code, ..Default::default() }.into()
    }
    .boxed()
}

fn fetch_group(broker: &Broker, group: OffsetFetchGroup, is_stable_required: bool, version: i16) -> OffsetFetchGroupResult {
    let by_id = version >= 10;
    let mut unknown = Vec::new();
    let wanted = match group.topics {
        None => Wanted::All,
        Some(topics) => {
            let mut named = Vec::with_capacity(topics.len());
            for topic in topics {
                if !by_id {
                    named.push((topic.name, topic.partition_indexes));
                } else if let Some(found) = broker.catalog.get_by_id(topic.topic_id) {
                    named.push((Str::from(&found.name), topic.partition_indexes));
                } else {
                    let partitions = topic.partition_indexes.into_iter().map(|partition_index| CommittedOffset {
                        partition_index,
                        committed_offset: -1,
                        metadata: Some(Str::default()),
                        error_code: ErrorCode::UNKNOWN_TOPIC_ID,
                        ..Default::default()
                    });
                    let partitions = partitions.collect();
                    unknown.push(OffsetFetchGroupTopicResult { topic_id: topic.topic_id, partitions, ..Default::default() });
                }
            }
            Wanted::Partitions(named)
        }
    };
    let asked =
        Asked { group_id: group.group_id.clone(), member_id: group.member_id, epoch: group.member_epoch, wanted, is_stable_required };
    match broker.groups.offsets(&asked) {
        Err(error_code) => OffsetFetchGroupResult { group_id: group.group_id, error_code, ..Default::default() },
        Ok(found) => {
            let mut topics: Vec<OffsetFetchGroupTopicResult> = found
                .into_iter()
                .map(|(name, partitions)| {
                    let topic_id = if by_id { broker.catalog.get(&name).map_or(TopicId::ZERO, |topic| topic.id) } else { TopicId::ZERO };
                    OffsetFetchGroupTopicResult { name, topic_id, partitions: partitions.into_iter().map(committed).collect() }
                })
                .filter(|topic| !by_id || !topic.topic_id.is_zero())
                .collect();
            topics.extend(unknown);
            OffsetFetchGroupResult { group_id: group.group_id, topics, ..Default::default() }
        }
    }
}

fn committed(told: Told) -> CommittedOffset {
    CommittedOffset {
        partition_index: told.partition,
        committed_offset: told.offset,
        committed_leader_epoch: told.leader_epoch,
        metadata: Some(told.metadata.into()),
        error_code: told.error_code,
    }
}

pub(crate) fn offset_delete(broker: &Arc<Broker>, request: OffsetDeleteRequest) -> BoxFuture<'static, Response> {
    let places: Vec<(Str, i32)> = request
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.clone(), partition.partition_index)))
        .collect();
    let deleted = broker.groups.delete_offsets(&request.group_id, &places);
    let broker = broker.clone();
    async move {
        let codes = match deleted {
            Err(error_code) => return OffsetDeleteResponse { error_code, ..Default::default() }.into(),
            Ok(codes) => codes,
        };
        if let Err(error_code) = durable(broker.groups.settled()).await {
            return OffsetDeleteResponse { error_code, ..Default::default() }.into();
        }
        let mut codes = codes.into_iter();
        let topics = request.topics.into_iter().filter(|topic| !topic.partitions.is_empty());
        let topics = topics.map(|topic| OffsetDeleteTopicResult {
            name: topic.name,
            partitions: topic
                .partitions
                .into_iter()
                .zip(codes.by_ref())
                .map(|(partition, error_code)| OffsetDeletePartitionResult { partition_index: partition.partition_index, error_code })
                .collect(),
        });
        OffsetDeleteResponse { topics: topics.collect(), ..Default::default() }.into()
    }
    .boxed()
}
