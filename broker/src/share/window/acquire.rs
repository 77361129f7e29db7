//! A member takes records: from the lowest that may be delivered on, first those that came back, then new ones.

use std::ops::{ControlFlow, RangeInclusive};

use super::chunk::Among;
use super::slot::{ArchiveReason, RecordSlot, RecordState};
use super::{END_OF_OFFSETS, ShareLimits, ShareWindow, WindowChange};

/// What the maximum of records means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcquireMode {
    /// The batch that reaches it is taken to its end.
    BatchOptimized,
    /// No more than that.
    RecordLimit,
}

/// What a read of the log found. Offsets of the read that are in no batch are gaps: they were compacted away, are markers, or
/// belong to a transaction that was aborted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readable<'a> {
    /// Where the read began, see [`ShareWindow::next_offset`]. The first batch may begin below.
    pub from: i64,
    /// One past the last offset that the read has looked at.
    pub until: i64,
    /// The offsets of each batch, ascending.
    pub batches: &'a [RangeInclusive<i64>],
}

/// Records that were acquired together, with one delivery count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acquired {
    pub first: i64,
    pub last: i64,
    pub delivery_count: u16,
}

/// What a member got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Acquisition {
    /// Ascending.
    pub acquired: Vec<Acquired>,
    pub records: usize,
    /// Records were given up instead, since they had been delivered as often as the group allows.
    pub has_exhausted: bool,
    /// The limit of locks, or that of what a window may know, kept it from growing.
    pub is_full: bool,
    pub change: WindowChange,
}

impl Acquisition {
    pub(super) fn push(&mut self, first: i64, records: usize, delivery_count: u16) {
        let last = first + records as i64 - 1;
        self.records += records;
        match self.acquired.last_mut() {
            Some(before) if before.last + 1 == first && before.delivery_count == delivery_count => before.last = last,
            _ => self.acquired.push(Acquired { first, last, delivery_count }),
        }
    }
}

/// The lock that records get.
struct NewLock {
    owner: u32,
    deadline_ms: i64,
}

impl ShareWindow {
    /// Locks records for a member. Locks that have ended are still locks until [`Self::expire`] was called.
    pub(crate) fn acquire(
        &mut self,
        owner: u32,
        readable: &Readable<'_>,
        mode: AcquireMode,
        records_max: usize,
        limits: &ShareLimits,
        now_ms: i64,
    ) -> Acquisition {
        let mut taken = Acquisition::default();
        taken.change.has_available = self.end_delays(now_ms);
        self.archive_gaps(readable, &mut taken.change);
        let lock = NewLock { owner, deadline_ms: now_ms.saturating_add(limits.lock_ms) };
        // What lies between the end of the window and here was looked at.
        let mut seen_until = readable.from;
        for batch in readable.batches {
            let (first, last) = (self.start.max(*batch.start()), (*batch.end()).min(END_OF_OFFSETS - 1));
            let most = match mode {
                AcquireMode::BatchOptimized if taken.records < records_max => usize::MAX,
                _ => records_max.saturating_sub(taken.records),
            };
            if most == 0 {
                break;
            }
            let before = taken.records;
            self.take_free(first..=last, most, &lock, limits, &mut taken);
            if last >= self.end && seen_until.min(*batch.start()) <= self.end {
                let most = most - (taken.records - before);
                self.take_new(first.max(self.end)..=last, most, &lock, limits, &mut taken);
            }
            seen_until = seen_until.max(last + 1);
        }
        self.pass_gap_at_end(readable);
        self.time_locks(&taken.acquired, lock.deadline_ms);
        self.settle();
        taken
    }

    /// Takes records that the window has already.
    fn take_free(&mut self, range: RangeInclusive<i64>, most: usize, lock: &NewLock, limits: &ShareLimits, taken: &mut Acquisition) {
        let mut left = most;
        let stored = &mut self.stored;
        self.chunks.change(range, Among::Free, |offset, slot| {
            if slot.delivery_count >= limits.deliveries_max {
                slot.become_state(limits.given_up(ArchiveReason::Exhausted));
                stored.mark_dirty(offset);
                taken.change.note(offset, slot);
                taken.has_exhausted = true;
                return ControlFlow::Continue(());
            }
            let delivery_count = slot.delivery_count + 1;
            *slot = RecordSlot { time_ms: lock.deadline_ms, owner: lock.owner, delivery_count, state: RecordState::Acquired };
            taken.push(offset, 1, delivery_count);
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    /// Takes records behind the end, which the window grows by.
    fn take_new(&mut self, range: RangeInclusive<i64>, most: usize, lock: &NewLock, limits: &ShareLimits, taken: &mut Acquisition) {
        let (first, last) = range.into_inner();
        let offered = usize::try_from(last - first + 1).unwrap_or(0).min(most);
        let room = limits.locks_max.saturating_sub(self.counts().live()).min(self.chunks.room());
        let records = offered.min(room);
        taken.is_full |= records < offered;
        if records == 0 {
            return;
        }
        let slot = RecordSlot { time_ms: lock.deadline_ms, owner: lock.owner, delivery_count: 1, state: RecordState::Acquired };
        self.chunks.push(first, records, slot);
        self.end = first + records as i64;
        self.stored.mark_grown(first, self.end - 1);
        taken.push(first, records, 1);
    }

    /// One time for each contiguous range, whatever its delivery counts.
    fn time_locks(&mut self, acquired: &[Acquired], deadline_ms: i64) {
        for ranges in acquired.chunk_by(|before, next| before.last + 1 == next.first) {
            if let (Some(first), Some(last)) = (ranges.first(), ranges.last()) {
                self.locks.push(deadline_ms, first.first, last.last);
            }
        }
    }

    /// Records that the window has and the log has no more, since it was compacted meanwhile, can never be delivered. What is
    /// locked is left to its member.
    fn archive_gaps(&mut self, readable: &Readable<'_>, change: &mut WindowChange) {
        let mut from = readable.from;
        for batch in readable.batches {
            self.archive_gap(from, *batch.start(), change);
            from = from.max(batch.end().saturating_add(1));
        }
        self.archive_gap(from, readable.until, change);
    }

    fn archive_gap(&mut self, from: i64, until: i64, change: &mut WindowChange) {
        let (from, until) = (from.max(self.start), until.min(self.end));
        if from >= until {
            return;
        }
        let stored = &mut self.stored;
        self.chunks.change(from..=until - 1, Among::All, |offset, slot| {
            if slot.state == RecordState::Available {
                slot.become_state(RecordState::Archived);
                stored.mark_dirty(offset);
                change.note(offset, slot);
            }
            ControlFlow::Continue(())
        });
    }

    /// A gap behind everything that was acquired is done as soon as it was seen.
    fn pass_gap_at_end(&mut self, readable: &Readable<'_>) {
        let batches_end = readable.batches.last().map_or(readable.from, |batch| batch.end().saturating_add(1).max(readable.from));
        if batches_end <= self.end {
            self.end = self.end.max(readable.until.min(END_OF_OFFSETS));
        }
    }
}
