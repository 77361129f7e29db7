//! Compaction: of every key the newest record stays, at its offset (`cleanup.policy=compact`).
//!
//! One pass reads the part of the log that was not compacted yet and notes the newest offset of each key; then it rewrites the
//! segments up to there, in groups that fit into one, and puts each in its place (`log/swap.rs`). Nothing of it happens under
//! the partition's lock but the exchange of segments. The active segment is never touched, nor is anything that a
//! transaction may still change.
//!
//! * A deletion (null value) stays for `delete.retention.ms` after the pass that first met it: until the delete horizon that this
//!   pass writes into its batch (KIP-534).
//! * Records of aborted transactions go; a marker goes when its transaction has nothing left and its own horizon is over, and
//!   with it what readers are told of an aborted one.
//! * The last batch of a producer stays, without records if need be: its sequence number must not be forgotten.

mod transactions;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use millstream_protocol::limit::INFLATED_BATCH_BYTES_MAX;
use millstream_protocol::record::builder::with_records;
use millstream_protocol::record::{BatchError, Record, RecordBatch};

use super::{Partition, State};
use crate::config::TopicSettings;
use crate::log::LogError;
use crate::log::index::Aborted;
use crate::log::segment::{ReadPlan, Segment};
use crate::log::swap::Cleaned;
use transactions::{AbortedBatches, OpenTransactions};

/// A pass notes no more keys than this; what does not fit is the next pass's.
const KEYS_MAX: usize = 2_000_000;

/// The newest offset of each key. Keys are kept as 128 bits of hash, seeded anew with each pass.
struct Newest {
    seeds: (RandomState, RandomState),
    offsets: HashMap<(u64, u64), i64>,
    /// What is noted goes up to here.
    end_offset: i64,
}

impl Newest {
    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.seeds.0.hash_one(key), self.seeds.1.hash_one(key))
    }

    fn note(&mut self, key: &[u8], offset: i64) {
        self.offsets.insert(self.hash(key), offset);
    }

    fn is_newest(&self, record: &Record) -> bool {
        let Some(key) = &record.key else { return false };
        self.offsets.get(&self.hash(key)).is_none_or(|newest| *newest <= record.offset)
    }
}

/// The segments of a pass and what it has to know of them.
struct Pass {
    partition: Arc<Partition>,
    settings: Arc<TopicSettings>,
    segments: Vec<Arc<Segment>>,
    /// Below it an earlier pass has noted the keys.
    compacted_to: i64,
    /// In the order of their markers.
    aborted: Vec<Aborted>,
    aborted_batches: AbortedBatches,
    /// Where the last batch of each producer begins.
    last_batches: HashSet<i64>,
    now_ms: i64,
}

/// Why a pass ended early.
#[derive(Debug)]
enum Failed {
    /// Nothing has changed.
    Reading(LogError),
    Writing(LogError),
}

impl Partition {
    /// Compacts the log if there is enough to compact. Called by one thread at a time.
    pub(crate) fn compact(self: &Arc<Self>, now_ms: i64) -> Result<bool, LogError> {
        let settings = self.settings();
        if !settings.is_compacted || self.is_failed.load(Ordering::Acquire) || self.is_deleted.load(Ordering::Acquire) {
            return Ok(false);
        }
        let mut state = self.state.lock();
        let begun = self.begin_pass(&mut state, &settings, now_ms);
        let Some(pass) = begun.inspect_err(|error| self.stop_if_failed(&mut state, error))? else { return Ok(false) };
        drop(state);
        let compacted = pass.run();
        self.end_pass(compacted)
    }

    fn end_pass(&self, compacted: Result<i64, Failed>) -> Result<bool, LogError> {
        let mut state = self.state.lock();
        state.is_compacting = false;
        // Its folder went away meanwhile.
        if self.is_deleted.load(Ordering::Acquire) {
            return Ok(false);
        }
        let saved = compacted.and_then(|end_offset| {
            state.facts.compacted_to = end_offset;
            self.save_facts(&state).map_err(Failed::Writing)
        });
        match saved {
            Ok(()) => Ok(true),
            Err(Failed::Reading(error)) => Err(error),
            Err(Failed::Writing(error)) => {
                self.stop_if_failed(&mut state, &error);
                Err(error)
            }
        }
    }

