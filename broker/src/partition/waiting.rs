//! Fetches that found less than they want: the next readable batch wakes them, once.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use super::Partition;

/// The fetches that wait in one partition.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By the address of what wakes them: a fetch that waits again is found without a search. A fetch waits in many partitions, and
    /// none of them keeps it: most are idle, and would keep it for ever.
    fetches: HashMap<usize, Weak<Notify>>,
    /// With this many, those whose fetch is over are let go of.
    swept_at: usize,
}

/// A sweep is not worth it for fewer.
const FEW: usize = 16;

impl Waiting {
    fn add(&mut self, fetch: &Arc<Notify>) {
        self.fetches.insert(Arc::as_ptr(fetch).addr(), Arc::downgrade(fetch));
        if self.fetches.len() > self.swept_at.max(FEW) {
            self.fetches.retain(|_, fetch| fetch.strong_count() > 0);
            self.swept_at = 2 * self.fetches.len();
        }
    }

    /// Wakes all of them.
    pub(super) fn wake(&mut self) {
        self.fetches.drain().filter_map(|(_, fetch)| fetch.upgrade()).for_each(|fetch| fetch.notify_one());
    }
}

impl Partition {
    /// Registers a fetch to be woken by the next readable batch, or when the topic goes away.
    pub(crate) fn wait(&self, fetch: &Arc<Notify>) {
        self.state.lock().waiting.add(fetch);
    }

    /// Whether a fetch that saw this much has something new to look at.
    pub(crate) fn has_changed_since(&self, high_watermark: i64) -> bool {
        self.readable.load(Ordering::Acquire) > high_watermark || self.is_deleted.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_that_are_over_are_let_go_of() {
        let (mut waiting, mut other) = (Waiting::default(), Waiting::default());
        let staying: Vec<_> = (0..10).map(|_| Arc::new(Notify::new())).collect();
        for _ in 0..1000 {
            staying.iter().for_each(|fetch| waiting.add(fetch));
            let ending = Arc::new(Notify::new());
            waiting.add(&ending);
            other.add(&ending);
        }
        assert!(waiting.fetches.len() <= 2 * (staying.len() + 1).max(FEW), "{}", waiting.fetches.len());
        assert!(other.fetches.len() <= 2 * FEW, "{}", other.fetches.len());
        waiting.wake();
        assert!(waiting.fetches.is_empty());
    }
}
