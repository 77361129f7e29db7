//! Produce: all batches are checked, then appended in the order of the request; the answer waits until each is where the producer
//! wants it. Checking inflates what is compressed: where that is much, it happens off the I/O threads, and appending after it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::produce::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
    TopicProduceResponse,
};
use millstream_protocol::record::RecordBatch;
use millstream_protocol::{ErrorCode, Response, Str};
use tokio::sync::oneshot;

use super::{Context, Refused};
use crate::broker::Broker;
use crate::catalog::Topic;
use crate::journal::is_internal;
use crate::limit;
use crate::metrics::Metrics;
use crate::partition::append::AppendOutcome;
use crate::partition::check::{self, Room, Target};
use crate::partition::{Acknowledged, AppendError, NotDurable, Partition, RefusedRecord};
use crate::served::Served;
use crate::transaction::{ProducerIdentity, TransactionError};

type Acknowledgement = oneshot::Receiver<Result<(), NotDurable>>;

/// `is_local`: the caller is in this process, and on no I/O thread.
#[expect(clippy::async_yields_async, reason = "taking effect and being answered are two things to wait for")]
pub(crate) fn produce(broker: &Arc<Broker>, context: Context, request: ProduceRequest, is_local: bool) -> Served {
    let producing = Producing::new(broker.clone(), context, request);
    let room = if is_local { None } else { Some(limit::INFLATED_ON_IO_THREAD_BYTES_MAX) };
    if let Some(checked) = producing.check(room) {
        return Served::Begun(producing.append(checked));
    }
    let turn = broker.inflating.clone().acquire_owned();
    // A task of its own: a client that takes no answer keeps no turn from others.
    let checking = tokio::spawn(async move {
        let turn = turn.await;
        let check = move || {
            let checked = producing.check(None);
            drop(turn);
            (checked, producing)
        };
        tokio::task::spawn_blocking(check).await
    });
    Served::Beginning(
        async move {
            match checking.await {
                Ok(Ok((checked, producing))) => producing.append(checked.unwrap_or_default()),
                Ok(Err(panic)) | Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        .boxed(),
    )
}

/// A request of which each topic, and each partition of it, stands there once.
struct Producing {
    broker: Arc<Broker>,
    context: Context,
    acks: i16,
    transactional_id: Option<Str>,
    topics: Vec<TopicProduceData>,
    /// One batch is all that the frame brought. One that shares its frame with others would keep all of it in memory.
    is_alone: bool,
}

/// Why a batch is not appended.
enum NotAppended {
    /// For what stands beside it in the request.
    Refused(Refused),
    /// For its own sake or the partition's.
    Append(AppendError),
}

impl From<Refused> for NotAppended {
    fn from(refused: Refused) -> Self {
        NotAppended::Refused(refused)
    }
}

impl From<AppendError> for NotAppended {
    fn from(error: AppendError) -> Self {
        NotAppended::Append(error)
    }
}

/// Batches that are fit to be appended, or why not: for each topic, for each partition.
type Checked = Vec<Vec<Result<RecordBatch, NotAppended>>>;

impl Producing {
    fn new(broker: Arc<Broker>, context: Context, request: ProduceRequest) -> Self {
        let is_alone = matches!(request.topic_data.as_slice(), [topic] if topic.partition_data.len() == 1);
        let mut topics = last_of_each(request.topic_data, |topic| (topic.name.clone(), topic.topic_id));
        for topic in &mut topics {
            topic.partition_data = last_of_each(std::mem::take(&mut topic.partition_data), |data| data.index);
        }
        Producing { broker, context, acks: request.acks, transactional_id: request.transactional_id, topics, is_alone }
    }

    /// Checks all batches; pure work. `None` if they inflate to more than there is room for.
    fn check(&self, room: Option<usize>) -> Option<Checked> {
        let room = Room::new(room);
        let check_topic = |topic: &TopicProduceData| {
            let found = find(&self.broker, &self.context, topic);
            topic.partition_data.iter().map(|data| self.check_one(found.as_ref(), data, &room)).collect()
        };
        let checked = self.topics.iter().map(check_topic).collect();
        (!room.is_exceeded()).then_some(checked)
    }

    fn check_one(
        &self,
        found: Result<&Arc<Topic>, &Refused>,
        data: &PartitionProduceData,
        room: &Room,
    ) -> Result<RecordBatch, NotAppended> {
        let topic = found.map_err(Refused::clone)?;
        let partition = topic.partition(data.index).ok_or_else(unknown_partition)?;
        if !(-1..=1).contains(&self.acks) {
            return Err(Refused::new(ErrorCode::INVALID_REQUIRED_ACKS, "acks must be -1, 0 or 1").into());
        }
        if is_internal(&topic.name) {
            return Err(Refused::new(ErrorCode::INVALID_TOPIC_EXCEPTION, "the coordinators alone write to this topic").into());
        }
        let settings = partition.settings();
        let target = Target {
            topic: &topic.name,
            partition: data.index,
            settings: &settings,
            produce_version: self.context.version,
            has_transactional_id: self.transactional_id.is_some(),
            now_ms: self.broker.clock.now_ms(),
        };
        let batch = check::check(data.records.as_ref(), &target, room)?;
        Ok(if self.is_alone { batch } else { batch.detached() })
    }

    /// Appends what was checked, in the order of the request; the future waits until each is where the producer wants it.
    fn append(self, checked: Checked) -> BoxFuture<'static, Response> {
        let mut response = ProduceResponse::default();
        let mut pending: Vec<(usize, usize, Acknowledgement)> = Vec::new();
        for (topic, checked) in self.topics.iter().zip(checked) {
            let mut answers = Vec::new();
            let found = find(&self.broker, &self.context, topic);
            for (data, batch) in topic.partition_data.iter().zip(checked) {
                let partition =
                    found.as_ref().map_err(Refused::clone).and_then(|topic| topic.partition(data.index).ok_or_else(unknown_partition));
                let appended = batch.and_then(|batch| append(&self, partition.as_ref().map_err(Refused::clone)?, batch));
                let start_offset = || partition.as_ref().map_or(-1, |partition| partition.positions().start_offset);
                let (answer, acknowledgements) = answer(&self.broker, data, appended, start_offset);
                for acknowledgement in acknowledgements.into_iter().flatten() {
                    pending.push((response.responses.len(), answers.len(), acknowledgement));
                }
                answers.push(answer);
            }
            if !answers.is_empty() {
                let (name, topic_id) = (topic.name.clone(), topic.topic_id);
                response.responses.push(TopicProduceResponse { name, topic_id, partition_responses: answers });
            }
        }
        if pending.is_empty() { futures::future::ready(response.into()).boxed() } else { acknowledged(response, pending).boxed() }
    }
}

/// Waits for the sync, however long the producer wanted to wait: its timeout bounds the waiting for replicas, of which there are none
/// here, and an error for records that are written would have them sent again.
async fn acknowledged(mut response: ProduceResponse, pending: Vec<(usize, usize, Acknowledgement)>) -> Response {
    for (topic, partition, acknowledgement) in pending {
        if let Err(error) = acknowledgement.await.unwrap_or(Err(NotDurable::Abandoned)) {
            let answer = &mut response.responses[topic].partition_responses[partition];
            (answer.error_code, answer.base_offset) = (error.code(), -1);
        }
    }
    response.into()
}

/// Where a key stands twice, the last one counts, as in Kafka.
fn last_of_each<T, K: Hash + Eq>(items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let last: HashMap<K, usize> = items.iter().enumerate().map(|(place, item)| (key(item), place)).collect();
    let places = items.into_iter().enumerate();
    places.filter(|(place, item)| last.get(&key(item)) == Some(place)).map(|(_, item)| item).collect()
}

fn find(broker: &Broker, context: &Context, topic: &TopicProduceData) -> Result<Arc<Topic>, Refused> {
    if context.version >= 13 {
        return broker.catalog.get_by_id(topic.topic_id).ok_or_else(|| ErrorCode::UNKNOWN_TOPIC_ID.into());
    }
    broker.catalog.get(&topic.name).ok_or_else(unknown_partition)
}

fn unknown_partition() -> Refused {
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into()
}

/// A batch that was appended, and what its answer waits for.
type AppendedTo = (AppendOutcome, Acknowledged);

/// From this version on a batch adds its partition to the transaction by itself (KIP-890).
const PRODUCE_ADDS_SINCE: i16 = 12;

fn append(producing: &Producing, partition: &Arc<Partition>, batch: RecordBatch) -> Result<AppendedTo, NotAppended> {
    let metrics = &producing.broker.metrics;
    let now_ms = producing.broker.clock.now_ms();
    let (records, bytes) = (batch.record_count() as u64, batch.total_bytes() as u64);
    let appended = if batch.is_transactional() {
        append_to_transaction(producing, partition, batch, now_ms)?
    } else {
        (partition.append(batch, producing.acks, now_ms, false)?, None)
    };
    Metrics::add(&metrics.batches_appended, 1);
    Metrics::add(&metrics.records_appended, records);
    Metrics::add(&metrics.log_bytes_appended, bytes);
    Ok(appended)
}

/// The first batch of a transaction in a partition is the coordinator's to allow; the partition knows the others.
fn append_to_transaction(
    producing: &Producing,
    partition: &Arc<Partition>,
    batch: RecordBatch,
    now_ms: i64,
) -> Result<AppendedTo, NotAppended> {
    let Producing { broker, acks, .. } = producing;
    let version = producing.context.version;
    let Some(id) = producing.transactional_id.as_ref().filter(|id| !id.is_empty()) else {
        return Err(Refused::from(TransactionError::NoId).into());
    };
    let who = ProducerIdentity { producer_id: batch.producer_id(), epoch: batch.producer_epoch() };
    if partition.is_in_transaction(who.producer_id, who.epoch) {
        // The entry of the first batch may be on its way to the disk still.
        let added = broker.transactions.settled();
        return Ok((partition.append(batch, *acks, now_ms, false)?, added));
    }
    let is_adding = version >= PRODUCE_ADDS_SINCE;
    let place = (partition.topic.clone(), partition.index);
    let written = broker.transactions.write(id, who, place, is_adding, || partition.append(batch, *acks, now_ms, true));
    let (outcome, added) = written.map_err(|error| {
        Refused::from(match error.code() {
            ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
            // Producers of old versions know no better reason to try again.
            ErrorCode::CONCURRENT_TRANSACTIONS | ErrorCode::COORDINATOR_NOT_AVAILABLE if !is_adding => ErrorCode::NOT_ENOUGH_REPLICAS,
            ErrorCode::TRANSACTION_ABORTABLE if version < 11 => ErrorCode::INVALID_TXN_STATE,
            code => code,
        })
    })?;
    Ok((outcome?, added))
}

fn answer(
    broker: &Broker,
    data: &PartitionProduceData,
    appended: Result<AppendedTo, NotAppended>,
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
        Err(error) => {
            Metrics::add(&broker.metrics.batches_refused, 1);
            (refused(index, error, start_offset), [None, None])
        }
    }
}

fn refused(index: i32, error: NotAppended, start_offset: impl Fn() -> i64) -> PartitionProduceResponse {
    let named = |RefusedRecord { index, sentence }| BatchIndexAndErrorMessage {
        batch_index: index,
        batch_index_error_message: Some(sentence.into()),
    };
    match error {
        NotAppended::Refused(Refused { code: error_code, sentence }) => {
            PartitionProduceResponse { index, error_code, error_message: Some(sentence.into()), ..Default::default() }
        }
        NotAppended::Append(error) => PartitionProduceResponse {
            index,
            error_code: error.code(),
            log_start_offset: if error.is_by_partition() { start_offset() } else { -1 },
            error_message: Some(error.to_string().into()),
            record_errors: error.into_records().into_iter().map(named).collect(),
            ..Default::default()
        },
    }
}