    fn begin_pass(self: &Arc<Self>, state: &mut State, settings: &Arc<TopicSettings>, now_ms: i64) -> Result<Option<Pass>, LogError> {
        if settings.max_compaction_lag_ms < i64::MAX && state.log.is_active_older_than(now_ms, settings.max_compaction_lag_ms) {
            self.roll(state)?;
        }
        let stable_offset = state.stable_offset();
        let is_ready = |segment: &&Arc<Segment>| {
            !segment.is_sealing()
                && segment.has_whole_index()
                && segment.next_offset() <= stable_offset
                && segment.max_timestamp() <= now_ms.saturating_sub(settings.min_compaction_lag_ms)
        };
        let segments: Vec<Arc<Segment>> = state.log.sealed().iter().take_while(is_ready).cloned().collect();
        let compacted_to = state.facts.compacted_to;
        let is_dirty = |segment: &&Arc<Segment>| segment.next_offset() > compacted_to;
        let dirty_bytes: u64 = segments.iter().filter(is_dirty).map(|segment| segment.bytes()).sum();
        let all_bytes: u64 = segments.iter().map(|segment| segment.bytes()).sum();
        let waits_too_long = || {
            segments
                .iter()
                .find(is_dirty)
                .is_some_and(|oldest| oldest.max_timestamp() <= now_ms.saturating_sub(settings.max_compaction_lag_ms))
        };
        let ratio = dirty_bytes as f64 / all_bytes.max(1) as f64;
        if dirty_bytes == 0 || state.is_compacting || (ratio < settings.min_cleanable_ratio && !waits_too_long()) {
            return Ok(None);
        }
        state.is_compacting = true;
        let last_batches = state.producers.last_batch_offsets().collect();
        let aborted = state.aborted.clone();
        let aborted_batches = AbortedBatches::new(&aborted);
        let (partition, settings) = (self.clone(), settings.clone());
        Ok(Some(Pass { partition, settings, segments, compacted_to, aborted, aborted_batches, last_batches, now_ms }))
    }
}

impl Pass {
    /// Compacts, and says up to where.
    fn run(&self) -> Result<i64, Failed> {
        let newest = self.note_newest().map_err(Failed::Reading)?;
        let mut group: Vec<Arc<Segment>> = Vec::new();
        let mut open = OpenTransactions::default();
        for segment in self.segments.iter().filter(|segment| segment.base_offset < newest.end_offset) {
            let bytes: u64 = group.iter().map(|segment| segment.bytes()).sum();
            let span = group.first().map_or(0, |first| segment.next_offset() - first.base_offset);
            if !group.is_empty() && (bytes + segment.bytes() > self.settings.log.segment_bytes || span > i64::from(i32::MAX)) {
                self.rewrite(&std::mem::take(&mut group), &newest, &mut open)?;
            }
            group.push(segment.clone());
        }
        if !group.is_empty() {
            self.rewrite(&group, &newest, &mut open)?;
        }
        Ok(newest.end_offset)
    }

    fn walk(&self, segment: &Arc<Segment>, see: impl FnMut(RecordBatch) -> Result<bool, BatchError>) -> Result<(), LogError> {
        ReadPlan::sealed(segment.clone(), segment.base_offset).with_gaps(true).walk(1 << 20, see)
    }

    /// Reads what was not compacted yet, whole segments, as far as the keys fit.
    fn note_newest(&self) -> Result<Newest, LogError> {
        let mut newest = Newest { seeds: (RandomState::new(), RandomState::new()), offsets: HashMap::new(), end_offset: self.compacted_to };
        for segment in self.segments.iter().filter(|segment| segment.next_offset() > self.compacted_to) {
            if newest.offsets.len() >= KEYS_MAX {
                break;
            }
            self.walk(segment, |batch| {
                batch.verify_checksum()?;
                if !batch.is_control() && !self.aborted_batches.contains(&batch) {
                    for record in batch.records(INFLATED_BATCH_BYTES_MAX)? {
                        let record = record?;
                        if let Some(key) = &record.key {
                            newest.note(key, record.offset);
                        }
                    }
                }
                Ok(true)
            })?;
            newest.end_offset = segment.next_offset();
        }
        Ok(newest)
    }

