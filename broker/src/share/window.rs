//! One share partition: what a share group knows of one partition (KIP-932; in Kafka `SharePartition`).
//!
//! A member **acquires** a record: it gets the **acquisition lock**, which ends at a deadline, and the record's **delivery
//! count** goes up. The member then acknowledges it, or the record becomes available to others. The window is what lies
//! between the share-partition start offset (Kafka's SPSO), below which everything is done, and the end offset (SPEO), one
//! past the last offset ever acquired.
//!
//! What it is not: it reads no log, has no clock and no lock, writes nothing and knows no members but their handles. A
//! coordinator tells it the time (monotonic, in milliseconds), which batches can be read and what the group's limits are, and
//! gets back what follows: which ranges are acquired, which records need a dead letter, whether waiting fetches have
//! something to take.
//!
//! How it fits together, in reading order: `slot` is one record, `chunk` keeps the slots, `timeline` knows when locks end and
//! delays are over. `acquire`, `acknowledge` and `give_back` change slots, `stored` is what has to outlive the process.

mod acknowledge;
mod acquire;
mod chunk;
mod give_back;
mod slot;
mod stored;
#[cfg(test)]
mod tests;
mod timeline;

use chunk::Chunks;
use stored::StoredBlocks;
use timeline::Timeline;

pub(crate) use acknowledge::{AcknowledgeError, AcknowledgeRange};
pub(crate) use acquire::{AcquireMode, Acquired, Acquisition, Readable};
pub(crate) use chunk::WindowCounts;
pub(crate) use slot::{ArchiveReason, RecordState};
pub(crate) use stored::{StoredBlock, WindowChanges, WindowHead};

/// The offset behind the last that a window can have.
const END_OF_OFFSETS: i64 = i64::MAX - crate::limit::SHARE_BLOCK_OFFSETS;

/// What a group allows. Its properties may change between two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShareLimits {
    /// With so many records available, acquired or archiving the window does not grow.
    pub locks_max: usize,
    /// A record is delivered so often, and no more.
    pub deliveries_max: u16,
    /// How long a lock lasts.
    pub lock_ms: i64,
    /// What is given up gets a dead letter first (KIP-1191).
    pub has_dead_letters: bool,
}

impl ShareLimits {
    /// The state of a record that is given up.
    fn given_up(&self, reason: ArchiveReason) -> RecordState {
        if self.has_dead_letters { RecordState::Archiving(reason) } else { RecordState::Archived }
    }
}

/// Records that wait for a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub first: i64,
    pub last: i64,
    pub delivery_count: u16,
    pub reason: ArchiveReason,
}

/// What a call changed, beside its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WindowChange {
    /// Records have changed durably: [`ShareWindow::take_dirty`] has their blocks. A start that only moved over gaps need not be
    /// waited for, and does not count here.
    pub is_dirty: bool,
    /// There is more to acquire: waiting fetches should look.
    pub has_available: bool,
    /// These became Archiving. The caller writes their dead letters, and calls [`ShareWindow::archived`] when those are durable.
    pub dead_letters: Vec<DeadLetter>,
}

impl WindowChange {
    /// Notes what a slot became.
    fn note(&mut self, offset: i64, slot: &slot::RecordSlot) {
        self.is_dirty = true;
        match slot.state {
            RecordState::Available => self.has_available |= slot.is_free(),
            RecordState::Archiving(reason) => push_dead_letter(&mut self.dead_letters, offset, slot.delivery_count, reason),
            _ => {}
        }
    }
}

fn push_dead_letter(to: &mut Vec<DeadLetter>, offset: i64, delivery_count: u16, reason: ArchiveReason) {
    match to.last_mut() {
        Some(before) if before.last + 1 == offset && before.delivery_count == delivery_count && before.reason == reason => {
            before.last = offset;
        }
        _ => to.push(DeadLetter { first: offset, last: offset, delivery_count, reason }),
    }
}

/// One share partition.
#[derive(Debug, Clone)]
pub(crate) struct ShareWindow {
    start: i64,
    end: i64,
    chunks: Chunks,
    /// When locks end.
    locks: Timeline,
    /// When delayed records become available.
    delays: Timeline,
    stored: StoredBlocks,
}

impl ShareWindow {
    /// A window that begins at an offset and has nothing yet. Its start has to become durable.
    pub(crate) fn new(start: i64) -> Self {
        Self {
            start,
            end: start,
            chunks: Chunks::default(),
            locks: Timeline::new(RecordState::Acquired),
            delays: Timeline::new(RecordState::Available),
            stored: StoredBlocks::default(),
        }
    }

    /// Everything below is done (SPSO). It is also the oldest offset that is available, locked or archiving, if any is.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// One past the last offset ever acquired, or known to be a gap behind those (SPEO).
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    pub(crate) fn counts(&self) -> WindowCounts {
        self.chunks.counts()
    }

    /// Where a read should begin: at the lowest record that may be delivered, or else at the end, for new ones.
    pub(crate) fn next_offset(&mut self, now_ms: i64) -> i64 {
        self.end_delays(now_ms);
        self.chunks.first_free().unwrap_or(self.end)
    }

    /// When something happens by itself: the earliest deadline of a lock or end of a delay. [`Self::expire`] is due then.
    pub(crate) fn next_wake_ms(&mut self) -> Option<i64> {
        let (lock, delay) = (self.locks.next(&self.chunks), self.delays.next(&self.chunks));
        lock.into_iter().chain(delay).min()
    }

    /// Everything that waits for a dead letter: after a restart the caller has to write them again.
    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        let mut found = Vec::new();
        if self.counts().archiving > 0 {
            for (offset, slot) in self.chunks.slots(self.start..=self.end) {
                if let RecordState::Archiving(reason) = slot.state {
                    push_dead_letter(&mut found, offset, slot.delivery_count, reason);
                }
            }
        }
        found
    }

    /// Begins anew at an offset (AlterShareGroupOffsets): everything that is known is dropped, locks too.
    pub(crate) fn reset(&mut self, offset: i64) -> WindowChange {
        let stored = std::mem::take(&mut self.stored);
        *self = Self { stored: stored.of_next_generation(), ..Self::new(offset) };
        WindowChange { is_dirty: true, has_available: true, ..WindowChange::default() }
    }

    /// Moves the start over what is done, and keeps the timelines short. Each call that changes slots ends with it.
    fn settle(&mut self) {
        self.start = self.chunks.drop_done(self.start).unwrap_or(self.end);
        self.stored.pass(self.start);
        let WindowCounts { acquired, delayed, .. } = self.chunks.counts();
        self.locks.sweep(&self.chunks, acquired);
        self.delays.sweep(&self.chunks, delayed);
    }
}
