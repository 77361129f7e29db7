//! OffsetDelete: committed offsets of topics that no member is subscribed to.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::offset_delete::{
    OffsetDeletePartitionResult, OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteTopicResult,
};
use millstream_protocol::{ErrorCode, Response, Str};

use crate::broker::Broker;
use crate::journal::durable;

pub(crate) fn offset_delete(broker: &Arc<Broker>, request: OffsetDeleteRequest) -> BoxFuture<'static, Response> {
    let places: Vec<(Str, i32)> = request
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.clone(), partition.partition_index)))
        .collect();
    let deleted = broker.groups.delete_offsets(&request.group_id, &places);
    let broker = broker.clone();
    async move {
        let deleted = match deleted {
            Err(error) => return OffsetDeleteResponse { error_code: error.code(), ..Default::default() }.into(),
            Ok(deleted) => deleted,
        };
        if let Err(error) = durable(broker.groups.settled()).await {
            return OffsetDeleteResponse { error_code: error.code(), ..Default::default() }.into();
        }
        let mut codes = deleted.into_iter().map(|deleted| deleted.err().map_or(ErrorCode::NONE, |error| error.code()));
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
