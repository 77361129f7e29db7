//! A partition: the one owner of a log. Appends go through its lock, acknowledgements wait here for the durable
//! position, parked fetches are woken here.
//!
//! Three positions move along the log: `end` (written), `durable` (synced) and the high watermark (readable).
//! A batch that asked for stable storage becomes readable when it is durable; any other one when it is written,
//! and then everything before it with it.

pub(crate) mod check;
mod closed;
mod compact;
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

use millstream_protocol::ErrorCode;
use millstream_protocol::record::RecordBatch;
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use crate::config::TopicSettings;
use crate::disk::Disk;
use crate::durable;
use crate::log::index::Aborted;
use crate::log::recovery::BatchFacts;
use crate::log::segment::Segment;
use crate::log::sync::IndexToStore;
use crate::log::{Log, LogError};
use check::Refusal;
use closed::Closed;
use facts::Facts;
use flush::Flusher;
use producers::{Ended, Producers, Verdict};
use tail::Tail;
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
    durable_offset: i64,
    high_watermark: i64,
    pending: VecDeque<(i64, oneshot::Sender<Result<(), ErrorCode>>)>,
    waiting: Waiting,
    unflushed_records: i64,
    unflushed_since_ms: Option<i64>,
    is_flush_queued: bool,
    /// Indexes of segments that recovery made durable.
    to_index: Vec<IndexToStore>,
    /// A sync is under way outside of the lock. Until it is over nobody else may call anything durable: a second sync
    /// could return before it, or swallow its error.
    is_flushing: bool,
    /// Compaction is rewriting segments outside of the lock: none is removed meanwhile.
    is_compacting: bool,
    /// Nothing has been written since the last append that failed.
    is_refusing: bool,
    setback: compact::Setback,
}

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

/// Resolves when something is where its writer wants it; `None` when it is already.
pub(crate) type Acknowledged = Option<oneshot::Receiver<Result<(), ErrorCode>>>;

/// What an append came to.
#[derive(Debug)]
pub(crate) struct AppendOutcome {
    pub base_offset: i64,
    pub log_append_time_ms: i64,
    pub start_offset: i64,
    /// Resolves when the batch is where the producer wants it; `None` when it is already.
    pub acknowledged: Acknowledged,
}

