//! From written to durable and readable: acknowledgements wait here for the sync that covers them, and one sync releases all that was written
//! before it. `flush` has the threads that call it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::error::NotDurable;
use super::{Partition, State};
use crate::config::TopicSettings;
use crate::log::LogError;
use crate::log::index_file::IndexFile;

/// Resolves when something is where its writer wants it; `None` when it is already.
pub(crate) type Acknowledged = Option<oneshot::Receiver<Result<(), NotDurable>>>;

/// How far a partition is on stable storage, and the appends that wait for more.
#[derive(Debug, Default)]
pub(super) struct Durability {
    /// Everything below it is durable.
    pub(super) durable_offset: i64,
    /// The last offsets of batches whose writers wait, in order.
    pub(super) pending: VecDeque<(i64, oneshot::Sender<Result<(), NotDurable>>)>,
    pub(super) unflushed_records: i64,
    pub(super) unflushed_since_ms: Option<i64>,
    is_flush_queued: bool,
    /// Indexes of segments that recovery made durable.
    pub(super) to_index: Vec<IndexFile>,
    /// A sync is under way outside of the lock. Until it is over nobody else may call anything durable: a second sync could return before
    /// it, or swallow its error.
    pub(super) is_flushing: bool,
}

impl Durability {
    /// Of a log that is durable up to its end.
    pub(super) fn of(durable_offset: i64, to_index: Vec<IndexFile>) -> Self {
        Durability { durable_offset, to_index, ..Durability::default() }
    }

    /// Refuses all appends that wait.
    pub(super) fn fail(&mut self, why: NotDurable) {
        for (_, sender) in self.pending.drain(..) {
            // The producer may have hung up.
            let _ = sender.send(Err(why));
        }
    }
}

impl Partition {
    /// Makes what was written readable, or lets it wait for the next sync.
    pub(super) fn acknowledge(
        self: &Arc<Self>,
        state: &mut State,
        last_offset: i64,
        wants_sync: bool,
        settings: &TopicSettings,
    ) -> Acknowledged {
        if wants_sync {
            return self.await_sync(state, last_offset);
        }
        let end = state.log.next_offset();
        self.publish(state, end);
        if state.durability.unflushed_records >= settings.flush_messages && settings.flush_messages > 1 {
            self.queue_flush(state);
        }
        None
    }

