//! A share partition: a window over a partition's log, behind a lock, and the fetches that wait for its records.
//!
//! Locks of members end by time. Nobody watches the clock for that: each call begins with what is due, and the broker looks once in a
//! while at those that nobody calls.

use std::ops::RangeInclusive;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::place::SharePlace;
use super::window::{
    AcknowledgeError, AcknowledgeRange, AcquireMode, Acquisition, DeadLetter, Readable, ShareLimits, ShareWindow, WindowChange,
    WindowChanges, WindowCounts,
};
use crate::partition::Partition;

#[derive(Debug)]
pub(crate) struct SharePartition {
    pub place: SharePlace,
    /// What it reads.
    pub log: Arc<Partition>,
    state: Mutex<ShareState>,
}

#[derive(Debug)]
struct ShareState {
    window: ShareWindow,
    /// Fetches that found nothing to acquire.
    waiting: Vec<Weak<Notify>>,
    /// A fetch found the window full: what is done makes room.
    is_blocked: bool,
    /// It was deleted, and nothing of it is kept any more.
    is_gone: bool,
}

impl ShareState {
    fn wake(&mut self) {
        self.waiting.drain(..).filter_map(|fetch| fetch.upgrade()).for_each(|fetch| fetch.notify_one());
    }

    fn note(&mut self, change: &WindowChange) {
        let makes_room = change.is_dirty && std::mem::take(&mut self.is_blocked);
        if change.has_available || makes_room {
            self.wake();
        }
    }

    /// Ends locks and delays, and follows the start of the log.
    fn catch_up(&mut self, log_start: i64, limits: &ShareLimits, now_ms: i64) {
        if log_start > self.window.start() {
            let change = self.window.start_at(log_start);
            self.note(&change);
        }
        if self.window.next_wake_ms().is_some_and(|wake_ms| wake_ms <= now_ms) {
            let change = self.window.expire(limits, now_ms);
            self.note(&change);
        }
    }
}

impl SharePartition {
    pub(crate) fn new(place: SharePlace, log: Arc<Partition>, window: ShareWindow) -> Arc<Self> {
        Arc::new(SharePartition {
            place,
            log,
            state: Mutex::new(ShareState { window, waiting: Vec::new(), is_blocked: false, is_gone: false }),
        })
    }

    /// Does what is due, and says whether something has to be kept.
    pub(crate) fn catch_up(&self, limits: &ShareLimits, now_ms: i64) -> bool {
        let log_start = self.log.positions().start_offset;
        let mut state = self.state.lock();
        state.catch_up(log_start, limits, now_ms);
        state.window.is_dirty()
    }

    /// Where a read for new deliveries begins.
    pub(crate) fn next_offset(&self, limits: &ShareLimits, now_ms: i64) -> i64 {
        let log_start = self.log.positions().start_offset;
        let mut state = self.state.lock();
        state.catch_up(log_start, limits, now_ms);
        state.window.next_offset(now_ms)
    }

    /// When something becomes available by itself.
    pub(crate) fn next_wake_ms(&self) -> Option<i64> {
        self.state.lock().window.next_wake_ms()
    }

    pub(crate) fn acquire(
        &self,
        owner: u32,
        readable: &Readable<'_>,
        (mode, records_max): (AcquireMode, usize),
        limits: &ShareLimits,
        now_ms: i64,
    ) -> Acquisition {
        let mut state = self.state.lock();
        let acquisition = state.window.acquire(owner, readable, mode, records_max, limits, now_ms);
        state.note(&acquisition.change);
        state.is_blocked |= acquisition.is_full && acquisition.acquired.is_empty();
        acquisition
    }

    pub(crate) fn acknowledge(
        &self,
        owner: u32,
        ranges: &[AcknowledgeRange<'_>],
        limits: &ShareLimits,
        now_ms: i64,
    ) -> Result<WindowChange, AcknowledgeError> {
        let log_start = self.log.positions().start_offset;
        let mut state = self.state.lock();
        state.catch_up(log_start, limits, now_ms);
        let change = state.window.acknowledge(owner, ranges, limits, now_ms)?;
        state.note(&change);
        Ok(change)
    }

    /// Ends all locks of a session. Says whether something has to be kept.
    pub(crate) fn release(&self, owner: u32, limits: &ShareLimits) -> bool {
        let mut state = self.state.lock();
        let change = state.window.release_owner(owner, limits);
        state.note(&change);
        change.is_dirty
    }

    /// What waits for dead letters.
    pub(super) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.state.lock().window.dead_letters()
    }

    pub(super) fn has_dead_letters(&self) -> bool {
        self.state.lock().window.counts().archiving > 0
    }

    /// The dead letters of a range are durable.
    pub(super) fn archived(&self, range: RangeInclusive<i64>) {
        let mut state = self.state.lock();
        let change = state.window.archived(range);
        state.note(&change);
    }

    /// Begins anew at an offset.
    pub(crate) fn reset(&self, offset: i64) {
        let mut state = self.state.lock();
        let change = state.window.reset(offset);
        state.note(&change);
    }

    /// Start offset, and what lies in the window.
    pub(crate) fn describe(&self) -> (i64, i64, WindowCounts) {
        let state = self.state.lock();
        (state.window.start(), state.window.end(), state.window.counts())
    }

    /// Wakes a fetch when there may be something to acquire again.
    pub(crate) fn wait(&self, fetch: &Arc<Notify>) {
        let mut state = self.state.lock();
        state.waiting.retain(|waiting| waiting.strong_count() > 0 && !std::ptr::eq(waiting.as_ptr(), Arc::as_ptr(fetch)));
        state.waiting.push(Arc::downgrade(fetch));
    }

    /// What has to be kept since the last call; nothing of one that is gone.
    pub(super) fn take_dirty(&self, wall_minus_now_ms: i64) -> WindowChanges {
        let mut state = self.state.lock();
        if state.is_gone { WindowChanges::default() } else { state.window.take_dirty(wall_minus_now_ms) }
    }

    /// Nothing of it is kept from here on: the blocks that the journal may have.
    pub(super) fn end(&self) -> Vec<i64> {
        let mut state = self.state.lock();
        state.is_gone = true;
        state.wake();
        state.window.reset(0);
        state.window.take_dirty(0).blocks.into_iter().map(|change| change.block).collect()
    }
}
