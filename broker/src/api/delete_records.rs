//! DeleteRecords: raises the first offset of partitions.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use millstream_protocol::{ErrorCode, Response};

use super::partition;
use crate::broker::Broker;
use crate::limit;

pub(crate) fn delete_records(broker: &Arc<Broker>, request: DeleteRecordsRequest) -> BoxFuture<'static, Response> {
    let broker = broker.clone();
    // It waits for the disk, and begins now, in the order of the calls.
    let deleting = tokio::task::spawn_blocking(move || delete(&broker, request));
    async move { deleting.await.unwrap_or_default().into() }.boxed()
}

fn delete(broker: &Broker, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut response = DeleteRecordsResponse::default();
    for topic in request.topics {
        let mut partitions: Vec<DeleteRecordsPartitionResult> = Vec::new();
        for asked in topic.partitions {
            let deleted = partition(broker, &topic.name, asked.partition_index).and_then(|partition| {
                if !partition.settings().is_deleted_by_age {
                    return Err(ErrorCode::POLICY_VIOLATION);
                }
                partition.delete_records(asked.offset).map_err(|error| error.code())
            });
            let (low_watermark, error_code) = match deleted {
                Ok(low_watermark) => (low_watermark, ErrorCode::NONE),
                Err(code) => (-1, code),
            };
            let result = DeleteRecordsPartitionResult { partition_index: asked.partition_index, low_watermark, error_code };
            match partitions.iter_mut().take(limit::DELETED_TWICE_MAX).find(|other| other.partition_index == asked.partition_index) {
                Some(earlier) => *earlier = result,
                None => partitions.push(result),
            }
        }
        response.topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
    }
    response
}
