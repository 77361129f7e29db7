//! The producer: records are gathered into one batch a partition, and sent when the batch is full or has waited for
//! `linger`. One batch a partition is under way at a time: order holds through every retry, and what comes meanwhile
//! makes the next batch larger.

pub(crate) mod partitioner;
mod sender;
mod topics;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_protocol::record::{Codec, Header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use sender::SharedByLanes;
use topics::Topics;
use transaction::Transactional;
pub use transaction::{Transaction, TransactionalProducer};

/// What an acknowledgement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum Acks {
    /// On stable storage, or on all replicas in sync.
    All = -1,
    /// Nothing: the broker does not answer.
    None = 0,
    /// Written by the leader.
    Leader = 1,
}

/// A record to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRecord {
    topic: String,
    partition: Option<i32>,
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Vec<Header>,
    timestamp: Option<i64>,
}

impl NewRecord {
    /// An empty record for a topic.
    pub fn to(topic: impl Into<String>) -> Self {
        NewRecord { topic: topic.into(), ..NewRecord::default() }
    }

    /// With a key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// With a value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Bytes>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.headers.push(Header { key: key.into(), value: Some(value.into()) });
        self
    }

    /// With one more header, without a value.
    #[must_use]
    pub fn null_header(mut self, key: impl Into<Bytes>) -> Self {
        self.headers.push(Header { key: key.into(), value: None });
        self
    }

    /// For a partition, whatever its key.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// With a timestamp in ms since 1970 other than now.
    #[must_use]
    pub fn timestamp(mut self, timestamp_ms: i64) -> Self {
        self.timestamp = Some(timestamp_ms);
        self
    }

    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|h| h.key.len() + h.value.as_ref().map_or(0, Bytes::len) + 8).sum();
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len) + headers + 32
    }
}

/// Where a record went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The partition.
    pub partition: i32,
    /// The offset; -1 with [`Acks::None`].
    pub offset: i64,
}

/// A record on its way.
#[derive(Debug)]
pub struct Delivery(oneshot::Receiver<Result<Delivered, Error>>);

impl Delivery {
    /// Waits for the acknowledgement.
    ///
    /// # Errors
    /// When the broker refused the record, or did not take it in time.
    pub async fn delivered(self) -> Result<Delivered, Error> {
        self.0.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Disconnected, "the producer was dropped")))
    }
}

/// Builds a [`Producer`].
#[derive(Debug, Clone)]
pub struct ProducerBuilder {
    client: Client,
    pub(crate) acks: Acks,
    pub(crate) codec: Codec,
    pub(crate) linger: Duration,
    pub(crate) batch_bytes: usize,
    pub(crate) buffer_bytes: usize,
    pub(crate) is_idempotent: bool,
    pub(crate) delivery_timeout: Duration,
    metadata_max_age: Duration,
    transaction_timeout: Duration,
}

impl Client {
    /// Builds a producer.
    pub fn producer(&self) -> ProducerBuilder {
        ProducerBuilder::new(self.clone())
    }
}

impl ProducerBuilder {
    pub(crate) fn new(client: Client) -> Self {
        ProducerBuilder {
            client,
            acks: Acks::All,
            codec: Codec::None,
            linger: Duration::from_millis(0),
            batch_bytes: 256 * 1024,
            buffer_bytes: 32 * 1024 * 1024,
            is_idempotent: true,
            delivery_timeout: Duration::from_secs(120),
            metadata_max_age: Duration::from_secs(300),
            transaction_timeout: Duration::from_secs(60),
        }
    }

    /// What an acknowledgement means; [`Acks::All`] unless set.
    #[must_use]
    pub fn acks(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self
    }

    /// Compresses batches.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// How long a batch waits for more records; 0 unless set. [`Producer::flush`] and the end of a transaction do not wait for it.
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// When a batch is full.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// Memory for records that are not acknowledged; `send` waits beyond it.
    #[must_use]
    pub fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.buffer_bytes = bytes;
        self
    }

    /// Whether a retry can never write a record twice; on unless set. Needs [`Acks::All`].
    #[must_use]
    pub fn idempotent(mut self, is_idempotent: bool) -> Self {
        self.is_idempotent = is_idempotent;
        self
    }

    /// When to give a record up.
    #[must_use]
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout;
        self
    }

    /// After which time the number of a topic's partitions is looked up again (`metadata.max.age.ms`), so that added ones are found;
    /// 5 minutes unless set.
    #[must_use]
    pub fn metadata_max_age(mut self, age: Duration) -> Self {
        self.metadata_max_age = age;
        self
    }

    /// When the broker aborts a transaction that is not ended; 60 s unless set.
    #[must_use]
    pub fn transaction_timeout(mut self, timeout: Duration) -> Self {
        self.transaction_timeout = timeout;
        self
    }

    /// The producer. It must be built within a tokio runtime.
    pub fn build(self) -> Producer {
        self.start(None)
    }

    /// A producer that sends in transactions, the only one with this id from now on: what another one left open is ended.
    ///
    /// # Errors
    /// When [`Acks`] are not [`Acks::All`], or the broker refuses.
    pub async fn transactional(self, id: &str) -> Result<TransactionalProducer, Error> {
        if self.acks != Acks::All || !self.is_idempotent {
            return Err(Error::new(ErrorKind::InvalidInput, "a transactional producer is idempotent, and waits for Acks::All"));
        }
        let transactional = Transactional::init(self.client.clone(), id, self.transaction_timeout, self.delivery_timeout).await?;
        let transactional = Arc::new(transactional);
        Ok(TransactionalProducer::new(self.start(Some(transactional.clone())), transactional))
    }

    fn start(self, transactional: Option<Arc<Transactional>>) -> Producer {
        let room = Arc::new(Semaphore::new(self.buffer_bytes.min(Semaphore::MAX_PERMITS)));
        let topics = Topics::new(self.client.clone(), self.metadata_max_age);
        let shared = Arc::new(SharedByLanes::new(self.client.clone(), self, transactional));
        Producer { shared, room, topics }
    }
}

