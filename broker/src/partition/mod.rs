//! A partition: the one owner of a log. Appends go through its lock, acknowledgements wait here for the durable
//! position, parked fetches are woken here.
//!
//! Three positions move along the log: `end` (written), `durable` (synced) and the high watermark (readable).
//! A batch that asked for stable storage becomes readable when it is durable; any other one when it is written,
//! and then everything before it with it.

pub(crate) mod check;
pub(crate) mod flush;
pub(crate) mod producers;
pub(crate) mod tail;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use millstream_protocol::ErrorCode;
use millstream_protocol::record::RecordBatch;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};

use crate::config::TopicSettings;
use crate::disk::{Disk, read_file, replace_file};
use crate::durable;
use crate::log::recovery::{self, BatchFacts};
use crate::log::segment::{ReadPlan, Segment};
use crate::log::{Log, LogError, format};
use check::Refusal;
use flush::Flusher;
use producers::{Producers, Verdict};
use tail::{Tail, TailBudget};

/// What a partition's folder says beside its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    /// The first offset that is kept; earlier ones may still be on disk.
    start_offset: i64,
    /// Each leader epoch and its first offset (KIP-101). A new one begins with each start that finds the log as a crash
    /// left it: offsets that were readable before may be given anew.
    epochs: Vec<(i32, i64)>,
}

const FACTS_VERSION: u8 = 1;
const FACTS_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug)]
struct State {
    log: Log,
    producers: Producers,
    tail: Tail,
    facts: Facts,
    /// An epoch began that is not stored yet: it is with the first append.
    is_epoch_unsaved: bool,
    durable_offset: i64,
    high_watermark: i64,
    pending: VecDeque<(i64, oneshot::Sender<Result<(), ErrorCode>>)>,
    waiting: Vec<Arc<Notify>>,
    unflushed_records: i64,
    unflushed_since_ms: Option<i64>,
    is_flush_queued: bool,
    /// A sync is under way outside of the lock. Until it is over nobody else may call anything durable: a second sync
    /// could return before it, or swallow its error.
    is_flushing: bool,
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
    is_failed: AtomicBool,
    is_deleted: AtomicBool,
    /// Copy of the high watermark that a waiting fetch may look at without the lock.
    readable: AtomicI64,
}

/// What an append came to.
#[derive(Debug)]
pub(crate) struct AppendOutcome {
    pub base_offset: i64,
    pub log_append_time_ms: i64,
    pub start_offset: i64,
    /// Resolves when the batch is where the producer wants it; `None` when it is already.
    pub acknowledged: Option<oneshot::Receiver<Result<(), ErrorCode>>>,
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
    pub end_offset: i64,
    pub leader_epoch: i32,
}

/// What a read came to.
#[derive(Debug)]
pub(crate) enum ReadOutcome {
    /// From memory.
    Batches(Vec<RecordBatch>),
    /// To be read from disk, off the I/O threads, below the offset given.
    Cold(ReadPlan, i64),
}

