//! The slots of a window. They stand in chunks of contiguous offsets, so that a gap in the log costs nothing. A chunk ends
//! with its block (`SHARE_BLOCK_OFFSETS`), so that a search for records of one kind passes over many others at once.

use std::collections::VecDeque;
use std::iter::repeat_n;
use std::ops::{ControlFlow, Range, RangeInclusive};

use super::slot::{NO_TIME, RecordSlot, RecordState};
use crate::limit;

/// How many records of a window are in which state. The others are done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WindowCounts {
    /// May be delivered.
    pub available: usize,
    /// Wait for their not-before time.
    pub delayed: usize,
    /// Are locked by a member.
    pub acquired: usize,
    /// Wait for their dead letter.
    pub archiving: usize,
}

impl WindowCounts {
    /// Records that count against the limit of locks.
    pub(super) fn live(&self) -> usize {
        self.available + self.acquired + self.archiving
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        WindowCounts {
            available: self.available + other.available,
            delayed: self.delayed + other.delayed,
            acquired: self.acquired + other.acquired,
            archiving: self.archiving + other.archiving,
        }
    }

    /// Records that are not done.
    pub(crate) fn undone(&self) -> usize {
        self.live() + self.delayed
    }

    fn of(&mut self, slot: &RecordSlot) -> Option<&mut usize> {
        match slot.state {
            RecordState::Available if slot.time_ms == NO_TIME => Some(&mut self.available),
            RecordState::Available => Some(&mut self.delayed),
            RecordState::Acquired => Some(&mut self.acquired),
            RecordState::Archiving(_) => Some(&mut self.archiving),
            RecordState::Acknowledged | RecordState::Archived => None,
        }
    }

    fn add(&mut self, slot: &RecordSlot, records: usize) {
        if let Some(count) = self.of(slot) {
            *count += records;
        }
    }

    fn remove(&mut self, slot: &RecordSlot) {
        if let Some(count) = self.of(slot) {
            *count -= 1;
        }
    }
}

/// Slots of contiguous offsets within one block.
#[derive(Debug, Clone)]
struct Chunk {
    first: i64,
    /// Of these the searches ask: what may be delivered, and what is locked.
    free: u16,
    acquired: u16,
    slots: Vec<RecordSlot>,
}

impl Chunk {
    fn end(&self) -> i64 {
        self.first + self.slots.len() as i64
    }

    /// The places of a range of offsets.
    fn places(&self, first: i64, last: i64) -> Range<usize> {
        let from = (first.max(self.first) - self.first) as usize;
        let to = (last.min(self.end() - 1) + 1 - self.first) as usize;
        from.min(to)..to
    }

    fn add(&mut self, slot: &RecordSlot, records: u16) {
        self.free += if slot.is_free() { records } else { 0 };
        self.acquired += if slot.state == RecordState::Acquired { records } else { 0 };
    }

    fn remove(&mut self, slot: &RecordSlot) {
        self.free -= u16::from(slot.is_free());
        self.acquired -= u16::from(slot.state == RecordState::Acquired);
    }
}

/// Which slots a change is for. It passes over chunks that have none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Among {
    All,
    Free,
    Acquired,
}

impl Among {
    fn has_any(self, chunk: &Chunk) -> bool {
        match self {
            Self::All => true,
            Self::Free => chunk.free > 0,
            Self::Acquired => chunk.acquired > 0,
        }
    }

    fn has(self, slot: &RecordSlot) -> bool {
        match self {
            Self::All => true,
            Self::Free => slot.is_free(),
            Self::Acquired => slot.state == RecordState::Acquired,
        }
    }
}

/// The chunks of a window, ascending.
#[derive(Debug, Clone, Default)]
pub(super) struct Chunks {
    chunks: VecDeque<Chunk>,
    counts: WindowCounts,
    slots: usize,
}

impl Chunks {
    pub(super) fn counts(&self) -> WindowCounts {
        self.counts
    }

    /// How many slots there may be beside those that there are.
    pub(super) fn room(&self) -> usize {
        limit::SHARE_WINDOW_SLOTS_MAX.saturating_sub(self.slots)
    }

