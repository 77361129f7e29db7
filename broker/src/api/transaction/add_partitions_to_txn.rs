//! AddPartitionsToTxn: partitions join a transaction, all or none; or brokers look whether they did.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::message::add_partitions_to_txn::{
    AddPartitionsPartitionResult, AddPartitionsResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, AddPartitionsTopic,
    AddPartitionsTopicResult,
};
use millstream_protocol::{ErrorCode, Response, Str};

use super::fenced_as;
use crate::api::{Context, partition};
use crate::broker::Broker;
use crate::journal::{self, durable};
use crate::transaction::{ProducerIdentity, TransactionError};

/// Partitions with a code each; `Err` holds for all of them.
type Added = Result<Vec<ErrorCode>, ErrorCode>;

fn answer_topics(topics: Vec<AddPartitionsTopic>, added: &Added) -> Vec<AddPartitionsTopicResult> {
    let mut at = 0;
    let mut next = || {
        at += 1;
        added.as_ref().map_or_else(|code| *code, |codes| codes[at - 1])
    };
    topics
        .into_iter()
        .map(|topic| AddPartitionsTopicResult {
            name: topic.name,
            results_by_partition: topic
                .partitions
                .into_iter()
                .map(|partition_index| AddPartitionsPartitionResult { partition_index, partition_error_code: next() })
                .collect(),
        })
        .collect()
}

/// Adds partitions, all or none; or looks whether they were added.
fn add_partitions(
    broker: &Arc<Broker>,
    id: &Str,
    who: ProducerIdentity,
    topics: &[AddPartitionsTopic],
    is_looking: bool,
    is_old: bool,
) -> BoxFuture<'static, Added> {
    let places: Vec<(String, i32)> =
        topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.to_string(), *partition))).collect();
    if id.is_empty() {
        return ready(Err(TransactionError::NoId.code())).boxed();
    }
    if places.iter().any(|(topic, _)| journal::is_internal(topic)) {
        return ready(Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED)).boxed();
    }
    let is_known = |(topic, index): &(String, i32)| partition(broker, topic, *index).is_ok();
    if !places.iter().all(is_known) {
        // As long as one is not known, nothing is added.
        let code = |place| if is_known(place) { ErrorCode::OPERATION_NOT_ATTEMPTED } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
        return ready(Ok(places.iter().map(code).collect())).boxed();
    }
    if is_looking {
        let code = |verified: Result<(), TransactionError>| verified.err().map_or(ErrorCode::NONE, |error| error.code());
        let verified = broker.transactions.verify(id, who, &places);
        return ready(verified.map(|verified| verified.into_iter().map(code).collect()).map_err(|error| error.code())).boxed();
    }
    let count = places.len();
    let added = broker.transactions.add(id, who, places);
    async move {
        let acknowledged = added.map_err(|error| fenced_as(error, is_old))?;
        durable(acknowledged).await.map_err(|error| error.code())?;
        Ok(vec![ErrorCode::NONE; count])
    }
    .boxed()
}

pub(crate) fn add_partitions_to_txn(
    broker: &Arc<Broker>,
    context: &Context,
    request: AddPartitionsToTxnRequest,
) -> BoxFuture<'static, Response> {
    if context.version < 4 {
        let who = ProducerIdentity { producer_id: request.producer_id, epoch: request.producer_epoch };
        let added = add_partitions(broker, &request.transactional_id, who, &request.topics, false, context.version < 2);
        return async move {
            let added = added.await;
            AddPartitionsToTxnResponse { results_by_topic: answer_topics(request.topics, &added), ..Default::default() }.into()
        }
        .boxed();
    }
    let asked: Vec<_> = request
        .transactions
        .into_iter()
        .map(|transaction| {
            let who = ProducerIdentity { producer_id: transaction.producer_id, epoch: transaction.producer_epoch };
            let id = &transaction.transactional_id;
            let added = add_partitions(broker, id, who, &transaction.topics, transaction.verify_only, false);
            (transaction, added)
        })
        .collect();
    async move {
        let mut results = Vec::with_capacity(asked.len());
        for (transaction, added) in asked {
            let topic_results = answer_topics(transaction.topics, &added.await);
            results.push(AddPartitionsResult { transactional_id: transaction.transactional_id, topic_results });
        }
        AddPartitionsToTxnResponse { results_by_transaction: results, ..Default::default() }.into()
    }
    .boxed()
}
