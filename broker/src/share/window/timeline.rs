//! When something happens to slots without a request: locks end, and delayed records become available. One entry stands for a
//! range of offsets, and nothing takes it back: it is true of those of its slots that still have its time. A renewal or an
//! early acknowledgement leaves it behind as stale. It goes when it is the earliest, or when stale ones may be the most.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::chunk::Chunks;
use super::slot::RecordState;
use crate::limit;

/// A time that slots of a range have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RangeTime {
    pub time_ms: i64,
    pub first: i64,
    pub last: i64,
}

/// The times of all slots in one state.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    state: RecordState,
    times: BinaryHeap<Reverse<RangeTime>>,
    /// How many were true when all were looked at.
    true_once: usize,
}

impl Timeline {
    pub(super) fn new(state: RecordState) -> Self {
        Self { state, times: BinaryHeap::new(), true_once: 0 }
    }

    pub(super) fn push(&mut self, time_ms: i64, first: i64, last: i64) {
        self.times.push(Reverse(RangeTime { time_ms, first, last }));
    }

    /// The earliest time that a slot has.
    pub(super) fn next(&mut self, chunks: &Chunks) -> Option<i64> {
        while let Some(mut earliest) = self.times.peek_mut() {
            // Looked at again, it begins with a slot that has its time.
            match first_true(self.state, chunks, &earliest.0) {
                Some(first) if first == earliest.0.first => return Some(earliest.0.time_ms),
                Some(first) => earliest.0.first = first,
                None => drop(PeekMut::pop(earliest)),
            }
        }
        None
    }

    /// Takes a range out whose time has come. Not all of its slots have to have that time.
    pub(super) fn pop_due(&mut self, now_ms: i64) -> Option<RangeTime> {
        let earliest = self.times.peek_mut()?;
        (earliest.0.time_ms <= now_ms).then(|| PeekMut::pop(earliest).0)
    }

    /// Drops what is stale, if that may be the most: entries are never many more than twice the ranges. `timed` says how many
    /// slots have a time. Each pass halves the entries or follows as many new ones as it kept, so an entry costs little.
    pub(super) fn sweep(&mut self, chunks: &Chunks, timed: usize) {
        if self.times.len() <= limit::SHARE_TIMES_SWEPT_MIN + 2 * self.true_once.min(timed) {
            return;
        }
        let mut times = std::mem::take(&mut self.times).into_vec();
        times.sort_unstable_by_key(|time| time.0);
        let mut kept: Vec<Reverse<RangeTime>> = Vec::new();
        for Reverse(time) in times {
            match kept.last_mut() {
                Some(Reverse(before)) if before.time_ms == time.time_ms && time.first <= before.last.saturating_add(1) => {
                    before.last = before.last.max(time.last);
                }
                _ => kept.push(Reverse(time)),
            }
        }
        kept.retain_mut(|time| trim(self.state, chunks, &mut time.0));
        kept.shrink_to_fit();
        self.true_once = kept.len();
        self.times = BinaryHeap::from(kept);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.times.capacity() * size_of::<RangeTime>()
    }
}

fn first_true(state: RecordState, chunks: &Chunks, time: &RangeTime) -> Option<i64> {
    let mut slots = chunks.slots(time.first..=time.last);
    slots.find(|(_, slot)| slot.state == state && slot.time_ms == time.time_ms).map(|(offset, _)| offset)
}

/// Takes slots without the time off both ends, so that no later pass walks over them. False if there is none with it.
fn trim(state: RecordState, chunks: &Chunks, time: &mut RangeTime) -> bool {
    let Some(first) = first_true(state, chunks, time) else { return false };
    let mut slots = chunks.slots(first..=time.last).rev();
    let last = slots.find(|(_, slot)| slot.state == state && slot.time_ms == time.time_ms);
    (time.first, time.last) = (first, last.map_or(first, |(offset, _)| offset));
    true
}
