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
//!   with it what readers learn of an aborted one.
//! * The last batch of a producer stays, without records if need be: its sequence number must not be forgotten.

mod newest;
mod setback;
mod transactions;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use millstream_protocol::limit::INFLATED_IN_MEMORY_BYTES_MAX;
use millstream_protocol::record::builder::with_records;
use millstream_protocol::record::{BatchError, Record, RecordBatch};

use super::{Partition, State};
use crate::config::TopicSettings;
use crate::limit;
use crate::log::LogError;
use crate::log::index::Aborted;
use crate::log::read::ReadPlan;
use crate::log::segment::Segment;
use crate::log::swap::Cleaned;
use newest::Newest;
pub(super) use setback::Setback;
use transactions::{AbortedBatches, OpenTransactions};

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
    keys_max: usize,
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
        if !settings.is_compacted || self.is_over() {
            return Ok(false);
        }
        self.load_indexes();
        let mut state = self.state.lock();
        let begun = self.begin_pass(&mut state, &settings, now_ms);
        let Some(pass) = begun.inspect_err(|error| self.stop_if_failed(&mut state, error))? else { return Ok(false) };
        drop(state);
        let compacted = pass.run();
        self.end_pass(compacted, now_ms)
    }

    fn end_pass(&self, compacted: Result<i64, Failed>, now_ms: i64) -> Result<bool, LogError> {
        // Its folder went away meanwhile.
        if self.is_deleted.load(Ordering::Acquire) {
            return Ok(false);
        }
        let saved =
            compacted.and_then(|end_offset| self.save_facts(|state| state.facts.compacted_to = end_offset).map_err(Failed::Writing));
        let mut state = self.state.lock();
        state.is_compacting = false;
        let Err(failed) = saved else {
            state.setback.end();
            return Ok(true);
        };
        let (error, is_written) = match failed {
            Failed::Reading(error) => (error, false),
            Failed::Writing(error) => (error, true),
        };
        state.setback.meet(&error, now_ms);
        if is_written {
            self.stop_if_failed(&mut state, &error);
        }
        Err(error)
    }

    fn begin_pass(self: &Arc<Self>, state: &mut State, settings: &Arc<TopicSettings>, now_ms: i64) -> Result<Option<Pass>, LogError> {
        if settings.max_compaction_lag_ms < i64::MAX && state.log.is_active_older_than(now_ms, settings.max_compaction_lag_ms) {
            self.roll(state)?;
        }
        let stable_offset = state.stable_offset();
        let is_ready = |segment: &&Arc<Segment>| {
            !segment.is_sealing()
                && !state.setback.is_damaged(segment)
                && segment.next_offset() <= stable_offset
                // Without a lag a time that is still to come holds nothing up.
                && (settings.min_compaction_lag_ms <= 0
                    || segment.max_timestamp().is_some_and(|newest| newest <= now_ms.saturating_sub(settings.min_compaction_lag_ms)))
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
                .and_then(|oldest| oldest.max_timestamp())
                .is_some_and(|newest| newest <= now_ms.saturating_sub(settings.max_compaction_lag_ms))
        };
        let ratio = dirty_bytes as f64 / all_bytes.max(1) as f64;
        if dirty_bytes == 0
            || state.is_compacting
            || !state.setback.is_over(now_ms)
            || (ratio < settings.min_cleanable_ratio && !waits_too_long())
        {
            return Ok(None);
        }
        state.is_compacting = true;
        let last_batches = state.producers.last_batch_offsets().collect();
        let aborted = state.aborted.clone();
        // Made when the lock is let go.
        let aborted_batches = AbortedBatches::default();
        let (partition, settings) = (self.clone(), settings.clone());
        Ok(Some(Pass {
            partition,
            settings,
            segments,
            compacted_to,
            aborted,
            aborted_batches,
            last_batches,
            keys_max: limit::COMPACTED_KEYS_MAX,
            now_ms,
        }))
    }
}

impl State {
    /// Whether a segment cannot be compacted, nor any behind it.
    pub(super) fn has_damage(&self) -> bool {
        self.log.sealed().iter().any(|segment| !segment.is_sealing() && self.setback.is_damaged(segment))
    }
}

