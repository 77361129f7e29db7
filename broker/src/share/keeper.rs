//! Makes what share partitions have to remember durable, and says so to those who wait: many acknowledgements, one append and one sync.
//!
//! While a round is on its way to the disk, others gather for the next one. One task writes all rounds, so that the journal has the
//! changes of a window in the order in which they happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::partition::SharePartition;
use super::record;
use crate::clock::Clock;
use crate::journal::{self, Journal, JournalEntry, JournalError};
use crate::partition::NotDurable;

/// Resolves when everything that was changed before is durable.
pub(crate) type Keeping = oneshot::Receiver<Result<(), JournalError>>;

/// Waits until it is.
pub(crate) async fn settled(kept: Keeping) -> Result<(), JournalError> {
    kept.await.unwrap_or(Err(JournalError::NotDurable(NotDurable::Abandoned)))
}

#[derive(Debug)]
pub(crate) struct Keeper {
    journal: Journal,
    clock: Clock,
    queue: Mutex<Rounds>,
}

#[derive(Debug, Default)]
struct Rounds {
    next: Round,
    /// A task writes rounds until none is left.
    is_writing: bool,
    /// What the journal did not take: the next round writes it again, unless it has something newer under the key.
    unkept: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// What is written together.
#[derive(Debug, Default)]
struct Round {
    dirty: Vec<Arc<SharePartition>>,
    /// Of share partitions that are gone.
    forgotten: Vec<JournalEntry>,
    waiting: Vec<oneshot::Sender<Result<(), JournalError>>>,
}

impl Round {
    fn is_empty(&self) -> bool {
        self.dirty.is_empty() && self.forgotten.is_empty() && self.waiting.is_empty()
    }
}

impl Keeper {
    pub(super) fn new(journal: Journal, clock: Clock) -> Arc<Self> {
        Arc::new(Keeper { journal, clock, queue: Mutex::default() })
    }

    /// Keeps what share partitions changed.
    pub(crate) fn keep(self: &Arc<Self>, changed: impl IntoIterator<Item = Arc<SharePartition>>) -> Keeping {
        self.queue(changed, Vec::new())
    }

    /// Forgets share partitions that have ended.
    pub(super) fn forget(self: &Arc<Self>, forgotten: Vec<JournalEntry>) -> Keeping {
        self.queue([], forgotten)
    }

    fn queue(self: &Arc<Self>, changed: impl IntoIterator<Item = Arc<SharePartition>>, forgotten: Vec<JournalEntry>) -> Keeping {
        let (sender, kept) = oneshot::channel();
        let mut queue = self.queue.lock();
        for partition in changed {
            if !queue.next.dirty.iter().any(|other| Arc::ptr_eq(other, &partition)) {
                queue.next.dirty.push(partition);
            }
        }
        queue.next.forgotten.extend(forgotten);
        queue.next.waiting.push(sender);
        if !std::mem::replace(&mut queue.is_writing, true) {
            tokio::spawn(self.clone().write_rounds());
        }
        kept
    }

    async fn write_rounds(self: Arc<Self>) {
        loop {
            let round = {
                let mut queue = self.queue.lock();
                if queue.next.is_empty() {
                    queue.is_writing = false;
                    return;
                }
                std::mem::take(&mut queue.next)
            };
            let written = self.write(&round).await;
            // Whoever waits no more does not need to know.
            for waiting in round.waiting {
                let _ = waiting.send(written);
            }
        }
    }

    async fn write(&self, round: &Round) -> Result<(), JournalError> {
        let wall_ms = self.clock.now_ms();
        let wall_minus_now_ms = wall_ms - self.clock.monotonic_ms();
        let entries: Vec<JournalEntry> = {
            let mut queue = self.queue.lock();
            let mut unkept = std::mem::take(&mut queue.unkept);
            let changed =
                round.dirty.iter().flat_map(|partition| record::entries(&partition.place, &partition.take_dirty(wall_minus_now_ms)));
            let fresh: Vec<JournalEntry> = changed.chain(round.forgotten.iter().cloned()).collect();
            fresh.iter().for_each(|entry| drop(unkept.remove(&entry.key)));
            unkept.into_iter().map(|(key, value)| JournalEntry { key, value }).chain(fresh).collect()
        };
        let written = self.append(round, &entries, wall_ms).await;
        if let Err(error) = &written {
            tracing::warn!("what was acknowledged in share groups could not be kept: {error}");
            let mut queue = self.queue.lock();
            for entry in entries {
                queue.unkept.insert(entry.key, entry.value);
            }
        }
        written
    }

    async fn append(&self, round: &Round, entries: &[JournalEntry], wall_ms: i64) -> Result<(), JournalError> {
        // The records first: what is said of one that a power cut takes would count for another one that gets its offset.
        for partition in &round.dirty {
            let (_, end, _) = partition.describe();
            journal::durable(partition.log.durable_below(end)).await?;
        }
        if entries.is_empty() { Ok(()) } else { journal::durable(self.journal.append(entries, None, wall_ms)?).await }
    }

    /// Forgets what a start found of topics that are gone.
    pub(super) fn forget_orphans(&self, orphans: &[JournalEntry]) {
        if let Err(error) = self.journal.append(orphans, None, self.clock.now_ms()) {
            tracing::warn!("what share groups knew of topics that are gone could not be removed, and is left for the next start: {error}");
        }
    }

    /// Makes the journal's topic.
    pub(crate) fn prepare(&self) -> Result<(), JournalError> {
        self.journal.partition(self.clock.now_ms()).map(|_| ())
    }

    pub(super) fn replay(&self, see: impl FnMut(journal::Replayed)) {
        self.journal.replay(see);
    }
}
