//! Reading from a partition. What is read, and all that has to be told about it, is decided at one moment under the lock:
//! a plan can still read segments that are exchanged or removed afterwards, and has their aborted transactions.

use millstream_protocol::record::{BatchError, RecordBatch};

use super::error::OffsetOutOfRange;
use super::{Partition, Positions};
use crate::log::LogError;
use crate::log::index::Aborted;
use crate::log::read::ReadPlan;

/// What a read came to.
#[derive(Debug)]
pub(crate) struct Read {
    pub positions: Positions,
    /// Where what may be read ends.
    pub end: i64,
    /// Whether that is in a later segment than the offset.
    pub is_in_old_segment: bool,
    /// `None` when there is nothing to read yet.
    pub outcome: Option<ReadOutcome>,
    /// The aborted transactions that its batches may be part of, if only committed records are wanted.
    pub aborted: Vec<Aborted>,
}

/// Where its batches are.
#[derive(Debug)]
pub(crate) enum ReadOutcome {
    /// From memory.
    Batches(Vec<RecordBatch>),
    /// To be read from disk, off the I/O threads, below `end`. Where compaction has left nothing, the next record is at
    /// `behind` or later.
    Cold { plan: ReadPlan, end: i64, behind: Option<i64> },
}

impl Partition {
    /// Reads below the high watermark; if only committed records are wanted, below the last stable offset.
    pub(crate) fn read(&self, offset: i64, bytes_max: usize, is_committed: bool) -> Result<Read, OffsetOutOfRange> {
        let state = self.state.lock();
        let positions = state.positions();
        let end = if is_committed { positions.stable_offset } else { positions.high_watermark };
        if offset < positions.start_offset || offset > positions.end_offset {
            return Err(OffsetOutOfRange);
        }
        let is_in_old_segment = state.log.next_base(offset).is_some_and(|base| base < end);
        let mut read = Read { positions, end, is_in_old_segment, outcome: None, aborted: Vec::new() };
        if offset >= end {
            return Ok(read);
        }
        let reach;
        read.outcome = match state.tail.read(offset, end, bytes_max) {
            Some(batches) => {
                reach = batches.last().map_or(offset, |last| last.last_offset() + 1);
                Some(ReadOutcome::Batches(batches))
            }
            None => {
                let may_have_gaps = self.settings().is_compacted || state.facts.compacted_to > 0;
                let behind = state.log.next_base(offset).filter(|_| may_have_gaps);
                reach = state.log.reach(offset, bytes_max).min(end);
                state.log.plan(offset, bytes_max, end).map(|plan| ReadOutcome::Cold { plan: plan.with_gaps(may_have_gaps), end, behind })
            }
        };
        if is_committed {
            read.aborted = state.aborted_between(offset, reach);
        }
        Ok(read)
    }

    /// Shows every batch, oldest first. A batch that cannot be read is logged and left out; those that follow are not.
    pub(crate) fn walk(&self, mut see: impl FnMut(&RecordBatch) -> Result<(), BatchError>) {
        let start = self.positions().start_offset;
        let mut offset = start;
        while let Some(plan) = { self.state.lock().log.plan(offset, 0, i64::MAX) } {
            let see = |batch: RecordBatch| {
                if batch.last_offset() >= start {
                    batch.verify_checksum()?;
                    see(&batch)?;
                }
                Ok(())
            };
            let tell = |error: &LogError| {
                tracing::error!(topic = self.topic, partition = self.index, "{error}; it is left out");
            };
            plan.walk_over_damage(1 << 20, see, tell);
            // On with the next segment: nothing more is in this one.
            match self.state.lock().log.base_behind(&plan) {
                Some(next) => offset = next,
                None => return,
            }
        }
    }

    /// Where to look for the first record of a time, segment by segment. Indexes that are not in memory are read here.
    pub(crate) fn plans_from_time(&self, timestamp_ms: i64) -> Result<Vec<ReadPlan>, LogError> {
        let (sealed, active) = { self.state.lock().log.segments_for_time(timestamp_ms) };
        let mut plans = Vec::new();
        for segment in sealed {
            // One whose index tells less than all may have it anywhere.
            if segment.index()?.max_timestamp >= timestamp_ms || !segment.has_whole_index() {
                plans.push(ReadPlan::sealed_from_time(segment, timestamp_ms)?);
            }
        }
        plans.extend(active);
        Ok(plans)
    }

    /// The largest timestamp; `None` in an empty log. Indexes that are not in memory are read here.
    pub(crate) fn max_timestamp(&self) -> Result<Option<i64>, LogError> {
        let (sealed, active) = {
            let state = self.state.lock();
            (state.log.sealed().to_vec(), state.log.active_max_timestamp())
        };
        let mut newest = active;
        for segment in sealed.iter().filter(|segment| segment.bytes() > 0) {
            newest = newest.max(Some(segment.index()?.max_timestamp));
        }
        Ok(newest)
    }
}

#[cfg(test)]
mod tests {
    use millstream_protocol::record::Marker;
    use millstream_protocol::record::batch::TRANSACTIONAL;

    use super::*;
    use crate::partition::testing;

    /// A reader of records that are deleted meanwhile is still told that they were aborted.
    #[test]
    fn a_read_knows_what_was_aborted_when_it_was_planned() {
        let partition = testing::open(&[("flush.messages", "1000")]);
        partition.append(testing::batch("k", b"aborted", TRANSACTIONAL, Some(7)), 1, 1, true).unwrap();
        partition.append_marker(7, 0, Marker { is_commit: false, coordinator_epoch: 0 }, 1).unwrap();
        let read = partition.read(0, 1 << 20, true).unwrap();
        assert_eq!(partition.delete_records(-1).unwrap(), 2);
        let Some(ReadOutcome::Cold { plan, .. }) = read.outcome else { panic!() };
        assert_eq!(plan.read(1 << 20).unwrap()[0].producer_id(), 7);
        assert_eq!((read.aborted[0].producer_id, read.aborted[0].first_offset), (7, 0));
    }
}
