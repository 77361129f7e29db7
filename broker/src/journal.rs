//! A coordinator's journal: what it has to remember, as keyed records of an internal compacted topic, read once when the
//! broker opens. One storage engine and one recovery serve topics, groups and transactions alike.
//!
//! Keys and values are durable records (`durable`), a null value takes a key back. The journal has one partition: one file
//! to sync for all groups. What a key and a value are, their owners say.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use millstream_protocol::limit::INFLATED_IN_MEMORY_BYTES_MAX;
use millstream_protocol::record::batch::TRANSACTIONAL;
use millstream_protocol::record::{BatchBuilder, Codec, NewRecord};
use thiserror::Error;

use crate::catalog::{Catalog, TopicError};
use crate::config::Properties;
use crate::limit;
use crate::partition::{Acknowledged, AppendError, NotDurable, Partition};

/// The journal of groups and their offsets.
pub(crate) const OFFSETS: &str = "__consumer_offsets";
/// The journal of transactions.
pub(crate) const TRANSACTIONS: &str = "__transaction_state";

/// The journal of share groups.
pub(crate) const SHARES: &str = "__share_group_state";

/// Whether a topic is a journal, which clients read and do not write.
pub(crate) fn is_internal(topic: &str) -> bool {
    [OFFSETS, TRANSACTIONS, SHARES].contains(&topic)
}

const SEGMENT_BYTES: &str = "104857600";

/// Why something is not kept. The server's log has what exactly went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum JournalError {
    #[error("the journal's topic is not there and cannot be made")]
    NotMade,
    #[error("the entries make no batch")]
    NoBatch,
    /// The entries are part of a transaction of a producer that is not the newest.
    #[error("a newer producer has the transaction")]
    ProducerFenced,
    #[error("the journal refuses entries")]
    NotAppended,
    /// Entries were appended, or markers to other partitions, and may be lost.
    #[error(transparent)]
    NotDurable(#[from] NotDurable),
}

/// A key with its newest value; null takes it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalEntry {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// What a journal holds, in order.
#[derive(Debug)]
pub(crate) enum Replayed {
    /// An entry; one of a transaction counts when that is committed.
    Entry { key: Bytes, value: Option<Bytes>, producer_id: Option<i64> },
    /// The end of a transaction.
    Ended { producer_id: i64, is_commit: bool },
}

/// A journal. Its topic is made with the first entry.
#[derive(Debug)]
pub(crate) struct Journal {
    topic: &'static str,
    catalog: Arc<Catalog>,
    partition: OnceLock<Arc<Partition>>,
}

impl Journal {
    pub(crate) fn new(topic: &'static str, catalog: Arc<Catalog>) -> Self {
        let journal = Journal { topic, catalog, partition: OnceLock::new() };
        if let Some(made) = journal.catalog.get(topic) {
            // Whoever made it: by age or in tiny segments, what was promised would be lost.
            if made.properties() != properties()
                && let Err(error) = journal.catalog.alter_properties(&made, false, |set| {
                    *set = properties();
                    Ok::<_, TopicError>(())
                })
            {
                tracing::error!(topic, "a coordinator's journal keeps properties that are not its own: {error}");
            }
            if let Some(partition) = made.partition(0) {
                let _ = journal.partition.set(partition);
            }
        }
        journal
    }

    /// The partition, made if need be.
    pub(crate) fn partition(&self, now_ms: i64) -> Result<&Arc<Partition>, JournalError> {
        if let Some(partition) = self.partition.get() {
            return Ok(partition);
        }
        match self.catalog.create(self.topic, 1, properties(), now_ms) {
            Ok(_) | Err(TopicError::Exists(_)) => {}
            Err(error) => {
                tracing::error!(topic = self.topic, "cannot make a coordinator's journal: {error}");
                return Err(JournalError::NotMade);
            }
        }
        let made = self.catalog.get(self.topic).and_then(|topic| topic.partition(0)).ok_or(JournalError::NotMade)?;
        Ok(self.partition.get_or_init(|| made))
    }

    /// Appends entries, as a part of a producer's transaction if one is given. Resolves when they are durable.
    pub(crate) fn append(
        &self,
        entries: &[JournalEntry],
        transaction: Option<(i64, i16)>,
        now_ms: i64,
    ) -> Result<Acknowledged, JournalError> {
        let partition = self.partition(now_ms)?;
        let mut acknowledged = None;
        let mut rest = entries;
        while !rest.is_empty() {
            let mut builder = BatchBuilder::new(Codec::None);
            if let Some((producer_id, producer_epoch)) = transaction {
                builder.set_producer(producer_id, producer_epoch, -1);
                builder.set_attributes(TRANSACTIONAL);
            }
            let fitting = rest.iter().scan(0, |bytes, entry| {
                *bytes += entry.key.len() + entry.value.as_ref().map_or(0, Vec::len);
                Some(*bytes)
            });
            let (now, later) = rest.split_at(fitting.take_while(|bytes| *bytes <= limit::JOURNAL_BATCH_BYTES_MAX).count().max(1));
            for entry in now {
                builder.push(NewRecord { timestamp: now_ms, key: Some(&entry.key), value: entry.value.as_deref(), headers: &[] });
            }
            let batch = builder.build().map_err(|_| JournalError::NoBatch)?;
            let appended = partition.append(batch, -1, now_ms, true).map_err(|error| {
                tracing::error!(topic = self.topic, "a coordinator's journal refused an entry: {error}");
                match error {
                    AppendError::ProducerFenced => JournalError::ProducerFenced,
                    _ => JournalError::NotAppended,
                }
            })?;
            // The last one is durable after those before it.
            acknowledged = appended.acknowledged;
            rest = later;
        }
        Ok(acknowledged)
    }

    /// Resolves when everything appended until now is durable; `None` when it is already.
    pub(crate) fn settled(&self) -> Acknowledged {
        self.partition.get().and_then(|partition| partition.settled())
    }

    /// Shows everything in it, oldest first. What cannot be read is logged and left out.
    pub(crate) fn replay(&self, mut see: impl FnMut(Replayed)) {
        let Some(partition) = self.partition.get() else { return };
        partition.walk(|batch| {
            if let Some(marker) = batch.marker() {
                see(Replayed::Ended { producer_id: batch.producer_id(), is_commit: marker.is_commit });
                return Ok(());
            }
            let producer_id = batch.is_transactional().then(|| batch.producer_id());
            for record in batch.records(INFLATED_IN_MEMORY_BYTES_MAX)? {
                let record = record?;
                if let Some(key) = record.key {
                    see(Replayed::Entry { key, value: record.value, producer_id });
                }
            }
            Ok(())
        });
    }
}

fn properties() -> Properties {
    let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Properties::from([property("cleanup.policy", "compact"), property("segment.bytes", SEGMENT_BYTES)])
}

/// Waits until something is durable.
pub(crate) async fn durable(acknowledged: Acknowledged) -> Result<(), JournalError> {
    match acknowledged {
        None => Ok(()),
        Some(receiver) => Ok(receiver.await.unwrap_or(Err(NotDurable::Abandoned))?),
    }
}
