//! AlterShareGroupOffsets: begins partitions of an empty share group anew, at an offset.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::message::alter_share_group_offsets::{
    AlterShareGroupOffsetsPartitionResult, AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, AlterShareGroupOffsetsTopic,
    AlterShareGroupOffsetsTopicResult,
};
use millstream_protocol::{ErrorCode, Response};

use super::{check_empty, place, told};
use crate::broker::Broker;
use crate::group::GroupError;
use crate::share::keeper::settled;
use crate::share::partition::SharePartition;

pub(crate) fn alter_share_group_offsets(broker: &Arc<Broker>, request: AlterShareGroupOffsetsRequest) -> BoxFuture<'static, Response> {
    let is_known = |topic: &AlterShareGroupOffsetsTopic| {
        let known = broker.catalog.get(&topic.topic_name);
        known.is_some_and(|known| topic.partitions.iter().any(|asked| known.partition(asked.partition_index).is_some()))
    };
    // The group is made if it is not there and has something to begin, as in Kafka.
    let checked = if request.topics.iter().any(is_known) {
        broker.groups.with_empty_share_group(&request.group_id, || Ok::<_, GroupError>(()))
    } else {
        check_empty(broker, &request.group_id).or_else(|error| if matches!(error, GroupError::NotFound(_)) { Ok(()) } else { Err(error) })
    };
    if let Err(error) = checked {
        let (error_code, error_message) = told(&error);
        return ready(AlterShareGroupOffsetsResponse { error_code, error_message, ..Default::default() }.into()).boxed();
    }
    let mut changed: Vec<Arc<SharePartition>> = Vec::new();
    let mut response = AlterShareGroupOffsetsResponse::default();
    for topic in request.topics {
        let known = broker.catalog.get(&topic.topic_name);
        let mut result = AlterShareGroupOffsetsTopicResult {
            topic_id: known.as_ref().map(|known| known.id).unwrap_or_default(),
            topic_name: topic.topic_name,
            partitions: Vec::with_capacity(topic.partitions.len()),
        };
        for asked in topic.partitions {
            let log = known.as_ref().and_then(|known| known.partition(asked.partition_index));
            let code = match (&known, log) {
                (Some(_), Some(_)) if asked.start_offset < 0 => ErrorCode::INVALID_REQUEST,
                (Some(known), Some(log)) => {
                    let place = place(&request.group_id, (known.id, asked.partition_index));
                    let start = asked.start_offset.clamp(log.positions().start_offset, log.positions().high_watermark);
                    let (partition, _) = broker.shares.get_or_begin(&place, log, start);
                    partition.reset(start);
                    changed.push(partition);
                    ErrorCode::NONE
                }
                _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            };
            result.partitions.push(AlterShareGroupOffsetsPartitionResult {
                partition_index: asked.partition_index,
                error_code: code,
                error_message: (!code.is_none()).then(|| code.sentence().into()),
            });
        }
        response.responses.push(result);
    }
    let kept = broker.shares.keeper.keep(changed);
    async move {
        if let Err(error) = settled(kept).await {
            response.responses.clear();
            response.error_code = error.code();
        }
        response.into()
    }
    .boxed()
}
