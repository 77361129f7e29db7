//! The newest batches of a partition, in memory as they arrived: a subscriber that keeps up never touches the
//! disk. Bounded by bytes over all partitions: beyond the bound the oldest batches of all of them go, whichever partition they
//! are in, so that partitions that are left alone do not keep the memory from those that are written to.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::limit;
use millstream_protocol::record::RecordBatch;
use parking_lot::Mutex;

// A larger one shares its frame only if it is all that the frame brought: see `api::produce`.
/// What a batch costs beside its bytes.
const OVERHEAD_BYTES: usize = 128;
/// An eviction makes room for this share of the bound at once, so that looking at all partitions is paid for seldom.
const EVICTED_SHARE: usize = 16;

/// The bytes that all tails together hold, and the way to the tails.
#[derive(Debug)]
pub(crate) struct TailBudget {
    used_bytes: AtomicUsize,
    bytes_max: usize,
    /// Rises with every batch: tells which of two batches is older, whatever their partitions.
    age: AtomicU64,
    /// Locked by an append that evicts. No tail is locked while this is waited for.
    tails: Mutex<Vec<Weak<Mutex<Batches>>>>,
}

impl TailBudget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(TailBudget { used_bytes: AtomicUsize::new(0), bytes_max, age: AtomicU64::new(0), tails: Mutex::default() })
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Lets go of the oldest batches of all tails until there is some room below the bound.
    fn evict(&self) {
        let wanted = self.bytes_max - self.bytes_max / EVICTED_SHARE;
        // The holder of the lock makes room for all.
        let Some(mut tails) = self.tails.try_lock() else { return };
        tails.retain(|tail| tail.strong_count() > 0);
        let living: Vec<_> = tails.iter().filter_map(Weak::upgrade).collect();
        let oldest = |place: usize| living[place].lock().oldest().map(|age| Reverse((age, place)));
        let mut by_age: BinaryHeap<_> = (0..living.len()).filter_map(oldest).collect();
        while self.used_bytes() > wanted
            && let Some(Reverse((_, place))) = by_age.pop()
        {
            let until = by_age.peek().map_or(u64::MAX, |Reverse((age, _))| *age);
            let mut tail = living[place].lock();
            while self.used_bytes() > wanted && tail.oldest().is_some_and(|age| age <= until) {
                tail.pop(self);
            }
            by_age.extend(tail.oldest().map(|age| Reverse((age, place))));
        }
    }
}

/// Batches of one partition with their ages, oldest first.
#[derive(Debug, Default)]
struct Batches(VecDeque<(u64, RecordBatch)>);

impl Batches {
    fn oldest(&self) -> Option<u64> {
        self.0.front().map(|(age, _)| *age)
    }

    fn pop(&mut self, budget: &TailBudget) {
        if let Some((_, batch)) = self.0.pop_front() {
            budget.used_bytes.fetch_sub(cost(&batch), Ordering::Relaxed);
        }
    }
}

fn cost(batch: &RecordBatch) -> usize {
    batch.total_bytes() + OVERHEAD_BYTES
}

/// The tail of one partition. Its batches have a lock of their own, which is held for moments and under which nothing else is
/// locked: an eviction reaches them without the partition's.
#[derive(Debug)]
pub(crate) struct Tail {
    batches: Arc<Mutex<Batches>>,
    budget: Arc<TailBudget>,
    is_known: bool,
}

impl Tail {
    pub(crate) fn new(budget: Arc<TailBudget>) -> Self {
        Tail { batches: Arc::default(), budget, is_known: false }
    }

