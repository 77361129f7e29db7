//! The newest batches of a partition, in memory as they arrived: a subscriber that keeps up never touches the
//! disk. Bounded by bytes, per partition and over all of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream_protocol::record::RecordBatch;

/// Below this a batch is copied out of its frame, so that it does not hold on to a read buffer.
const DETACH_BYTES_MAX: usize = 16 * 1024;
// A larger one shares its frame only if it is all that the frame brought: see `api::produce`.
/// What a batch costs beside its bytes.
const OVERHEAD_BYTES: usize = 128;
/// Parts of one answer; more would make the list that the kernel walks long.
const BATCHES_PER_READ_MAX: usize = 512;

/// The bytes that all tails together hold.
#[derive(Debug)]
pub(crate) struct TailBudget {
    used_bytes: AtomicUsize,
    bytes_max: usize,
    partition_bytes_max: usize,
}

impl TailBudget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(TailBudget { used_bytes: AtomicUsize::new(0), bytes_max, partition_bytes_max: bytes_max / 4 })
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(crate) struct Tail {
    batches: VecDeque<RecordBatch>,
    bytes: usize,
    budget: Arc<TailBudget>,
}

impl Tail {
    pub(crate) fn new(budget: Arc<TailBudget>) -> Self {
        Tail { batches: VecDeque::new(), bytes: 0, budget }
    }

    /// Keeps the newest batch and lets go of the oldest beyond the bounds.
    pub(crate) fn push(&mut self, batch: RecordBatch) {
        let batch = if batch.total_bytes() < DETACH_BYTES_MAX { batch.detached() } else { batch };
        let cost = batch.total_bytes() + OVERHEAD_BYTES;
        self.batches.push_back(batch);
        self.bytes += cost;
        self.budget.used_bytes.fetch_add(cost, Ordering::Relaxed);
        while self.bytes > self.budget.partition_bytes_max || self.budget.used_bytes() > self.budget.bytes_max {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.release(oldest.total_bytes() + OVERHEAD_BYTES);
        }
    }

    /// Lets go of the batches below an offset: compaction has exchanged them.
    pub(crate) fn forget_before(&mut self, offset: i64) {
        while let Some(oldest) = self.batches.pop_front_if(|oldest| oldest.base_offset() < offset) {
            self.release(oldest.total_bytes() + OVERHEAD_BYTES);
        }
    }

    fn release(&mut self, cost: usize) {
        self.bytes -= cost;
        self.budget.used_bytes.fetch_sub(cost, Ordering::Relaxed);
    }

    /// Whole batches from the one that holds `offset` on, below `end`, up to `bytes_max` (the first one even if it
    /// is larger). `None` when the tail begins later.
    pub(crate) fn read(&self, offset: i64, end: i64, bytes_max: usize) -> Option<Vec<RecordBatch>> {
        if self.batches.front()?.base_offset() > offset {
            return None;
        }
        let from = self.batches.partition_point(|batch| batch.last_offset() < offset);
        let mut found = Vec::new();
        let mut bytes = 0;
        for batch in self.batches.range(from..).take(BATCHES_PER_READ_MAX) {
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
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
