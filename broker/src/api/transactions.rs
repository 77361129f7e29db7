//! Transactions for those who look after them: WriteTxnMarkers, DescribeProducers, DescribeTransactions, ListTransactions.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, DescribeProducersTopicResult, PartitionProducers,
};
use millstream_protocol::message::describe_transactions::{DescribeTransactionsRequest, DescribeTransactionsResponse};
use millstream_protocol::message::list_transactions::{ListTransactionsRequest, ListTransactionsResponse};
use millstream_protocol::message::write_txn_markers::{
    TxnMarkerPartitionResult, TxnMarkerResult, TxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use millstream_protocol::{ErrorCode, Response};

use super::partition;
use crate::broker::Broker;
use crate::catalog::check_name;
use crate::journal::durable;
use crate::partition::Partition;
use crate::transaction::{Filter, Identity};

/// An administrator ends a transaction that hangs.
pub(crate) fn write_txn_markers(broker: &Arc<Broker>, request: WriteTxnMarkersRequest) -> BoxFuture<'static, Response> {
    let mut pending = Vec::new();
    let mut markers = Vec::new();
    for (at, marker) in request.markers.into_iter().enumerate() {
        let who = Identity { producer_id: marker.producer_id, epoch: marker.producer_epoch };
        let mut topics = Vec::new();
        for topic in marker.topics {
            let mut partitions = Vec::new();
            for partition_index in topic.partition_indexes {
                let written = partition(broker, &topic.name, partition_index).and_then(|partition| {
                    let transactions = &broker.transactions;
                    transactions.end_by_admin(&topic.name, &partition, who, marker.transaction_result, marker.coordinator_epoch)
                });
                let error_code = match written {
                    Ok(acknowledged) => {
                        pending.push(((at, topics.len(), partitions.len()), acknowledged));
                        ErrorCode::NONE
                    }
                    Err(code) => code,
                };
                partitions.push(TxnMarkerPartitionResult { partition_index, error_code });
            }
            topics.push(TxnMarkerTopicResult { name: topic.name, partitions });
        }
        markers.push(TxnMarkerResult { producer_id: marker.producer_id, topics });
    }
    async move {
        for ((marker, topic, partition), acknowledged) in pending {
            if let Err(code) = durable(acknowledged).await {
                markers[marker].topics[topic].partitions[partition].error_code = code;
            }
        }
        WriteTxnMarkersResponse { markers }.into()
    }
    .boxed()
}

pub(crate) fn describe_producers(broker: &Broker, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| DescribeProducersTopicResult {
        partitions: topic
            .partition_indexes
            .into_iter()
            .map(|partition_index| match look_up(broker, &topic.name, partition_index) {
                Ok(partition) => {
                    PartitionProducers { partition_index, active_producers: partition.describe_producers(), ..Default::default() }
                }
                Err(error_code) => PartitionProducers { partition_index, error_code, ..Default::default() },
            })
            .collect(),
        name: topic.name,
    });
    DescribeProducersResponse { topics: topics.collect(), ..Default::default() }
}

fn look_up(broker: &Broker, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
    check_name(topic).map_err(|_| ErrorCode::INVALID_TOPIC_EXCEPTION)?;
    partition(broker, topic, index)
}

pub(crate) fn describe_transactions(broker: &Broker, request: &DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let transaction_states = request.transactional_ids.iter().map(|id| broker.transactions.describe(id)).collect();
    DescribeTransactionsResponse { transaction_states, ..Default::default() }
}

/// A pattern that takes more memory than this when it is compiled is refused.
const PATTERN_BYTES_MAX: usize = 1 << 20;

pub(crate) fn list_transactions(broker: &Broker, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let pattern = request.transactional_id_pattern.filter(|pattern| !pattern.is_empty());
    // A linear-time engine: no pattern explodes.
    let compiled = pattern.map(|pattern| regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_BYTES_MAX).build());
    let Ok(pattern) = compiled.transpose() else {
        return ListTransactionsResponse { error_code: ErrorCode::INVALID_REGULAR_EXPRESSION, ..Default::default() };
    };
    let filter =
        Filter { states: request.state_filters, producer_ids: request.producer_id_filters, duration_ms: request.duration_filter, pattern };
    let unknown_state_filters = filter.unknown_states();
    // Of states that are none there is nothing; with no other left, all would be wrong.
    ListTransactionsResponse { unknown_state_filters, transaction_states: broker.transactions.list(&filter), ..Default::default() }
}