    /// The slots in a range of offsets.
    pub(super) fn slots(&self, range: RangeInclusive<i64>) -> impl DoubleEndedIterator<Item = (i64, &RecordSlot)> {
        let (first, last) = range.into_inner();
        self.chunks.range(self.within(first, last)).flat_map(move |chunk| {
            let places = chunk.places(first, last);
            let from = chunk.first + places.start as i64;
            chunk.slots[places].iter().enumerate().map(move |(at, slot)| (from + at as i64, slot))
        })
    }

    /// Shows some slots of a range of offsets to a function that may change them, until it has enough.
    pub(super) fn change(
        &mut self,
        range: RangeInclusive<i64>,
        among: Among,
        mut change: impl FnMut(i64, &mut RecordSlot) -> ControlFlow<()>,
    ) {
        let (first, last) = range.into_inner();
        let within = self.within(first, last);
        for chunk in self.chunks.range_mut(within).filter(|chunk| among.has_any(chunk)) {
            for at in chunk.places(first, last) {
                let before = chunk.slots[at];
                if !among.has(&before) {
                    continue;
                }
                let flow = change(chunk.first + at as i64, &mut chunk.slots[at]);
                let after = chunk.slots[at];
                if after != before {
                    chunk.remove(&before);
                    chunk.add(&after, 1);
                    self.counts.remove(&before);
                    self.counts.add(&after, 1);
                }
                if flow.is_break() {
                    return;
                }
            }
        }
    }

    /// Adds slots behind all others.
    pub(super) fn push(&mut self, first: i64, records: usize, slot: RecordSlot) {
        let end = self.chunks.back().map(Chunk::end);
        if let Some(end) = end.filter(|end| (1..=limit::SHARE_GAP_FILLED_MAX).contains(&(first - end)) && block(end - 1) == block(first)) {
            self.extend(end, (first - end) as usize, RecordSlot::GAP);
        }
        self.extend(first, records, slot);
    }

    fn extend(&mut self, mut first: i64, mut records: usize, slot: RecordSlot) {
        self.counts.add(&slot, records);
        self.slots += records;
        while records > 0 {
            let fitting = records.min((limit::SHARE_BLOCK_OFFSETS - first.rem_euclid(limit::SHARE_BLOCK_OFFSETS)) as usize);
            let is_further = self.chunks.back().is_none_or(|chunk| chunk.end() != first || block(chunk.first) != block(first));
            if is_further {
                self.chunks.push_back(Chunk { first, free: 0, acquired: 0, slots: Vec::with_capacity(fitting) });
            }
            if let Some(chunk) = self.chunks.back_mut() {
                chunk.slots.extend(repeat_n(slot, fitting));
                chunk.add(&slot, fitting as u16);
            }
            first += fitting as i64;
            records -= fitting;
        }
    }

    /// Drops chunks from the lowest on that are done from an offset on, and says which is the first offset that is not. All
    /// slots below the given offset have to be done.
    pub(super) fn drop_done(&mut self, start: i64) -> Option<i64> {
        while let Some(chunk) = self.chunks.front() {
            let from = ((start - chunk.first).max(0) as usize).min(chunk.slots.len());
            if let Some(at) = chunk.slots[from..].iter().position(|slot| !slot.state.is_terminal()) {
                return Some(chunk.first + (from + at) as i64);
            }
            self.slots -= chunk.slots.len();
            self.chunks.pop_front();
        }
        None
    }

    /// The lowest offset that may be delivered.
    pub(super) fn first_free(&self) -> Option<i64> {
        let chunk = self.chunks.iter().find(|chunk| chunk.free > 0)?;
        let at = chunk.slots.iter().position(RecordSlot::is_free)?;
        Some(chunk.first + at as i64)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let slots: usize = self.chunks.iter().map(|chunk| chunk.slots.capacity()).sum();
        slots * size_of::<RecordSlot>() + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// The chunks that a range of offsets touches.
    fn within(&self, first: i64, last: i64) -> Range<usize> {
        let from = self.chunks.partition_point(|chunk| chunk.end() <= first);
        // Most ranges lie within one chunk.
        let to = match self.chunks.get(from) {
            Some(chunk) if last < chunk.end() => from + usize::from(chunk.first <= last),
            _ => self.chunks.partition_point(|chunk| chunk.first <= last),
        };
        from.min(to)..to
    }
}

/// The number of an offset's block.
pub(super) fn block(offset: i64) -> i64 {
    offset.div_euclid(limit::SHARE_BLOCK_OFFSETS)
}