    pub(super) fn await_sync(self: &Arc<Self>, state: &mut State, last_offset: i64) -> Acknowledged {
        if last_offset < state.durability.durable_offset {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        if self.is_failed.load(Ordering::Acquire) {
            // No sync will come.
            let _ = sender.send(Err(NotDurable::DiskFailed));
            return Some(receiver);
        }
        let pending = &mut state.durability.pending;
        // Mostly the last.
        let place = pending.partition_point(|(other, _)| *other <= last_offset);
        pending.insert(place, (last_offset, sender));
        self.queue_flush(state);
        Some(receiver)
    }

    /// Resolves when everything written until now is where its writers want it; `None` when it is already.
    pub(crate) fn settled(self: &Arc<Self>) -> Acknowledged {
        let mut state = self.state.lock();
        let end = state.log.next_offset();
        if !self.settings().is_synced_before_ack() || end <= state.high_watermark {
            return None;
        }
        self.await_sync(&mut state, end - 1)
    }

    /// Resolves when everything below an offset is on stable storage, whatever its writers asked for; `None` when it is already, or where
    /// no acknowledgement waits for that.
    pub(crate) fn durable_below(self: &Arc<Self>, offset: i64) -> Acknowledged {
        let mut state = self.state.lock();
        let last_offset = offset.min(state.log.next_offset()) - 1;
        if self.settings().is_synced_before_ack() { self.await_sync(&mut state, last_offset) } else { None }
    }

    /// Nothing is written or acknowledged from here on if the disk failed: it may hold something else than memory says, and a
    /// failed sync is never retried. A disk that is full has not failed.
    pub(super) fn stop_if_failed(&self, state: &mut State, error: &LogError) {
        // Of a topic that is being deleted the files go away while they are used.
        if !matches!(error, LogError::Io { .. }) || self.is_deleted.load(Ordering::Acquire) {
            return;
        }
        self.is_failed.store(true, Ordering::Release);
        // The process ends before any client learns of it.
        self.flusher.report_failure(format!("{}-{}: {error}", self.topic, self.index));
        state.durability.fail(NotDurable::DiskFailed);
    }

    pub(super) fn queue_flush(self: &Arc<Self>, state: &mut State) {
        // A sync that is under way queues the next one when it is over.
        if !state.durability.is_flush_queued && !state.durability.is_flushing {
            state.durability.is_flush_queued = true;
            self.flusher.queue(self.clone());
        }
    }

    /// Makes everything below `end` readable and wakes the fetches that wait for it.
    pub(super) fn publish(&self, state: &mut State, end: i64) {
        if end > state.high_watermark {
            state.high_watermark = end;
            self.readable.store(end, Ordering::Release);
            while state.ending.front().is_some_and(|ended| ended.marker_offset < end) {
                state.ending.pop_front();
            }
            state.waiting.wake();
        }
    }

    pub(super) fn advance_durable(&self, state: &mut State, durable_offset: i64) {
        state.durability.durable_offset = state.durability.durable_offset.max(durable_offset);
        if durable_offset == state.log.next_offset() {
            state.durability.unflushed_records = 0;
            state.durability.unflushed_since_ms = None;
        }
        self.publish(state, state.durability.durable_offset);
        while let Some((last_offset, _)) = state.durability.pending.front() {
            if *last_offset >= state.durability.durable_offset {
                break;
            }
            if let Some((_, sender)) = state.durability.pending.pop_front() {
                // The producer may have hung up.
                let _ = sender.send(Ok(()));
            }
        }
    }

    /// One group commit: syncs what is written now, then releases everything that it covers. Called by the flusher.
    pub(crate) fn flush(self: &Arc<Self>) {
        self.flush_unless_busy();
    }

    /// Says whether it did: a sync that is under way is waited for by nobody here.
    pub(super) fn flush_unless_busy(self: &Arc<Self>) -> bool {
        let (unsynced, end, are_facts_unsaved, to_index) = {
            let mut state = self.state.lock();
            state.durability.is_flush_queued = false;
            if state.durability.is_flushing {
                return false;
            }
            if self.is_failed.load(Ordering::Acquire) || self.is_deleted.load(Ordering::Acquire) {
                return true;
            }
            state.durability.is_flushing = true;
            let to_index = std::mem::take(&mut state.durability.to_index);
            (state.log.take_unsynced(), state.log.next_offset(), state.are_facts_unsaved, to_index)
        };
        // Before any index: a segment that has one is not searched for the epochs of its batches any more.
        let saved = if are_facts_unsaved { self.save_facts(|_| {}) } else { Ok(()) };
        let synced = match saved {
            Err(error @ LogError::NoRoom { .. }) => {
                tracing::warn!("{error}; the next sync will try again");
                unsynced.sync(&*self.disk, false)
            }
            Err(error) => Err(error),
            Ok(()) => unsynced.sync(&*self.disk, true).and_then(|()| self.store_indexes(&to_index)),
        };
        let mut state = self.state.lock();
        state.durability.is_flushing = false;
        match synced {
            // Its folder went away meanwhile, and nobody waits any more.
            Err(_) if self.is_deleted.load(Ordering::Acquire) => {}
            Err(error) => self.stop_if_failed(&mut state, &error),
            // A write may have failed meanwhile.
            Ok(()) if self.is_failed.load(Ordering::Acquire) => {}
            Ok(()) => {
                self.advance_durable(&mut state, end);
                if !state.durability.pending.is_empty() || state.log.has_sealing() {
                    self.queue_flush(&mut state);
                }
            }
        }
        true
    }

    /// Syncs what has waited for longer than `flush.ms`.
    pub(crate) fn flush_overdue(self: &Arc<Self>, now_ms: i64) {
        let flush_ms = self.settings().flush_ms;
        let mut state = self.state.lock();
        if state.durability.unflushed_since_ms.is_some_and(|since| now_ms.saturating_sub(since) >= flush_ms) {
            self.queue_flush(&mut state);
        }
    }
}
