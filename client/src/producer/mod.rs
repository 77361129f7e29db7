//! The producer: records are gathered into one batch a partition, and sent when the batch is full or has waited for
//! `linger`. One batch a partition is under way at a time: order holds through every retry, and what comes meanwhile
//! makes the next batch larger.

pub(crate) mod partitioner;
mod sender;
mod transaction;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_protocol::record::{Codec, Header};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::topic_partition::TopicPartition;
use partitioner::{Sticky, partition_of_key};
use sender::{Lane, Shared};
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
    transaction_timeout: Duration,
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

    /// How long a batch waits for more records; 0 unless set.
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
        let client = self.client.clone();
        let shared = Arc::new(Shared::new(client.clone(), self, transactional));
        Producer { client, shared, room, topics: Mutex::default(), lanes: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct TopicState {
    partitions: i32,
    sticky: Sticky,
}

/// Sends records.
#[derive(Debug)]
pub struct Producer {
    client: Client,
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    topics: Mutex<HashMap<String, TopicState>>,
    lanes: Mutex<HashMap<(String, i32), Arc<Lane>>>,
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
        let partitions = self.partitions(&record.topic).await?;
        let bytes = record.bytes();
        if bytes > self.shared.options.buffer_bytes {
            return Err(Error::new(ErrorKind::InvalidInput, format!("a record of {bytes} bytes does not fit into the buffer")));
        }
        let room = self.room.clone().acquire_many_owned(bytes as u32).await;
        let room = room.map_err(|_| Error::new(ErrorKind::Disconnected, "the producer was closed"))?;
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) if !(0..partitions).contains(&partition) => {
                let message = format!("topic {} has {partitions} partitions, there is no partition {partition}", record.topic);
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of_key(key, partitions),
            (None, None) => self.sticky(&record.topic, |sticky| sticky.partition(partitions)),
        };
        let lane = self.lane(&record.topic, partition);
        let has_key = record.key.is_some() || record.partition.is_some();
        let topic = record.topic.clone();
        let (reply, delivery) = oneshot::channel();
        let is_full = lane.push(Waiting { record, reply, _room: room }, bytes);
        if is_full && !has_key {
            self.sticky(&topic, |sticky| {
                sticky.move_on();
                0
            });
        }
        Ok(Delivery(delivery))
    }

    /// Waits until everything sent so far is acknowledged or given up; the deliveries say which.
    pub async fn flush(&self) {
        let lanes: Vec<_> = self.lanes.lock().values().cloned().collect();
        for lane in lanes {
            lane.drained().await;
        }
    }

    async fn partitions(&self, topic: &str) -> Result<i32, Error> {
        if let Some(state) = self.topics.lock().get(topic) {
            return Ok(state.partitions);
        }
        let found = self.client.topic(topic).await?;
        self.topics.lock().entry(topic.to_owned()).or_default().partitions = found.partitions;
        Ok(found.partitions)
    }

    fn sticky(&self, topic: &str, use_it: impl FnOnce(&mut Sticky) -> i32) -> i32 {
        use_it(&mut self.topics.lock().entry(topic.to_owned()).or_default().sticky)
    }

    fn lane(&self, topic: &str, partition: i32) -> Arc<Lane> {
        let mut lanes = self.lanes.lock();
        lanes
            .entry((topic.to_owned(), partition))
            .or_insert_with(|| Lane::start(self.shared.clone(), TopicPartition::new(topic, partition)))
            .clone()
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.lanes.lock().values().for_each(|lane| lane.close());
    }
}
