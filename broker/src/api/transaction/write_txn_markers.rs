//! WriteTxnMarkers: an administrator ends a transaction that hangs.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::write_txn_markers::{
    TxnMarkerPartitionResult, TxnMarkerResult, TxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use millstream_protocol::{ErrorCode, Response};

use crate::api::partition;
use crate::broker::Broker;
use crate::journal::durable;
use crate::transaction::ProducerIdentity;

/// An administrator ends a transaction that hangs.
pub(crate) fn write_txn_markers(broker: &Arc<Broker>, request: WriteTxnMarkersRequest) -> BoxFuture<'static, Response> {
    let mut pending = Vec::new();
    let mut markers = Vec::new();
    for (at, marker) in request.markers.into_iter().enumerate() {
        let who = ProducerIdentity { producer_id: marker.producer_id, epoch: marker.producer_epoch };
        let mut topics = Vec::new();
        for topic in marker.topics {
            let mut partitions = Vec::new();
            for partition_index in topic.partition_indexes {
                let written = partition(broker, &topic.name, partition_index).and_then(|partition| {
                    let transactions = &broker.transactions;
                    let (is_commit, epoch) = (marker.transaction_result, marker.coordinator_epoch);
                    transactions.end_by_admin(&topic.name, &partition, who, is_commit, epoch).map_err(|error| error.code())
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
            if let Err(error) = durable(acknowledged).await {
                markers[marker].topics[topic].partitions[partition].error_code = error.code();
            }
        }
        WriteTxnMarkersResponse { markers }.into()
    }
    .boxed()
}
