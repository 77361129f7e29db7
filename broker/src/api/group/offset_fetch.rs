//! OffsetFetch: what groups have committed.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::offset_fetch::{
    CommittedOffset, OffsetFetchGroup, OffsetFetchGroupResult, OffsetFetchGroupTopic, OffsetFetchGroupTopicResult, OffsetFetchRequest,
    OffsetFetchResponse, OffsetFetchTopicResult,
};
use millstream_protocol::{ErrorCode, Response, Str, TopicId};

use crate::api::Context;
use crate::broker::Broker;
use crate::group::{Asked, ToldOffset, WantedOffsets};
use crate::journal::durable;

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
        // What is answered is on stable storage, so that no later answer has less.
        let settled = durable(broker.groups.settled()).await;
        let mut results = results;
        if let Err(error) = settled {
            results.iter_mut().for_each(|group| {
                group.error_code = error.code();
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
        None => WantedOffsets::All,
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
            WantedOffsets::Partitions(named)
        }
    };
    let asked =
        Asked { group_id: group.group_id.clone(), member_id: group.member_id, epoch: group.member_epoch, wanted, is_stable_required };
    match broker.groups.offsets(&asked) {
        Err(error) => OffsetFetchGroupResult { group_id: group.group_id, error_code: error.code(), ..Default::default() },
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

fn committed(told: ToldOffset) -> CommittedOffset {
    CommittedOffset {
        partition_index: told.partition,
        committed_offset: told.offset,
        committed_leader_epoch: told.leader_epoch,
        metadata: Some(told.metadata.into()),
        error_code: told.error.map_or(ErrorCode::NONE, |error| error.code()),
    }
}
