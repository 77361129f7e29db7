//! Produce: every batch is checked and appended at once, in the order of the request; the answer waits until each
//! is where the producer wants it.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use millstream_protocol::record::RecordBatch;
use millstream_protocol::{ErrorCode, Response, Str};
use tokio::sync::oneshot;

use super::Context;
use crate::broker::Broker;
use crate::catalog::Topic;
use crate::journal::is_internal;
use crate::metrics::Metrics;
use crate::partition::check::{self, Refusal, Target};
use crate::partition::{Acknowledged, AppendOutcome, Partition};
use crate::transaction::Identity;

type Acknowledgement = oneshot::Receiver<Result<(), ErrorCode>>;

pub(crate) fn produce(broker: &Arc<Broker>, context: &Context, request: ProduceRequest) -> BoxFuture<'static, Response> {
    let mut response = ProduceResponse::default();
    let mut pending: Vec<(usize, usize, Acknowledgement)> = Vec::new();
    // A batch that shares its frame with others would keep all of it in memory.
    let is_alone = matches!(request.topic_data.as_slice(), [topic] if topic.partition_data.len() == 1);
    for topic in last_of_each(request.topic_data, |topic| (topic.name.clone(), topic.topic_id)) {
        let mut answers = Vec::new();
        let found = find(broker, context, &topic);
        for data in last_of_each(topic.partition_data, |data| data.index) {
            let ask = Ask { acks: request.acks, transactional_id: request.transactional_id.as_ref(), is_alone };
            let appended = found.clone().and_then(|topic| append(broker, context, &ask, &topic, &data));
            let start_offset =
                || found.as_ref().ok().and_then(|topic| topic.partition(data.index)).map_or(-1, |p| p.positions().start_offset);
            let (answer, acknowledgements) = answer(broker, &data, appended, start_offset);
            for acknowledgement in acknowledgements.into_iter().flatten() {
                pending.push((response.responses.len(), answers.len(), acknowledgement));
            }
            answers.push(answer);
        }
        if !answers.is_empty() {
            response.responses.push(TopicProduceResponse { name: topic.name, topic_id: topic.topic_id, partition_responses: answers });
        }
    }
    if pending.is_empty() {
        return futures::future::ready(response.into()).boxed();
    }
    // Below zero it is no limit of the client's; a sync that takes longer than this will not come back.
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(30_000));
    async move {
        let deadline = tokio::time::Instant::now() + timeout;
        for (topic, partition, acknowledgement) in pending {
            let code = match tokio::time::timeout_at(deadline, acknowledgement).await {
                Ok(Ok(Ok(()))) => continue,
                Ok(Ok(Err(code))) => code,
                Ok(Err(_)) => ErrorCode::KAFKA_STORAGE_ERROR,
                Err(_) => ErrorCode::REQUEST_TIMED_OUT,
            };
            let answer = &mut response.responses[topic].partition_responses[partition];
            (answer.error_code, answer.base_offset) = (code, -1);
        }
        response.into()
    }
    .boxed()
}

/// Where a key stands twice, the last one counts, as in Kafka.
fn last_of_each<T, K: PartialEq>(items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(items.len());
    for item in items {
        if kept.len() < 64 {
            // The usual request names few partitions; a quadratic look is the cheapest for them.
            kept.retain(|other| key(other) != key(&item));
        }
        kept.push(item);
    }
    kept
}

fn find(broker: &Broker, context: &Context, topic: &TopicProduceData) -> Result<Arc<Topic>, Refusal> {
    if context.version >= 13 {
        let unknown = || Refusal::new(ErrorCode::UNKNOWN_TOPIC_ID, ErrorCode::UNKNOWN_TOPIC_ID.sentence());
        return broker.catalog.get_by_id(topic.topic_id).ok_or_else(unknown);
    }
    broker.catalog.get(&topic.name).ok_or_else(unknown_partition)
}

fn unknown_partition() -> Refusal {
    Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.sentence())
}

/// What the request says of all its batches.
struct Ask<'a> {
    acks: i16,
    transactional_id: Option<&'a Str>,
    /// The batch is all that the frame brought.
    is_alone: bool,
}

/// A batch that was appended, and what its answer waits for.
type Appended = (AppendOutcome, Acknowledged);

/// From this version on a batch adds its partition to the transaction by itself (KIP-890).
const PRODUCE_ADDS_SINCE: i16 = 12;