impl Partition {
    /// Opens the folder, which need not exist.
    #[expect(clippy::too_many_arguments, reason = "what a partition is made of, each once, from one caller")]
    pub(crate) fn open(
        topic: String,
        index: i32,
        settings: Arc<TopicSettings>,
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        flusher: Arc<Flusher>,
        tail_budget: Arc<TailBudget>,
        start: &Start,
    ) -> Result<Self, LogError> {
        let facts_path = dir.join("partition");
        let fail = |error| LogError::io(&facts_path, error);
        let mut facts = Facts { start_offset: 0, epochs: vec![(0, 0)] };
        if let Some(content) = read_file(&*disk, &facts_path, FACTS_BYTES_MAX).map_err(fail)? {
            facts = durable::decode(FACTS_VERSION, &content)
                .map_err(|error| fail(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
        }
        let recovered = recovery::open(disk.clone(), &dir, facts.start_offset, settings.log.index_interval_bytes)?;
        let log = recovered.log;
        for sentence in &recovered.damage {
            tracing::error!(topic, partition = index, "{sentence}; it is kept, and reading it fails");
        }
        let end = log.next_offset();
        if recovered.cut_bytes > 0 {
            let cut_bytes = recovered.cut_bytes;
            tracing::warn!(topic, partition = index, end_offset = end, cut_bytes, "cut an end that no sync had covered");
        }
        let is_epoch_unsaved = !start.is_clean || recovered.cut_bytes > 0;
        if is_epoch_unsaved {
            let epoch = facts.epochs.last().map_or(0, |(epoch, _)| *epoch).max(recovered.leader_epoch) + 1;
            facts.epochs.retain(|(_, first_offset)| *first_offset < end);
            facts.epochs.push((epoch, end));
        }
        let producers = Self::recover_producers(&*disk, &dir, &log, &recovered.replay, start.now_ms);
        facts.start_offset = facts.start_offset.max(log.first_offset()).min(end);
        Ok(Partition {
            topic,
            index,
            settings: RwLock::new(settings),
            disk,
            dir,
            flusher,
            state: Mutex::new(State {
                log,
                producers,
                tail: Tail::new(tail_budget),
                facts,
                is_epoch_unsaved,
                durable_offset: end,
                high_watermark: end,
                pending: VecDeque::new(),
                waiting: Vec::new(),
                unflushed_records: 0,
                unflushed_since_ms: None,
                is_flush_queued: false,
                is_flushing: false,
            }),
            is_failed: AtomicBool::new(false),
            is_deleted: AtomicBool::new(false),
            readable: AtomicI64::new(end),
        })
    }

    /// The newest snapshot, and what the last segment adds to it. A sealed segment without a snapshot behind it is
    /// walked too: a snapshot is a cache.
    fn recover_producers(disk: &dyn Disk, dir: &std::path::Path, log: &Log, replay: &[BatchFacts], now_ms: i64) -> Producers {
        let mut producers = Producers::default();
        let segments: Vec<_> = log.segments().collect();
        let snapshot = |base: i64| {
            let content = read_file(disk, &format::path(dir, base, format::PRODUCERS), durable::RECORD_BYTES_MAX as u64).ok().flatten()?;
            durable::decode::<Producers>(Producers::VERSION, &content).ok()
        };
        let mut replay_from = 0;
        for (at, segment) in segments.iter().enumerate().rev() {
            if let Some(found) = snapshot(segment.base_offset) {
                producers = found;
                replay_from = at;
                break;
            }
        }
        for segment in log.sealed().iter().skip(replay_from) {
            let walked = ReadPlan::sealed(segment.clone(), segment.base_offset).walk(1 << 20, |batch| {
                producers.record(&BatchFacts::from(&batch), now_ms);
                Ok(true)
            });
            if let Err(error) = walked {
                tracing::error!("{error}; producers in that range are not known");
            }
        }
        replay.iter().for_each(|batch| producers.record(batch, now_ms));
        producers
    }

    pub(crate) fn settings(&self) -> Arc<TopicSettings> {
        self.settings.read().clone()
    }

    pub(crate) fn set_settings(&self, settings: Arc<TopicSettings>) {
        *self.settings.write() = settings;
    }

    pub(crate) fn positions(&self) -> Positions {
        let state = self.state.lock();
        Positions {
            start_offset: state.facts.start_offset,
            high_watermark: state.high_watermark,
            end_offset: state.log.next_offset(),
            leader_epoch: state.leader_epoch(),
        }
    }

    pub(crate) fn readable_offset(&self) -> i64 {
        self.readable.load(Ordering::Acquire)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.state.lock().log.bytes()
    }

    pub(crate) fn segment_count(&self) -> usize {
        self.state.lock().log.segments().count()
    }

    /// Appends a batch that passed its checks.
    pub(crate) fn append(self: &Arc<Self>, batch: RecordBatch, acks: i16, now_ms: i64) -> Result<AppendOutcome, Refusal> {
        let settings = self.settings();
        let unavailable = || Refusal::new(ErrorCode::KAFKA_STORAGE_ERROR, "the partition's disk failed; see the server's log");
        let mut state = self.state.lock();
        if self.is_failed.load(Ordering::Acquire) {
            return Err(unavailable());
        }
        if self.is_deleted.load(Ordering::Acquire) {
            return Err(Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "the topic is being deleted"));
        }
        let wants_sync = acks == -1 && settings.is_synced_before_ack();
        let (base_offset, last_offset, append_time) = match state.producers.check(&batch) {
            Verdict::Fenced => {
                return Err(Refusal::new(ErrorCode::INVALID_PRODUCER_EPOCH, "the producer's epoch is older than the newest one seen"));
            }
            Verdict::OutOfOrder => {
                return Err(Refusal::new(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "the sequence number does not follow the last one"));
            }
            Verdict::Duplicate(appended) => (appended.base_offset, appended.last_offset, appended.timestamp),
            Verdict::New => {
                if batch.total_bytes() as u64 > settings.log.segment_bytes {
                    return Err(Refusal::new(ErrorCode::RECORD_LIST_TOO_LARGE, "the batch is larger than a segment"));
                }
                let batch = batch.stamped(state.log.next_offset(), state.leader_epoch());
                if let Err(error) = self.write(&mut state, &batch, now_ms, &settings) {
                    return Err(self.refuse_write(error));
                }
                let time = if batch.has_log_append_time() { batch.max_timestamp() } else { -1 };
                let (base, last) = (batch.base_offset(), batch.last_offset());
                state.producers.record(&BatchFacts::from(&batch), now_ms);
                state.tail.push(batch);
                (base, last, time)
            }
        };
        let end = state.log.next_offset();
        let mut acknowledged = None;
        if wants_sync {
            if last_offset >= state.durable_offset {
                let (sender, receiver) = oneshot::channel();
                state.pending.push_back((last_offset, sender));
                acknowledged = Some(receiver);
                self.queue_flush(&mut state);
            }
        } else {
            self.publish(&mut state, end);
            if state.unflushed_records >= settings.flush_messages && settings.flush_messages > 1 {
                self.queue_flush(&mut state);
            }
        }
        Ok(AppendOutcome { base_offset, log_append_time_ms: append_time, start_offset: state.facts.start_offset, acknowledged })
    }

    fn write(self: &Arc<Self>, state: &mut State, batch: &RecordBatch, now_ms: i64, settings: &TopicSettings) -> Result<(), LogError> {
        if std::mem::take(&mut state.is_epoch_unsaved)
            && let Err(error) = self.save_facts(state)
        {
            state.is_epoch_unsaved = true;
            return Err(error);
        }
        if state.log.is_roll_due(batch.total_bytes(), now_ms, &settings.log) {
            self.roll(state)?;
        }
        state.log.append(batch, now_ms, &settings.log)?;
        state.unflushed_records += i64::from(batch.record_count());
        state.unflushed_since_ms.get_or_insert(now_ms);
        Ok(())
    }

    /// Ends the active segment. Whoever asked for stable storage waits for the sync that seals it; nobody else does.
    fn roll(self: &Arc<Self>, state: &mut State) -> Result<(), LogError> {
        // Also when there are none: without it the next start would look for them in all segments.
        state.log.roll(durable::encode(Producers::VERSION, &state.producers))?;
        self.queue_flush(state);
        Ok(())
    }

    fn refuse_write(&self, error: LogError) -> Refusal {
        tracing::error!(topic = self.topic, partition = self.index, "append failed: {error}");
        if let LogError::Io { .. } = error {
            self.is_failed.store(true, Ordering::Release);
            self.flusher.report_failure(format!("{}-{}: {error}", self.topic, self.index));
        }
        Refusal::new(ErrorCode::KAFKA_STORAGE_ERROR, error.to_string())
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
            state.waiting.drain(..).for_each(|waiting| waiting.notify_one());
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

    /// Nothing is acknowledged from here on; a failed sync is never retried.
    fn fail(&self, state: &mut State, error: &LogError) {
        self.is_failed.store(true, Ordering::Release);
        // Whoever runs the broker learns it before any client does.
        self.flusher.report_failure(format!("a sync failed: {error}"));
        for (_, sender) in state.pending.drain(..) {
            let _ = sender.send(Err(ErrorCode::KAFKA_STORAGE_ERROR));
        }
    }

    /// One group commit: syncs what is written now, then releases everything that it covers. Called by the flusher.
    pub(crate) fn flush(self: &Arc<Self>) {
        self.flush_unless_busy();
    }

    /// Says whether it did: a sync that is under way is waited for by nobody here.
    fn flush_unless_busy(self: &Arc<Self>) -> bool {
        let (unsynced, end) = {
            let mut state = self.state.lock();
            state.is_flush_queued = false;
            if state.is_flushing {
                return false;
            }
            if self.is_failed.load(Ordering::Acquire) || self.is_deleted.load(Ordering::Acquire) {
                return true;
            }
            state.is_flushing = true;
            (state.log.take_unsynced(), state.log.next_offset())
        };
        let synced = unsynced.sync(&*self.disk);
        let mut state = self.state.lock();
        state.is_flushing = false;
        match synced {
            // Its folder went away meanwhile, and nobody waits any more.
            Err(_) if self.is_deleted.load(Ordering::Acquire) => {}
            Err(error) => self.fail(&mut state, &error),
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

    /// Reads below the high watermark.
    pub(crate) fn read(&self, offset: i64, bytes_max: usize) -> Result<(Positions, Option<ReadOutcome>), ErrorCode> {
        let state = self.state.lock();
        let positions = Positions {
            start_offset: state.facts.start_offset,
            high_watermark: state.high_watermark,
            end_offset: state.log.next_offset(),
            leader_epoch: state.leader_epoch(),
        };
        if offset < positions.start_offset || offset > positions.end_offset {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        if offset >= positions.high_watermark {
            return Ok((positions, None));
        }
        let outcome = match state.tail.read(offset, positions.high_watermark, bytes_max) {
            Some(batches) => Some(ReadOutcome::Batches(batches)),
            None => state.log.plan(offset).map(|plan| ReadOutcome::Cold(plan, positions.high_watermark)),
        };
        Ok((positions, outcome))
    }

    /// Registers a fetch to be woken by the next readable batch.
    pub(crate) fn wait(&self, waiting: &Arc<Notify>) {
        let mut state = self.state.lock();
        // Those whose fetch is over are only held here.
        state.waiting.retain(|other| Arc::strong_count(other) > 1);
        if !state.waiting.iter().any(|other| Arc::ptr_eq(other, waiting)) {
            state.waiting.push(waiting.clone());
        }
    }

    /// Where to look for the first record of a time.
    pub(crate) fn plans_from_time(&self, timestamp_ms: i64) -> Vec<ReadPlan> {
        self.state.lock().log.plans_from_time(timestamp_ms)
    }

    pub(crate) fn max_timestamp(&self) -> Option<i64> {
        self.state.lock().log.max_timestamp()
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

    /// Raises the first offset that is kept, durably, and removes segments that hold nothing else.
    pub(crate) fn delete_records(&self, before: i64) -> Result<i64, ErrorCode> {
        let mut state = self.state.lock();
        let before = if before == -1 { state.high_watermark } else { before };
        if before < 0 || before > state.high_watermark {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let result = self.raise_start(&mut state, before);
        result.map_err(|error| self.refuse_write(error).code)?;
        Ok(state.facts.start_offset)
    }

    fn raise_start(&self, state: &mut State, start_offset: i64) -> Result<(), LogError> {
        let before = state.facts.start_offset;
        let start_offset = start_offset.max(before);
        let is_gone = |segment: &&Arc<Segment>| segment.next_offset() <= start_offset && !segment.is_sealing();
        let gone = state.log.sealed().iter().take_while(is_gone).count();
        if start_offset > before {
            state.facts.start_offset = start_offset;
            let saved = match self.save_facts(state) {
                // On a full disk the segments go first: opening takes the first offset that it finds.
                Err(LogError::NoSpace { .. }) if gone > 0 => {
                    state.log.remove_front(gone)?;
                    return self.save_facts(state);
                }
                other => other,
            };
            if let Err(error) = saved {
                state.facts.start_offset = before;
                return Err(error);
            }
        }
        state.log.remove_front(gone)
    }

    fn save_facts(&self, state: &State) -> Result<(), LogError> {
        let path = self.dir.join("partition");
        self.disk.create_dir(&self.dir).map_err(|error| LogError::io(&path, error))?;
        replace_file(&*self.disk, &path, &durable::encode(FACTS_VERSION, &state.facts)).map_err(|error| LogError::io(&path, error))
    }

    /// What has to be done from time to time: old segments, quiet producers, overdue syncs.
    pub(crate) fn tend(self: &Arc<Self>, now_ms: i64, producer_expiration_ms: i64) -> Result<(), LogError> {
        let settings = self.settings();
        let mut state = self.state.lock();
        state.producers.expire(now_ms.saturating_sub(producer_expiration_ms));
        if !settings.is_deleted_by_age || self.is_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        // A segment without times has no age.
        let is_old = |max_timestamp: i64| {
            settings.retention_ms >= 0 && max_timestamp >= 0 && max_timestamp < now_ms.saturating_sub(settings.retention_ms)
        };
        if state.log.segments().next_back().is_some_and(|active| active.bytes() > 0 && is_old(active.max_timestamp())) {
            // On a full disk it cannot end; older segments can still go.
            match self.roll(&mut state) {
                Err(LogError::NoSpace { file }) => tracing::warn!("no space to end {}", file.display()),
                other => other?,
            }
        }
        let mut start = state.facts.start_offset;
        let mut bytes = state.log.bytes() as i64;
        for segment in state.log.sealed() {
            let is_surplus = settings.retention_bytes >= 0 && bytes - segment.bytes() as i64 >= settings.retention_bytes;
            if !segment.has_whole_index() || (!is_old(segment.max_timestamp()) && !is_surplus) {
                break;
            }
            bytes -= segment.bytes() as i64;
            start = start.max(segment.next_offset());
        }
        self.raise_start(&mut state, start)
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
        state.waiting.drain(..).for_each(|waiting| waiting.notify_one());
        for (_, sender) in state.pending.drain(..) {
            let _ = sender.send(Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        }
    }

    /// Syncs and leaves the log so that the next start has little to do.
    pub(crate) fn close(self: &Arc<Self>) -> Result<(), LogError> {
        while !self.flush_unless_busy() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let mut state = self.state.lock();
        if self.is_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        if state.is_epoch_unsaved {
            // Subscribers may have been told of it.
            self.save_facts(&state)?;
        }
        state.log.close()?;
        Ok(())
    }
}

impl State {
    fn leader_epoch(&self) -> i32 {
        self.facts.epochs.last().map_or(0, |(epoch, _)| *epoch)
    }
}