    /// Keeps the newest batch; when there is too much, the oldest batches of all partitions go.
    pub(crate) fn push(&mut self, batch: RecordBatch) {
        if !std::mem::replace(&mut self.is_known, true) {
            self.budget.tails.lock().push(Arc::downgrade(&self.batches));
        }
        let batch = if batch.total_bytes() < limit::DETACH_BYTES_MAX { batch.detached() } else { batch };
        let cost = cost(&batch);
        let age = self.budget.age.fetch_add(1, Ordering::Relaxed);
        self.batches.lock().0.push_back((age, batch));
        let used = self.budget.used_bytes.fetch_add(cost, Ordering::Relaxed) + cost;
        if used > self.budget.bytes_max {
            self.budget.evict();
        }
    }

    /// Lets go of the batches below an offset: compaction has exchanged them.
    pub(crate) fn forget_before(&mut self, offset: i64) {
        let mut batches = self.batches.lock();
        while batches.0.front().is_some_and(|(_, oldest)| oldest.base_offset() < offset) {
            batches.pop(&self.budget);
        }
    }

    /// Whole batches from the one that holds `offset` on, below `end`, up to `bytes_max` (the first one even if it
    /// is larger). `None` when the tail begins later.
    pub(crate) fn read(&self, offset: i64, end: i64, bytes_max: usize) -> Option<Vec<RecordBatch>> {
        let batches = self.batches.lock();
        if batches.0.front()?.1.base_offset() > offset {
            return None;
        }
        let from = batches.0.partition_point(|(_, batch)| batch.last_offset() < offset);
        let mut found = Vec::new();
        let mut bytes = 0;
        for (_, batch) in batches.0.range(from..).take(limit::BATCHES_PER_READ_MAX) {
            if batch.base_offset() >= end || (!found.is_empty() && bytes + batch.total_bytes() > bytes_max) {
                break;
            }
            bytes += batch.total_bytes();
            found.push(batch.clone());
        }
        Some(found)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let mut batches = self.batches.lock();
        while batches.oldest().is_some() {
            batches.pop(&self.budget);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::testing;

    fn batch(offset: i64, bytes: usize) -> RecordBatch {
        testing::batch("k", &vec![b'x'; bytes], 0, None).stamped(offset, 0)
    }

    fn has(tail: &Tail, offset: i64) -> bool {
        tail.read(offset, i64::MAX, 1).is_some_and(|batches| !batches.is_empty())
    }

    /// However full of idle partitions the memory is, what is written now is in it.
    #[test]
    fn idle_partitions_do_not_keep_the_memory_from_those_in_use() {
        let budget = TailBudget::new(100_000);
        let mut idle: Vec<Tail> = (0..6).map(|_| Tail::new(budget.clone())).collect();
        for offset in 0..5 {
            idle.iter_mut().for_each(|tail| tail.push(batch(offset, 9_000)));
        }
        let mut busy = Tail::new(budget.clone());
        for offset in 0..1000 {
            busy.push(batch(offset, 9_000));
            assert!(has(&busy, offset), "{offset}");
            assert!(budget.used_bytes() <= 100_000);
        }
        assert!(idle.iter().all(|tail| !has(tail, 4)), "the oldest of all went first");
        drop((idle, busy));
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn the_oldest_go_first_whichever_partition_they_are_in() {
        let budget = TailBudget::new(64_000);
        let (mut one, mut two) = (Tail::new(budget.clone()), Tail::new(budget.clone()));
        for offset in 0..12 {
            if offset % 3 == 0 { &mut one } else { &mut two }.push(batch(offset, 5_000));
        }
        one.push(batch(12, 5_000));
        let left: Vec<i64> = (0..13).filter(|offset| has(if offset % 3 == 0 { &one } else { &two }, *offset)).collect();
        assert_eq!(left, (left[0]..13).collect::<Vec<_>>());
        assert!(left.len() > 9, "{left:?}");
        one.forget_before(12);
        assert!(has(&one, 12) && !has(&one, 9));
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let budget = TailBudget::new(0);
        let mut tail = Tail::new(budget.clone());
        tail.push(batch(0, 10));
        assert!(!has(&tail, 0));
        assert_eq!(budget.used_bytes(), 0);
    }
}
