//! One lane a partition: the records that wait, and the task that sends them batch by batch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use millstream_protocol::message::init_producer_id::InitProducerIdRequest;
use millstream_protocol::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millstream_protocol::record::batch::{TRANSACTIONAL, advance_sequence};
use millstream_protocol::record::{self, BatchBuilder, Piece, RecordBatch, Records};
use millstream_protocol::{ErrorCode, TopicId};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::transaction::Transactional;
use super::{Acks, Delivered, ProducerBuilder, Waiting};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::limit;
use crate::topic_partition::TopicPartition;

const REQUEST_TIMEOUT_MS: i32 = 30_000;

/// What all lanes of a producer share.
#[derive(Debug)]
pub(super) struct SharedByLanes {
    client: Client,
    pub(super) options: ProducerBuilder,
    transactional: Option<Arc<Transactional>>,
    sending: Semaphore,
}

impl SharedByLanes {
    pub(super) fn new(client: Client, options: ProducerBuilder, transactional: Option<Arc<Transactional>>) -> Self {
        SharedByLanes { client, options, transactional, sending: Semaphore::new(limit::SENDING_LANES_MAX) }
    }

    async fn producer_id(&self) -> Result<(i64, i16), Error> {
        let request = InitProducerIdRequest { transaction_timeout_ms: 60_000, ..Default::default() };
        let answer = self.client.ask(request).await?;
        if !answer.error_code.is_none() {
            return Err(Error::refused(answer.error_code, "asking for a producer id", None));
        }
        Ok((answer.producer_id, answer.producer_epoch))
    }
}

/// A lane's identity as a producer. After a batch whose fate is not known it becomes somebody else: its sequence numbers could
/// mean that batch or the next one. In a transaction that is decided for all lanes together, when it ends.
#[derive(Debug, Default)]
struct Identity {
    producer: Option<(i64, i16)>,
    sequence: i32,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Waiting, usize)>,
    bytes: usize,
    oldest: Option<Instant>,
    /// How many records came so far, and how many of them were acknowledged or given up; both in their order.
    pushed: u64,
    settled: u64,
    /// A flush waits for the records up to this one: they do not linger.
    flush_to: u64,
    is_closed: bool,
}

/// The records for one partition.
#[derive(Debug)]
pub(super) struct Lane {
    shared: Arc<SharedByLanes>,
    partition: TopicPartition,
    /// Set when the broker does not know the partition: its topic is to be looked up again.
    is_stale: Arc<AtomicBool>,
    queue: Mutex<Queue>,
    woken: Notify,
    settled: Notify,
}

impl Lane {
    pub(super) fn start(shared: Arc<SharedByLanes>, partition: TopicPartition, is_stale: Arc<AtomicBool>) -> Arc<Self> {
        let (woken, settled) = (Notify::new(), Notify::new());
        let lane = Arc::new(Lane { shared, partition, is_stale, queue: Mutex::default(), woken, settled });
        tokio::spawn(lane.clone().run());
        lane
    }

    pub(super) fn topic(&self) -> &str {
        &self.partition.topic
    }

    /// Takes a record; says whether a batch is full.
    pub(super) fn push(&self, waiting: Waiting, bytes: usize) -> bool {
        let mut queue = self.queue.lock();
        queue.waiting.push_back((waiting, bytes));
        queue.bytes += bytes;
        queue.pushed += 1;
        queue.oldest.get_or_insert_with(Instant::now);
        self.woken.notify_one();
        queue.bytes >= self.shared.options.batch_bytes
    }

    pub(super) fn close(&self) {
        self.queue.lock().is_closed = true;
        self.woken.notify_one();
    }

    /// Lets no record that is here linger; says how many have come so far.
    pub(super) fn hurry(&self) -> u64 {
        let mut queue = self.queue.lock();
        queue.flush_to = queue.pushed;
        self.woken.notify_one();
        queue.pushed
    }

    /// Waits until so many records are acknowledged or given up.
    pub(super) async fn settled(&self, count: u64) {
        loop {
            let notified = self.settled.notified();
            if self.queue.lock().settled >= count {
                return;
            }
            notified.await;
        }
    }

    async fn run(self: Arc<Self>) {
        let mut identity = Identity::default();
        while let Some(batch) = self.next_batch().await {
            let delivered = self.deliver(&batch, &mut identity).await;
            match (&delivered, &self.shared.transactional) {
                (Ok(_), _) => {}
                (Err(error), Some(transactional)) => transactional.fail(error),
                (Err(_), None) => identity = Identity::default(),
            }
            let count = batch.len() as u64;
            for (place, waiting) in batch.into_iter().enumerate() {
                let outcome = delivered
                    .clone()
                    .map(|base| Delivered { partition: self.partition.partition, offset: if base < 0 { -1 } else { base + place as i64 } });
                // The caller may not care.
                let _ = waiting.reply.send(outcome);
            }
            self.queue.lock().settled += count;
            self.settled.notify_waiters();
        }
    }

    /// Waits for a batch that is full, has waited long enough, or is waited for.
    async fn next_batch(&self) -> Option<Vec<Waiting>> {
        let options = &self.shared.options;
        loop {
            let due = {
                let mut queue = self.queue.lock();
                match queue.oldest {
                    None if queue.is_closed => return None,
                    None => None,
                    Some(oldest) => {
                        let due = oldest + options.linger;
                        let is_hurried = queue.is_closed || queue.settled < queue.flush_to;
                        if is_hurried || queue.bytes >= options.batch_bytes || Instant::now() >= due {
                            return Some(take(&mut queue, options.batch_bytes));
                        }
                        Some(due)
                    }
                }
            };
            match due {
                None => self.woken.notified().await,
                Some(due) => {
                    let _ = tokio::time::timeout_at(due, self.woken.notified()).await;
                }
            }
        }
    }