/// Sends records.
#[derive(Debug)]
pub struct Producer {
    shared: Arc<SharedByLanes>,
    room: Arc<Semaphore>,
    topics: Topics,
}

/// A record that waits in a batch, with what to tell whom.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub record: NewRecord,
    pub reply: oneshot::Sender<Result<Delivered, Error>>,
    pub _room: OwnedSemaphorePermit,
}

impl Producer {
    /// Puts a record into its batch; waits while the buffer is full. The record is safe when the
    /// [`Delivery`] says so.
    ///
    /// # Errors
    /// When the topic or partition does not exist, or the record is too large.
    pub async fn send(&self, record: NewRecord) -> Result<Delivery, Error> {
        self.topics.refresh(&record.topic, record.partition).await?;
        let bytes = record.bytes();
        if bytes > self.shared.options.buffer_bytes {
            return Err(Error::new(ErrorKind::InvalidInput, format!("a record of {bytes} bytes does not fit into the buffer")));
        }
        let room = self.room.clone().acquire_many_owned(bytes as u32).await;
        let room = room.map_err(|_| Error::new(ErrorKind::Disconnected, "the producer was closed"))?;
        let lane = self.topics.lane(&record, &self.shared)?;
        let has_key = record.key.is_some() || record.partition.is_some();
        let (reply, delivery) = oneshot::channel();
        let is_full = lane.push(Waiting { record, reply, _room: room }, bytes);
        if is_full && !has_key {
            self.topics.move_on(lane.topic());
        }
        Ok(Delivery(delivery))
    }

    /// Sends everything that waits in a batch, without lingering, and waits until it is acknowledged or given up; the deliveries say
    /// which.
    pub async fn flush(&self) {
        // All lanes are told before one of them is waited for.
        let hurried: Vec<_> = self.topics.lanes().into_iter().map(|lane| (lane.hurry(), lane)).collect();
        for (count, lane) in hurried {
            lane.settled(count).await;
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.topics.lanes().iter().for_each(|lane| lane.close());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::FutureExt;
    use millstream_protocol::message::metadata::{MetadataPartition, MetadataResponse, MetadataTopic};
    use millstream_protocol::message::produce::{PartitionProduceResponse, ProduceResponse, TopicProduceResponse};
    use millstream_protocol::{ApiKey, Disconnected, ErrorCode, Request, Response};

    use super::*;
    use crate::scripted::{answer, scripted};

    /// A topic with one partition.
    fn topic() -> MetadataResponse {
        let topic = MetadataTopic { name: Some("t".into()), partitions: vec![MetadataPartition::default()], ..Default::default() };
        MetadataResponse { topics: vec![topic], ..Default::default() }
    }

    fn produced(error_code: ErrorCode) -> ProduceResponse {
        let partition = PartitionProduceResponse { error_code, base_offset: 0, ..Default::default() };
        let topic = TopicProduceResponse { partition_responses: vec![partition], ..Default::default() };
        ProduceResponse { responses: vec![topic], ..Default::default() }
    }

    fn producer(client: &Client) -> Producer {
        client.producer().acks(Acks::Leader).idempotent(false).build()
    }

    #[tokio::test]
    async fn a_topic_is_looked_up_again_when_the_broker_does_not_know_a_partition() {
        let is_first = AtomicBool::new(true);
        let (client, asked) = scripted(move |request| match request {
            Request::Metadata(_) => answer(topic()),
            Request::Produce(_) if is_first.swap(false, Ordering::Relaxed) => answer(produced(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
            Request::Produce(_) => answer(produced(ErrorCode::NONE)),
            other => panic!("{other:?}"),
        });
        let producer = producer(&client);
        for lookups in [1, 2, 2] {
            producer.send(NewRecord::to("t").value("x")).await.unwrap().delivered().await.unwrap();
            assert_eq!(asked.count(ApiKey::Metadata), lookups);
        }
    }

    /// Otherwise a flush would have no end while others go on sending.
    #[tokio::test]
    async fn a_flush_does_not_wait_for_records_that_are_sent_after_it() {
        let answers = Arc::new(Semaphore::new(0));
        let gate = answers.clone();
        let (client, asked) = scripted(move |request| match request {
            Request::Metadata(_) => answer(topic()),
            Request::Produce(_) => {
                let gate = gate.clone();
                async move {
                    gate.acquire().await.unwrap().forget();
                    Ok::<_, Disconnected>(Response::from(produced(ErrorCode::NONE)))
                }
                .boxed()
            }
            other => panic!("{other:?}"),
        });
        let producer = producer(&client);
        let first = producer.send(NewRecord::to("t").value("first")).await.unwrap();
        while asked.count(ApiKey::Produce) == 0 {
            tokio::task::yield_now().await;
        }
        let mut flush = Box::pin(producer.flush());
        assert!((&mut flush).now_or_never().is_none());
        let second = producer.send(NewRecord::to("t").value("second")).await.unwrap();
        answers.add_permits(1);
        tokio::time::timeout(Duration::from_secs(20), flush).await.expect("the first record is acknowledged");
        drop((first, second));
    }
}
