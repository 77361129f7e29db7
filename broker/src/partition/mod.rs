//! A partition: the one owner of a log.
//!
//! * in: `check` judges a batch, `append` gives it its place and writes it, `durability` acknowledges it once it is where its writer wants it
//!   (`flush` has the threads that sync), `producers` and `transaction` know what goes on in it
//! * out: `tail` and `read` serve fetches, `waiting` wakes those that found too little
//! * `error` says why not
//! * upkeep: `open` and `closed` are its start and its stop, `facts` what its folder says beside the log, `retention` and `compact` make room
//!
//! Three positions move along the log: `end` (written), `durable` (synced) and the high watermark (readable).
//! A batch that asked for stable storage becomes readable when it is durable; any other one when it is written,
//! and then everything before it with it.

pub(crate) mod append;
pub(crate) mod check;
mod closed;
mod compact;
mod durability;
mod error;
mod facts;
pub(crate) mod flush;
mod open;
pub(crate) mod producers;
pub(crate) mod read;
mod retention;
pub(crate) mod tail;
#[cfg(test)]
mod testing;
mod transaction;
mod waiting;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::config::TopicSettings;
use crate::disk::Disk;
use crate::log::index::Aborted;
use crate::log::segment::Segment;
use crate::log::{Log, LogError};
use closed::Closed;
use durability::Durability;
use facts::Facts;
use flush::Flusher;
use producers::{Ended, Producers};
use tail::{Tail, TailBudget};
use waiting::Waiting;

#[derive(Debug)]
struct State {
    log: Log,
    producers: Producers,
    tail: Tail,
    facts: Facts,
    /// Transactions that were aborted, in the order of their markers.
    aborted: Vec<Aborted>,
    /// Transactions whose marker is written and not readable yet.
    ending: VecDeque<Ended>,
    /// A leader epoch began that is not saved yet: the next sync saves it. Until then the batches tell of it.
    are_facts_unsaved: bool,
    /// What a clean stop leaves is on disk already: nothing was appended since.
    is_closed_saved: bool,
    high_watermark: i64,
    durability: Durability,
    waiting: Waiting,
    /// Compaction is rewriting segments outside of the lock: none is removed meanwhile.
    is_compacting: bool,
    /// Nothing has been written since the last append that failed.
    is_refusing: bool,
    setback: compact::Setback,
}

pub(crate) use durability::Acknowledged;
pub(crate) use error::{AppendError, DeleteRecordsError, NotDurable, OffsetOutOfRange, RefusedRecord};

/// A partition.
#[derive(Debug)]
pub(crate) struct Partition {
    pub topic: String,
    pub index: i32,
    settings: RwLock<Arc<TopicSettings>>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    flusher: Arc<Flusher>,
    state: Mutex<State>,
    /// Held while facts are written, and taken before `state`.
    saving: Mutex<()>,
    is_failed: AtomicBool,
    is_deleted: AtomicBool,
    /// The server stops: what came now would be behind the mark that says all is closed.
    is_closed: AtomicBool,
    /// Copy of the high watermark that a waiting fetch may look at without the lock.
    readable: AtomicI64,
}

/// What all partitions of a process share.
#[derive(Debug)]
pub(crate) struct Env {
    pub disk: Arc<dyn Disk>,
    pub flusher: Arc<Flusher>,
    pub tail_budget: Arc<TailBudget>,
}

/// How the process starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessStart {
    pub now_ms: i64,
    /// The process before this one ended as it should: everything was synced.
    pub is_clean: bool,
}

/// The positions of a partition at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Positions {
    pub start_offset: i64,
    pub high_watermark: i64,
    /// Below it every transaction has ended.
    pub stable_offset: i64,
    pub end_offset: i64,
    pub leader_epoch: i32,
}

impl Partition {
    pub(crate) fn settings(&self) -> Arc<TopicSettings> {
        self.settings.read().clone()
    }

    pub(crate) fn set_settings(&self, settings: Arc<TopicSettings>) {
        *self.settings.write() = settings;
    }

    pub(crate) fn positions(&self) -> Positions {
        self.state.lock().positions()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.state.lock().log.bytes()
    }

    /// Whether compaction ends at a damaged segment.
    pub(crate) fn is_uncleanable(&self) -> bool {
        self.settings().is_compacted && self.state.lock().has_damage()
    }

    pub(crate) fn segment_count(&self) -> usize {
        self.state.lock().log.segments().count()
    }

    /// The largest epoch not above `epoch`, and one past its last offset.
    pub(crate) fn epoch_end(&self, epoch: i32) -> (i32, i64) {
        let state = self.state.lock();
        let epochs = &state.facts.epochs;
        let after = epochs.partition_point(|(known, _)| *known <= epoch);
        match after.checked_sub(1) {
            None => (-1, -1),
            Some(at) => (epochs[at].0, epochs.get(after).map_or(state.high_watermark, |(_, start)| *start)),
        }
    }

    /// Whether nothing is written any more: the disk failed, the topic is going away, or the server stops.
    fn is_over(&self) -> bool {
        [&self.is_failed, &self.is_deleted, &self.is_closed].into_iter().any(|is_over| is_over.load(Ordering::Acquire))
    }

    /// Stops appends for good: the topic is going away.
    pub(crate) fn mark_deleted(&self) {
        self.is_deleted.store(true, Ordering::Release);
        let mut state = self.state.lock();
        state.waiting.wake();
        state.durability.fail(NotDurable::BeingDeleted);
    }

    /// Syncs and leaves the log so that the next start has little to do.
    pub(crate) fn close(self: &Arc<Self>) -> Result<(), LogError> {
        {
            // Appends look at it under the same lock.
            let _state = self.state.lock();
            self.is_closed.store(true, Ordering::Release);
        }
        while !self.flush_unless_busy() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        if self.is_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        if self.state.lock().are_facts_unsaved {
            // Clients may have seen the epoch.
            self.save_facts(|_| {})?;
        }
        let mut state = self.state.lock();
        let aborted = state.aborted_from(state.log.active_base()).to_vec();
        state.log.close(&aborted)?;
        if state.is_closed_saved {
            return Ok(());
        }
        let (next_offset, first_append_ms) = (state.log.next_offset(), state.log.first_append_ms());
        let closed = Closed { next_offset, first_append_ms, producers: state.producers.clone() };
        let last_bytes = state.log.segments().next_back().map_or(0, Segment::bytes);
        closed.write(&*self.disk, &self.dir, last_bytes)
    }
}

impl State {
    fn positions(&self) -> Positions {
        self.check_invariants();
        Positions {
            start_offset: self.facts.start_offset,
            high_watermark: self.high_watermark,
            stable_offset: self.stable_offset(),
            end_offset: self.log.next_offset(),
            leader_epoch: self.leader_epoch(),
        }
    }

    /// What holds whenever somebody looks.
    fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            let (start, high, end) = (self.facts.start_offset, self.high_watermark, self.log.next_offset());
            let (stable, durable) = (self.stable_offset(), self.durability.durable_offset);
            assert!(start <= stable && stable <= high && high <= end, "start {start}, stable {stable}, high watermark {high}, end {end}");
            assert!(durable <= end, "durable {durable}, end {end}");
            assert!(self.producers.knows_all_that_are_open(), "a transaction is open whose producer is not known");
        }
    }

    fn leader_epoch(&self) -> i32 {
        self.facts.leader_epoch()
    }
}