impl Pass {
    /// Compacts, and says up to where.
    fn run(mut self) -> Result<i64, Failed> {
        self.aborted_batches = AbortedBatches::new(&self.aborted);
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

    /// Reads what was not compacted yet, as far as the keys fit.
    fn note_newest(&self) -> Result<Newest, LogError> {
        let mut newest = Newest::new(self.compacted_to);
        for segment in self.segments.iter().filter(|segment| segment.next_offset() > self.compacted_to) {
            let mut is_full = false;
            self.walk(segment, |batch| {
                batch.verify_checksum()?;
                if batch.last_offset() < self.compacted_to {
                    return Ok(true);
                }
                is_full = newest.keys() >= self.keys_max;
                if is_full {
                    return Ok(false);
                }
                if !batch.is_control() && !self.aborted_batches.contains(&batch) {
                    for record in batch.records(INFLATED_IN_MEMORY_BYTES_MAX)? {
                        let record = record?;
                        if let Some(key) = &record.key {
                            newest.note(key, record.offset);
                        }
                    }
                }
                newest.end_offset = batch.last_offset() + 1;
                Ok(true)
            })?;
            if is_full {
                break;
            }
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
        // Without its marker nothing of an aborted transaction is left that a reader had to know of.
        let is_left = |aborted: &&Aborted| range.contains(&aborted.last_offset) && markers.contains(&aborted.last_offset);
        let aborted: Vec<Aborted> = self.aborted.iter().filter(is_left).copied().collect();
        let segment = cleaned.install(disk, range.end, aborted.clone()).map_err(Failed::Writing)?;
        let mut state = partition.state.lock();
        state.log.replace(range.start, group.len(), Arc::new(segment));
        state.keep_aborted(&range, &aborted);
        // It may hold batches of transactions that answers name no more.
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
        let all: Vec<Record> = batch.records(INFLATED_IN_MEMORY_BYTES_MAX)?.collect::<Result<_, _>>()?;
        let is_noted = batch.last_offset() < newest.end_offset;
        if batch.is_control() {
            let has_records = open.end(batch.producer_id());
            if has_records || !is_noted {
                return Ok(Some(batch));
            }
            return match new_horizon() {
                Some(horizon_ms) => Ok(Some(with_records(&batch, &all, Some(horizon_ms))?)),
                None => Ok((!is_over).then_some(batch)),
            };
        }
        if !is_noted {
            if batch.is_transactional() {
                open.note(batch.producer_id());
            }
            return Ok(Some(batch));
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
            // Its marker stays with it: a later recovery must not take the transaction for an open one.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use std::path::Path;

    use super::*;
    use crate::disk::Disk;
    use crate::disk::simulated::SimulatedDisk;
    use crate::partition::testing;

    const COMPACTED: [(&str, &str); 3] = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0"), ("segment.bytes", "1500")];

    fn contents(partition: &Partition) -> Vec<(String, i64)> {
        let mut found = Vec::new();
        partition.walk(|batch| {
            for record in batch.records(1 << 20)? {
                let record = record?;
                found.push((String::from_utf8_lossy(&record.key.unwrap_or_default()).into_owned(), record.offset));
            }
            Ok(())
        });
        found
    }

    /// Indexes are caches: without them a segment whose end was compacted away is not taken for one that ends at a hole.
    #[test]
    fn a_compacted_log_without_indexes_is_whole_at_the_next_start() {
        let disk = SimulatedDisk::new();
        let partition = testing::open_on(&disk, &COMPACTED);
        for number in 0..40 {
            let key = if number % 5 == 4 { "again".to_owned() } else { format!("k{number}") };
            let appended = partition.append(testing::batch(&key, &[b'x'; 200], 0, None), -1, 1, false).unwrap();
            appended.acknowledged.unwrap().blocking_recv().unwrap().unwrap();
        }
        while partition.compact(1).unwrap() {}
        let (before, end) = (contents(&partition), partition.positions().end_offset);
        partition.close().unwrap();
        let dir = Path::new(testing::DIR);
        let ends_early = |segments: &[(i64, i64)]| segments.windows(2).any(|pair| pair[0].1 < pair[1].0);
        let mut segments: Vec<(i64, i64)> = Vec::new();
        for segment in partition.state.lock().log.segments() {
            let within =
                before.iter().map(|(_, offset)| *offset).filter(|offset| (segment.base_offset..segment.next_offset()).contains(offset));
            segments.push((segment.base_offset, within.max().map_or(segment.base_offset, |last| last + 1)));
        }
        assert!(ends_early(&segments), "{segments:?}");
        drop(partition);
        for name in disk.list(dir).unwrap().into_iter().map(|entry| entry.name).filter(|name| name.ends_with(".index")) {
            disk.remove_file(&dir.join(name)).unwrap();
        }
        let again = testing::open_on(&disk, &COMPACTED);
        assert_eq!((contents(&again), again.positions().end_offset), (before, end));
    }

    #[test]
    fn what_does_not_fit_into_a_pass_is_the_next_one_s() {
        let partition = testing::open(&COMPACTED);
        let mut newest = BTreeMap::new();
        for number in 0..60 {
            let key = format!("k{}", number * 7 % 20);
            let appended = partition.append(testing::batch(&key, &[b'x'; 200], 0, None), -1, 1, false).unwrap();
            appended.acknowledged.unwrap().blocking_recv().unwrap().unwrap();
            newest.insert(key, appended.base_offset);
        }
        let mut ends = Vec::new();
        loop {
            let mut state = partition.state.lock();
            let Some(mut pass) = partition.begin_pass(&mut state, &partition.settings(), 1).unwrap() else { break };
            let inner = state.log.sealed().iter().map(|segment| segment.next_offset()).collect::<Vec<_>>();
            drop(state);
            pass.keys_max = 3;
            partition.end_pass(pass.run(), 1).unwrap();
            let end = partition.state.lock().facts.compacted_to;
            ends.push((end, inner.contains(&end)));
            let found = contents(&partition);
            for (key, offset) in &newest {
                assert!(found.contains(&(key.clone(), *offset)), "{key} after {ends:?}");
            }
        }
        assert!(ends.is_sorted() && ends.iter().filter(|(_, is_at_the_end)| !is_at_the_end).count() > 3, "{ends:?}");
        let from = partition.state.lock().log.active_base();
        let left = contents(&partition).into_iter().filter(|(_, offset)| *offset < from);
        let surplus = left.filter(|(key, offset)| newest[key] != *offset && newest[key] < from).count();
        assert_eq!(surplus, 0, "all of it was compacted");
    }
}