fn append(broker: &Broker, context: &Context, ask: &Ask<'_>, topic: &Topic, data: &PartitionProduceData) -> Result<Appended, Refusal> {
    let partition = topic.partition(data.index).ok_or_else(unknown_partition)?;
    if !(-1..=1).contains(&ask.acks) {
        return Err(Refusal::new(ErrorCode::INVALID_REQUIRED_ACKS, "acks must be -1, 0 or 1"));
    }
    if is_internal(&topic.name) {
        return Err(Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, "the coordinators alone write to this topic"));
    }
    let now_ms = broker.clock.now_ms();
    let settings = partition.settings();
    let target = Target {
        topic: &topic.name,
        partition: data.index,
        settings: &settings,
        produce_version: context.version,
        has_transactional_id: ask.transactional_id.is_some(),
        now_ms,
    };
    let batch = check::check(data.records.as_ref(), &target)?;
    let (records, bytes) = (batch.record_count() as u64, batch.total_bytes() as u64);
    let batch = if ask.is_alone { batch } else { batch.detached() };
    let appended = if batch.is_transactional() {
        append_to_transaction(broker, context, ask, &partition, batch, now_ms)?
    } else {
        (partition.append(batch, ask.acks, now_ms, false).map_err(Refusal::by_partition)?, None)
    };
    Metrics::add(&broker.metrics.batches_appended, 1);
    Metrics::add(&broker.metrics.records_appended, records);
    Metrics::add(&broker.metrics.log_bytes_appended, bytes);
    Ok(appended)
}

/// The first batch of a transaction in a partition is the coordinator's to allow; the partition knows the others.
fn append_to_transaction(
    broker: &Broker,
    context: &Context,
    ask: &Ask<'_>,
    partition: &Arc<Partition>,
    batch: RecordBatch,
    now_ms: i64,
) -> Result<Appended, Refusal> {
    let Some(id) = ask.transactional_id.filter(|id| !id.is_empty()) else {
        return Err(Refusal::new(ErrorCode::INVALID_REQUEST, "the transactional id is empty"));
    };
    let who = Identity { producer_id: batch.producer_id(), epoch: batch.producer_epoch() };
    if partition.is_in_transaction(who.producer_id, who.epoch) {
        // The entry of the first batch may be on its way to the disk still.
        let added = broker.transactions.settled();
        return Ok((partition.append(batch, ask.acks, now_ms, false).map_err(Refusal::by_partition)?, added));
    }
    let is_adding = context.version >= PRODUCE_ADDS_SINCE;
    let place = (partition.topic.clone(), partition.index);
    let written = broker.transactions.write(id, who, place, is_adding, || partition.append(batch, ask.acks, now_ms, true));
    let (outcome, added) = written.map_err(|code| {
        let code = match code {
            ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
            // Producers of old versions know no better reason to try again.
            ErrorCode::CONCURRENT_TRANSACTIONS | ErrorCode::COORDINATOR_NOT_AVAILABLE if !is_adding => ErrorCode::NOT_ENOUGH_REPLICAS,
            ErrorCode::TRANSACTION_ABORTABLE if context.version < 11 => ErrorCode::INVALID_TXN_STATE,
            code => code,
        };
        Refusal::new(code, code.sentence())
    })?;
    Ok((outcome.map_err(Refusal::by_partition)?, added))
}

fn answer(
    broker: &Broker,
    data: &PartitionProduceData,
    appended: Result<Appended, Refusal>,
    start_offset: impl Fn() -> i64,
) -> (PartitionProduceResponse, [Option<Acknowledgement>; 2]) {
    let index = data.index;
    match appended {
        Ok((outcome, added)) => {
            let answer = PartitionProduceResponse {
                index,
                base_offset: outcome.base_offset,
                log_append_time_ms: outcome.log_append_time_ms,
                log_start_offset: outcome.start_offset,
                ..Default::default()
            };
            (answer, [outcome.acknowledged, added])
        }
        Err(refusal) => {
            Metrics::add(&broker.metrics.batches_refused, 1);
            let answer = PartitionProduceResponse {
                index,
                error_code: refusal.code,
                log_start_offset: if refusal.is_by_partition { start_offset() } else { -1 },
                record_errors: refusal.records,
                error_message: refusal.message.map(Into::into),
                ..Default::default()
            };
            (answer, [None, None])
        }
    }
}