    /// Sends a batch until it is acknowledged, refused for good or given up. Answers its base offset.
    async fn deliver(&self, waiting: &[Waiting], identity: &mut Identity) -> Result<i64, Error> {
        let options = &self.shared.options;
        let deadline = Instant::now() + options.delivery_timeout;
        let mut pause = limit::RETRY_PAUSE_MIN;
        let mut built: Option<RecordBatch> = None;
        loop {
            let sent = async {
                // It is never closed.
                let _permit = self.shared.sending.acquire().await;
                if built.is_none() {
                    self.identify(identity).await?;
                    let producer = identity.producer.map(|(id, epoch)| (id, epoch, identity.sequence));
                    built = Some(build(waiting, options, producer, self.shared.transactional.is_some())?);
                }
                match &built {
                    Some(batch) => self.send(batch).await,
                    None => Err(Error::new(ErrorKind::InvalidInput, "no batch")),
                }
            };
            let error = match tokio::time::timeout_at(deadline, sent).await {
                Ok(Ok(base_offset)) => {
                    identity.sequence = advance_sequence(identity.sequence, waiting.len() as i32);
                    return Ok(base_offset);
                }
                Ok(Err(error)) if error.is_retriable() => error,
                Ok(Err(error)) => return Err(error),
                Err(_) => Error::new(ErrorKind::TimedOut, format!("{}: no acknowledgement", self.partition)),
            };
            if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) {
                self.is_stale.store(true, Ordering::Relaxed);
            }
            if self.shared.transactional.as_ref().is_some_and(|transactional| transactional.has_failed()) {
                return Err(error);
            }
            if Instant::now() + pause >= deadline {
                let message = format!("{}: given up after {} s: {error}", self.partition, options.delivery_timeout.as_secs());
                return Err(Error::new(ErrorKind::TimedOut, message));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(limit::RETRY_PAUSE_MAX);
        }
    }

    /// Finds out what the next batch is sent as.
    async fn identify(&self, identity: &mut Identity) -> Result<(), Error> {
        let options = &self.shared.options;
        match &self.shared.transactional {
            Some(transactional) => {
                let producer = transactional.enlist(&self.partition).await?;
                if identity.producer != Some(producer) {
                    *identity = Identity { producer: Some(producer), sequence: 0 };
                }
            }
            None if options.is_idempotent && options.acks == Acks::All && identity.producer.is_none() => {
                identity.producer = Some(self.shared.producer_id().await?);
            }
            None => {}
        }
        Ok(())
    }

    async fn send(&self, batch: &RecordBatch) -> Result<i64, Error> {
        let records = Records::from_pieces(vec![Piece::Batch(batch.clone())]);
        let data = PartitionProduceData { index: self.partition.partition, records: Some(records) };
        let topic = TopicProduceData { name: self.partition.topic.clone(), topic_id: TopicId::ZERO, partition_data: vec![data] };
        let transactional = self.shared.transactional.as_deref();
        let request = ProduceRequest {
            transactional_id: transactional.map(|transactional| transactional.id.clone()),
            acks: self.shared.options.acks as i16,
            timeout_ms: REQUEST_TIMEOUT_MS,
            topic_data: vec![topic],
        };
        // Version 12 is the last that names topics, so that a topic made anew goes on being served.
        let version_max = transactional.map_or(12, Transactional::produce_version_max);
        let answer = self.shared.client.ask_at_most(request, version_max).await?;
        if self.shared.options.acks == Acks::None {
            return Ok(-1);
        }
        let result = answer.responses.into_iter().flat_map(|topic| topic.partition_responses).next();
        let result = result.ok_or_else(|| Error::new(ErrorKind::BadAnswer, "the partition is missing in the answer"))?;
        if result.error_code != ErrorCode::NONE {
            let doing = format!("sending to {}", self.partition);
            // What is wrong with a record says more than that there is one.
            let of_record = result.record_errors.iter().find_map(|record| record.batch_index_error_message.as_deref());
            return Err(Error::refused(result.error_code, doing, of_record.or(result.error_message.as_deref())));
        }
        Ok(result.base_offset)
    }
}

fn take(queue: &mut Queue, batch_bytes: usize) -> Vec<Waiting> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while let Some((_, next)) = queue.waiting.front() {
        if !batch.is_empty() && bytes + next > batch_bytes {
            break;
        }
        if let Some((waiting, size)) = queue.waiting.pop_front() {
            bytes += size;
            batch.push(waiting);
        }
    }
    queue.bytes -= bytes;
    queue.oldest = (!queue.waiting.is_empty()).then(Instant::now);
    batch
}

fn build(
    waiting: &[Waiting],
    options: &ProducerBuilder,
    producer: Option<(i64, i16, i32)>,
    is_transactional: bool,
) -> Result<RecordBatch, Error> {
    #[expect(clippy::disallowed_methods, reason = "a record without a timestamp has the time at which it is sent")]
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let mut builder = BatchBuilder::new(options.codec);
    if let Some((id, epoch, sequence)) = producer {
        builder.set_producer(id, epoch, sequence);
    }
    if is_transactional {
        builder.set_attributes(TRANSACTIONAL);
    }
    for Waiting { record, .. } in waiting {
        builder.push(record::NewRecord {
            timestamp: record.timestamp.unwrap_or(now_ms),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
        });
    }
    builder.build().map_err(|error| Error::new(ErrorKind::InvalidInput, error.to_string()))
}