/// How the process starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
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

    /// Appends a batch that passed its checks. `is_verified` says that the coordinator of its transaction knows of it.
    pub(crate) fn append(
        self: &Arc<Self>,
        batch: RecordBatch,
        acks: i16,
        now_ms: i64,
        is_verified: bool,
    ) -> Result<AppendOutcome, Refusal> {
        let settings = self.settings();
        let mut state = self.state.lock();
        self.check_writable()?;
        let refused = |code, sentence| Err(Refusal::new(code, sentence));
        let (base_offset, last_offset, append_time) = match state.producers.check(&batch, is_verified) {
            Verdict::Fenced => {
                return refused(ErrorCode::INVALID_PRODUCER_EPOCH, "the producer's epoch is older than the newest one seen");
            }
            Verdict::OutOfOrder => {
                return refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "the sequence number does not follow the last one");
            }
            Verdict::Unverified => return refused(ErrorCode::INVALID_TXN_STATE, "the partition was not added to the transaction"),
            Verdict::NotTransactional => {
                return refused(ErrorCode::INVALID_TXN_STATE, "the producer has a transaction open, and the batch is not part of it");
            }
            Verdict::Duplicate(appended) => (appended.base_offset, appended.last_offset, appended.timestamp),
            Verdict::New => self.place(&mut state, batch, now_ms, &settings)?,
        };
        let wants_sync = acks == -1 && settings.is_synced_before_ack();
        let acknowledged = self.acknowledge(&mut state, last_offset, wants_sync, &settings);
        Ok(AppendOutcome { base_offset, log_append_time_ms: append_time, start_offset: state.facts.start_offset, acknowledged })
    }

    /// Whether nothing is written any more: the disk failed, the topic is going away, or the server stops.
    fn is_over(&self) -> bool {
        [&self.is_failed, &self.is_deleted, &self.is_closed].into_iter().any(|is_over| is_over.load(Ordering::Acquire))
    }

    fn check_writable(&self) -> Result<(), Refusal> {
        if self.is_failed.load(Ordering::Acquire) {
            return Err(Refusal::new(ErrorCode::KAFKA_STORAGE_ERROR, "the partition's disk failed; see the server's log"));
        }
        if self.is_deleted.load(Ordering::Acquire) {
            return Err(Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "the topic is being deleted"));
        }
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Refusal::new(ErrorCode::KAFKA_STORAGE_ERROR, "the server is stopping"));
        }
        Ok(())
    }

    /// Gives a batch its place and writes it: its first and last offset, and its time if that is the broker's.
    fn place(
        self: &Arc<Self>,
        state: &mut State,
        batch: RecordBatch,
        now_ms: i64,
        settings: &TopicSettings,
    ) -> Result<(i64, i64, i64), Refusal> {
        if batch.total_bytes() as u64 > settings.log.segment_bytes {
            return Err(Refusal::new(ErrorCode::RECORD_LIST_TOO_LARGE, "the batch is larger than a segment"));
        }
        let batch = batch.stamped(state.log.next_offset(), state.leader_epoch());
        if let Err(error) = self.write(state, &batch, now_ms, settings) {
            return Err(self.refuse_write(state, &error));
        }
        state.is_refusing = false;
        let time = if batch.has_log_append_time() { batch.max_timestamp() } else { -1 };
        let (base, last) = (batch.base_offset(), batch.last_offset());
        if let Some(ended) = state.producers.record(&BatchFacts::from(&batch), now_ms) {
            state.aborted.extend(ended.aborted);
            state.ending.push_back(ended);
        }
        state.tail.push(batch);
        Ok((base, last, time))
    }

    /// Makes what was written readable, or lets it wait for the next sync.
    fn acknowledge(self: &Arc<Self>, state: &mut State, last_offset: i64, wants_sync: bool, settings: &TopicSettings) -> Acknowledged {
        if wants_sync {
            return self.await_sync(state, last_offset);
        }
        let end = state.log.next_offset();
        self.publish(state, end);
        if state.unflushed_records >= settings.flush_messages && settings.flush_messages > 1 {
            self.queue_flush(state);
        }
        None
    }

    fn await_sync(self: &Arc<Self>, state: &mut State, last_offset: i64) -> Acknowledged {
        if last_offset < state.durable_offset {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        if self.is_failed.load(Ordering::Acquire) {
            // No sync will come.
            let _ = sender.send(Err(ErrorCode::KAFKA_STORAGE_ERROR));
            return Some(receiver);
        }
        state.pending.push_back((last_offset, sender));
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

    fn write(self: &Arc<Self>, state: &mut State, batch: &RecordBatch, now_ms: i64, settings: &TopicSettings) -> Result<(), LogError> {
        if state.log.is_roll_due(batch.total_bytes(), now_ms, &settings.log) {
            self.roll(state)?;
        }
        state.is_closed_saved = false;
        state.log.append(batch, now_ms, &settings.log)?;
        state.unflushed_records += i64::from(batch.record_count());
        state.unflushed_since_ms.get_or_insert(now_ms);
        Ok(())
    }

    /// Ends the active segment. Whoever asked for stable storage waits for the sync that seals it; nobody else does.
    fn roll(self: &Arc<Self>, state: &mut State) -> Result<(), LogError> {
        // Also when there are none: without it the next start would look for them in all segments.
        let aborted = state.aborted_from(state.log.active_base()).to_vec();
        state.log.roll(durable::encode(Producers::VERSION, &state.producers), aborted)?;
        self.queue_flush(state);
        Ok(())
    }

    fn refuse_write(&self, state: &mut State, error: &LogError) -> Refusal {
        // Once: clients try again many times a second, for as long as there is no room.
        if !std::mem::replace(&mut state.is_refusing, true) {
            tracing::error!(topic = self.topic, partition = self.index, "append failed: {error}; said again only after one that succeeds");
        }
        self.stop_if_failed(state, error);
        Refusal::new(ErrorCode::KAFKA_STORAGE_ERROR, error.to_string())
    }

    /// Nothing is written or acknowledged from here on if the disk failed: it may hold something else than memory says, and a
    /// failed sync is never retried. A disk that is full has not failed.
    fn stop_if_failed(&self, state: &mut State, error: &LogError) {
        // Of a topic that is being deleted the files go away while they are used.
        if !matches!(error, LogError::Io { .. }) || self.is_deleted.load(Ordering::Acquire) {
            return;
        }
        self.is_failed.store(true, Ordering::Release);
        // Whoever runs the broker learns it before any client does.
        self.flusher.report_failure(format!("{}-{}: {error}", self.topic, self.index));
        for (_, sender) in state.pending.drain(..) {
            let _ = sender.send(Err(ErrorCode::KAFKA_STORAGE_ERROR));
        }
    }

    fn queue_flush(self: &Arc<Self>, state: &mut State) {
        // A sync that is under way queues the next one when it is over.
        if !state.is_flush_queued && !state.is_flushing {
            state.is_flush_queued = true;
            self.flusher.queue(self.clone());
        }
    }

    /// Makes everything below `end` readable and wakes who waits for it.
    fn publish(&self, state: &mut State, end: i64) {
        if end > state.high_watermark {
            state.high_watermark = end;
            self.readable.store(end, Ordering::Release);
            while state.ending.front().is_some_and(|ended| ended.marker_offset < end) {
                state.ending.pop_front();
            }
            state.waiting.wake();
        }
    }

    fn advance_durable(&self, state: &mut State, durable_offset: i64) {
        state.durable_offset = state.durable_offset.max(durable_offset);
        if durable_offset == state.log.next_offset() {
            state.unflushed_records = 0;
            state.unflushed_since_ms = None;
        }
        self.publish(state, state.durable_offset);
        while let Some((last_offset, _)) = state.pending.front() {
            if *last_offset >= state.durable_offset {
                break;
            }
            if let Some((_, sender)) = state.pending.pop_front() {
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
    fn flush_unless_busy(self: &Arc<Self>) -> bool {
        let (unsynced, end, are_facts_unsaved, to_index) = {
            let mut state = self.state.lock();
            state.is_flush_queued = false;
            if state.is_flushing {
                return false;
            }
            if self.is_failed.load(Ordering::Acquire) || self.is_deleted.load(Ordering::Acquire) {
                return true;
            }
            state.is_flushing = true;
            let to_index = std::mem::take(&mut state.to_index);
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
        state.is_flushing = false;
        match synced {
            // Its folder went away meanwhile, and nobody waits any more.
            Err(_) if self.is_deleted.load(Ordering::Acquire) => {}
            Err(error) => self.stop_if_failed(&mut state, &error),
            // A write may have failed meanwhile.
            Ok(()) if self.is_failed.load(Ordering::Acquire) => {}
            Ok(()) => {
                self.advance_durable(&mut state, end);
                if !state.pending.is_empty() || state.log.has_sealing() {
                    self.queue_flush(&mut state);
                }
            }
        }
        true
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

    /// Syncs what has waited for longer than `flush.ms`.
    pub(crate) fn flush_overdue(self: &Arc<Self>, now_ms: i64) {
        let flush_ms = self.settings().flush_ms;
        let mut state = self.state.lock();
        if state.unflushed_since_ms.is_some_and(|since| now_ms.saturating_sub(since) >= flush_ms) {
            self.queue_flush(&mut state);
        }
    }

    /// Stops appends for good: the topic is going away.
    pub(crate) fn mark_deleted(&self) {
        self.is_deleted.store(true, Ordering::Release);
        let mut state = self.state.lock();
        state.waiting.wake();
        for (_, sender) in state.pending.drain(..) {
            let _ = sender.send(Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        }
    }

    /// Syncs and leaves the log so that the next start has little to do.
    pub(crate) fn close(self: &Arc<Self>) -> Result<(), LogError> {
        {
            // Whoever appends has looked at it under the same lock.
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
            // Subscribers may have been told of the epoch.
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
        Positions {
            start_offset: self.facts.start_offset,
            high_watermark: self.high_watermark,
            stable_offset: self.stable_offset(),
            end_offset: self.log.next_offset(),
            leader_epoch: self.leader_epoch(),
        }
    }

    fn leader_epoch(&self) -> i32 {
        self.facts.leader_epoch()
    }
}