    /// Writes what is left of some segments into one, and puts it in their place.
    fn rewrite(&self, group: &[Arc<Segment>], newest: &Newest, open: &mut OpenTransactions) -> Result<(), Failed> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(()) };
        let partition = &*self.partition;
        let (disk, dir) = (&*partition.disk, &partition.dir);
        let cleaned = Cleaned::create(disk, dir, first.base_offset, self.settings.log.index_interval_bytes);
        let mut cleaned = cleaned.map_err(Failed::Writing)?;
        let mut markers = HashSet::new();
        for segment in group {
            let mut failed = None;
            self.walk(segment, |batch| {
                batch.verify_checksum()?;
                if let Some(batch) = self.what_is_left(batch, newest, open)? {
                    if batch.is_control() {
                        markers.insert(batch.last_offset());
                    }
                    failed = cleaned.append(&batch).err();
                }
                Ok(failed.is_none())
            })
            .map_err(Failed::Reading)?;
            if let Some(error) = failed {
                return Err(Failed::Writing(error));
            }
        }
        let range = first.base_offset..last.next_offset();
        // Without its marker nothing of an aborted transaction is left that a reader had to be told of.
        let is_left = |aborted: &&Aborted| range.contains(&aborted.last_offset) && markers.contains(&aborted.last_offset);
        let aborted: Vec<Aborted> = self.aborted.iter().filter(is_left).copied().collect();
        let segment = cleaned.install(disk, range.end, aborted.clone()).map_err(Failed::Writing)?;
        let mut state = partition.state.lock();
        state.log.replace(range.start, group.len(), Arc::new(segment));
        state.keep_aborted(&range, &aborted);
        // It may hold batches of transactions that nobody is told of any more.
        state.tail.forget_before(range.end);
        drop(state);
        for swallowed in &group[1..] {
            swallowed.remove(disk).map_err(Failed::Writing)?;
        }
        Ok(())
    }

    /// A batch after the pass; `None` if nothing of it is left.
    fn what_is_left(&self, batch: RecordBatch, newest: &Newest, open: &mut OpenTransactions) -> Result<Option<RecordBatch>, BatchError> {
        let horizon_ms = batch.delete_horizon_ms();
        let is_over = horizon_ms.is_some_and(|horizon_ms| horizon_ms <= self.now_ms);
        let new_horizon = || horizon_ms.is_none().then(|| self.now_ms.saturating_add(self.settings.delete_retention_ms));
        let all: Vec<Record> = batch.records(INFLATED_BATCH_BYTES_MAX)?.collect::<Result<_, _>>()?;
        if batch.is_control() {
            let has_records = open.end(batch.producer_id());
            if has_records {
                return Ok(Some(batch));
            }
            return match new_horizon() {
                Some(horizon_ms) => Ok(Some(with_records(&batch, &all, Some(horizon_ms))?)),
                None => Ok((!is_over).then_some(batch)),
            };
        }
        let is_aborted = self.aborted_batches.contains(&batch);
        let is_left = |record: &&Record| !is_aborted && newest.is_newest(record) && (record.value.is_some() || !is_over);
        let left: Vec<Record> = all.iter().filter(is_left).cloned().collect();
        if batch.is_transactional() && !left.is_empty() {
            open.note(batch.producer_id());
        }
        let has_deletions = left.iter().any(|record| record.value.is_none());
        let horizon_ms = if has_deletions { new_horizon() } else { None };
        if left.is_empty() {
            let is_last = batch.base_sequence() >= 0 && self.last_batches.contains(&batch.base_offset());
            if !is_last {
                return Ok(None);
            }
            // Its marker stays with it: whoever reads the log anew must not take the transaction for an open one.
            if batch.is_transactional() {
                open.note(batch.producer_id());
            }
            return Ok(Some(with_records(&batch, &[], None)?));
        }
        if left.len() == all.len() && horizon_ms.is_none() {
            return Ok(Some(batch));
        }
        Ok(Some(with_records(&batch, &left, horizon_ms)?))
    }
}
