//! Dead letters (KIP-1191): what a share group gives up is written to a topic first, and only then archived.
//!
//! They follow what is kept: a record that became Archiving stays so until its letter is durable, over a restart too, so that none is lost;
//! one may be written twice. While there is nowhere to write them to, they wait, and hold up the window when they fill it.
//! One task writes the letters of a share partition, a batch at a time.

use std::collections::HashSet;
use std::sync::Arc;

use millstream_protocol::limit::INFLATED_IN_MEMORY_BYTES_MAX;
use millstream_protocol::record::{BatchBuilder, Codec, Header, NewRecord, Record, RecordBatch};
use parking_lot::Mutex;
use thiserror::Error;

use super::keeper::Keeper;
use super::partition::SharePartition;
use super::place::SharePlace;
use super::window::{ArchiveReason, DeadLetter};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::share::DeadLetterTopic;
use crate::journal::{self, JournalError};
use crate::limit;
use crate::log::LogError;
use crate::partition::read::ReadOutcome;
use crate::partition::{Acknowledged, AppendError, Partition};

/// Why letters have to wait.
#[derive(Debug, Error)]
enum Unwritten {
    #[error("the topic is not there: create it with errors.deadletterqueue.group.enable=true")]
    NoTopic,
    #[error("the topic does not take dead letters: set errors.deadletterqueue.group.enable=true on it")]
    NotEnabled,
    #[error("the topic is the one that the group reads")]
    Itself,
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    NotKept(#[from] JournalError),
    #[error("a read ended in a panic")]
    Panic,
}

/// Writes dead letters.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    catalog: Arc<Catalog>,
    clock: Clock,
    keeper: Arc<Keeper>,
    /// Share partitions whose letters are being written.
    under_way: Mutex<HashSet<SharePlace>>,
}

impl DeadLetters {
    pub(super) fn new(catalog: Arc<Catalog>, clock: Clock, keeper: Arc<Keeper>) -> Arc<Self> {
        Arc::new(DeadLetters { catalog, clock, keeper, under_way: Mutex::default() })
    }

    /// Writes the letters that a share partition has to write, in the background; without a topic the records are archived as they are.
    pub(crate) fn write(self: &Arc<Self>, partition: Arc<SharePartition>, to: Option<DeadLetterTopic>) {
        if !self.under_way.lock().insert(partition.place.clone()) {
            return;
        }
        let letters = self.clone();
        tokio::spawn(async move {
            if let Err(error) = letters.write_all(&partition, to.as_ref()).await {
                let (group, topic) = (&partition.place.group, to.map(|to| to.name).unwrap_or_default());
                tracing::warn!(%group, topic, "dead letters wait: {error}");
            }
            letters.under_way.lock().remove(&partition.place);
        });
    }

    async fn write_all(&self, partition: &Arc<SharePartition>, to: Option<&DeadLetterTopic>) -> Result<(), Unwritten> {
        loop {
            let mut letters = partition.dead_letters();
            letters.truncate(limit::DEAD_LETTERS_AT_ONCE_MAX);
            if letters.is_empty() {
                return Ok(());
            }
            if let Some(to) = to {
                for letter in &mut letters {
                    letter.last = letter.last.min(letter.first.saturating_add(limit::DEAD_LETTERS_AT_ONCE_MAX as i64 - 1));
                    self.write_range(partition, to, letter).await?;
                }
            }
            letters.iter().for_each(|letter| partition.archived(letter.first..=letter.last));
            super::keeper::settled(self.keeper.keep([partition.clone()])).await?;
        }
    }

    async fn write_range(&self, partition: &SharePartition, to: &DeadLetterTopic, letter: &DeadLetter) -> Result<(), Unwritten> {
        let topic = self.catalog.get(&to.name).ok_or(Unwritten::NoTopic)?;
        if topic.id == partition.place.topic {
            return Err(Unwritten::Itself);
        }
        let partitions = topic.partitions();
        let target = &partitions[partition.place.partition.unsigned_abs() as usize % partitions.len().max(1)];
        if !target.settings().takes_dead_letters {
            return Err(Unwritten::NotEnabled);
        }
        let mut acknowledged = None;
        for offset in letter.first..=letter.last {
            let original = if to.is_copying { record_at(&partition.log, offset).await? } else { None };
            let context: Vec<Header> = context(partition, offset, letter).collect();
            acknowledged = match self.append(target, original.as_ref(), &context) {
                // One that is too large to be copied still says where it is.
                Err(Unwritten::Append(AppendError::LargerThanSegment)) if original.is_some() => self.append(target, None, &context),
                appended => appended,
            }?;
        }
        // The last one is durable after those before it.
        Ok(journal::durable(acknowledged).await?)
    }

    fn append(&self, target: &Arc<Partition>, original: Option<&Record>, context: &[Header]) -> Result<Acknowledged, Unwritten> {
        let headers: Vec<Header> = original.iter().flat_map(|record| &record.headers).chain(context).cloned().collect();
        let (key, value) = original.map(|record| (record.key.as_deref(), record.value.as_deref())).unwrap_or_default();
        let now_ms = self.clock.now_ms();
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(NewRecord { timestamp: now_ms, key, value, headers: &headers });
        let batch = builder.build().map_err(|_| AppendError::LargerThanSegment)?;
        if batch.total_bytes() as u64 > target.settings().max_message_bytes {
            return Err(AppendError::LargerThanSegment.into());
        }
        Ok(target.append(batch, -1, now_ms, true)?.acknowledged)
    }
}

/// What is said of a record, as headers.
fn context(partition: &SharePartition, offset: i64, letter: &DeadLetter) -> impl Iterator<Item = Header> {
    let reason = match letter.reason {
        ArchiveReason::Rejected => "CLIENT_REJECTED",
        ArchiveReason::Exhausted => "MAX_DELIVERY_ATTEMPTS_REACHED",
    };
    [
        ("topic", partition.log.topic.clone()),
        ("partition", partition.place.partition.to_string()),
        ("offset", offset.to_string()),
        ("group", partition.place.group.to_string()),
        ("delivery.count", letter.delivery_count.to_string()),
        ("disposition", reason.to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| Header { key: format!("_dlq.errors.{name}").into(), value: Some(value.into()) })
}

/// A record of a log; `None` if it is not there any more.
async fn record_at(log: &Arc<Partition>, offset: i64) -> Result<Option<Record>, Unwritten> {
    let Ok(read) = log.read(offset, 1, false) else { return Ok(None) };
    let batches = match read.outcome {
        None => return Ok(None),
        Some(ReadOutcome::Batches(batches)) => batches,
        Some(ReadOutcome::Cold { plan, .. }) => tokio::task::spawn_blocking(move || plan.read(1)).await.map_err(|_| Unwritten::Panic)??,
    };
    let holds = |batch: &&RecordBatch| (batch.base_offset()..=batch.last_offset()).contains(&offset);
    let Some(batch) = batches.iter().find(holds) else { return Ok(None) };
    let Ok(mut records) = batch.records(INFLATED_IN_MEMORY_BYTES_MAX) else { return Ok(None) };
    Ok(records.find_map(|record| record.ok().filter(|record| record.offset == offset)))
}
