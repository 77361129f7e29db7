//! Reading from a partition. What is read, and all that has to be told about it, is decided at one moment under the lock:
//! segments that are exchanged or removed afterwards stay readable for whoever has a plan, and so do their aborted transactions.

use millstream_protocol::ErrorCode;
use millstream_protocol::record::{BatchError, RecordBatch};

use super::{Partition, Positions};
use crate::log::index::Aborted;
use crate::log::segment::ReadPlan;

/// What a read came to.
#[derive(Debug)]
pub(crate) struct Read {
    pub positions: Positions,
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
    pub(crate) fn read(&self, offset: i64, bytes_max: usize, is_committed: bool) -> Result<Read, ErrorCode> {
        let state = self.state.lock();
        let positions = state.positions();
        let end = if is_committed { positions.stable_offset } else { positions.high_watermark };
        if offset < positions.start_offset || offset > positions.end_offset {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let mut read = Read { positions, outcome: None, aborted: Vec::new() };
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
                state.log.plan(offset).map(|plan| ReadOutcome::Cold { plan: plan.with_gaps(may_have_gaps), end, behind })
            }
        };
        if is_committed {
            read.aborted = state.aborted_between(offset, reach);
        }
        Ok(read)
    }

    /// Shows every batch, oldest first. What cannot be read is told of and left out.
    pub(crate) fn walk(&self, mut see: impl FnMut(&RecordBatch) -> Result<(), BatchError>) {
        let mut offset = self.positions().start_offset;
        while let Some(plan) = { self.state.lock().log.plan(offset) } {
            let before = offset;
            let walked = plan.walk(1 << 20, |batch| {
                if batch.last_offset() >= offset {
                    batch.verify_checksum()?;
                    see(&batch)?;
                    offset = batch.last_offset() + 1;
                }
                Ok(true)
            });
            if let Err(error) = &walked {
                tracing::error!(topic = self.topic, partition = self.index, "{error}; what follows there is not known");
            }
            if walked.is_err() || offset == before {
                // On behind this segment.
                let Some(next) = self.state.lock().log.next_base(offset) else { return };
                offset = next;
            }
        }
    }

    /// Where to look for the first record of a time.
    pub(crate) fn plans_from_time(&self, timestamp_ms: i64) -> Vec<ReadPlan> {
        self.state.lock().log.plans_from_time(timestamp_ms)
    }

    pub(crate) fn max_timestamp(&self) -> Option<i64> {
        self.state.lock().log.max_timestamp()
    }
}

#[cfg(test)]
mod tests {
    use millstream_protocol::record::Marker;
    use millstream_protocol::record::batch::TRANSACTIONAL;

    use super::*;
    use crate::partition::testing;

    /// Whoever reads records that are deleted meanwhile is still told that they were aborted.
    #[test]
    fn a_read_knows_what_was_aborted_when_it_was_planned() {
        let partition = testing::open(&[("flush.messages", "1000")]);
        partition.append(testing::batch("k", b"aborted", TRANSACTIONAL, Some(7)), 1, 1, true).unwrap();
        partition.append_marker(7, 0, Marker { is_commit: false, coordinator_epoch: 0 }, 1).unwrap();
        let read = partition.read(0, 1 << 20, true).unwrap();
        assert_eq!(partition.delete_records(-1), Ok(2));
        let Some(ReadOutcome::Cold { plan, .. }) = read.outcome else { panic!() };
        assert_eq!(plan.read(1 << 20).unwrap()[0].producer_id(), 7);
        assert_eq!((read.aborted[0].producer_id, read.aborted[0].first_offset), (7, 0));
    }
}
