//! Where a consumer is in one partition: what was delivered, what has arrived and waits, and where to fetch on.

use std::collections::VecDeque;

use millstream_protocol::record::{Record, RecordBatch};
use millstream_protocol::{ErrorCode, TopicId};

use super::ConsumerRecord;
use super::lookup::{Found, Resolve, Unresolved};
use crate::error::Error;
use crate::fetch::{PartitionBatches, records_of};
use crate::topic_partition::TopicPartition;

#[derive(Debug)]
pub(super) struct Place {
    pub partition: TopicPartition,
    pub topic_id: Option<TopicId>,
    pub is_paused: bool,
    /// When it was last moved: an answer to a question from before is of no use.
    era: u64,
    /// The offset of the next record to be delivered.
    position: Option<i64>,
    /// The offset to fetch from.
    next_fetch: Option<i64>,
    unresolved: Option<Resolve>,
    batches: VecDeque<RecordBatch>,
    /// The first batch, unpacked.
    records: VecDeque<Record>,
    /// Where reading goes on when all that has arrived was delivered; beyond the last record if markers follow it.
    arrived_to: i64,
}

impl Place {
    pub(super) fn new(partition: TopicPartition, era: u64) -> Self {
        Place {
            partition,
            topic_id: None,
            is_paused: false,
            era,
            position: None,
            next_fetch: None,
            unresolved: None,
            batches: VecDeque::new(),
            records: VecDeque::new(),
            arrived_to: 0,
        }
    }

    pub(super) fn position(&self) -> Option<i64> {
        self.position
    }

    /// Reads on from an offset.
    pub(super) fn move_to(&mut self, offset: i64, era: u64) {
        self.era = era;
        self.batches.clear();
        self.records.clear();
        (self.position, self.next_fetch, self.arrived_to) = (Some(offset), Some(offset), offset);
        self.unresolved = self.topic_id.is_none().then_some(Resolve::Topic);
    }

    /// Reads on from a place that has to be looked up.
    pub(super) fn resolve(&mut self, what: Resolve, era: u64) {
        self.era = era;
        self.batches.clear();
        self.records.clear();
        (self.position, self.next_fetch) = (None, None);
        self.unresolved = Some(what);
    }

    /// What has to be looked up before the partition can be read on. The records that have arrived are delivered first: what is looked
    /// up may move the place away from them.
    pub(super) fn unresolved(&self) -> Option<Unresolved> {
        let what = self.unresolved.filter(|_| self.is_used_up())?;
        Some(Unresolved { partition: self.partition.clone(), era: self.era, what })
    }

    /// Whether everything that has arrived was delivered.
    fn is_used_up(&self) -> bool {
        self.batches.is_empty() && self.records.is_empty()
    }

    pub(super) fn found(&mut self, found: Found) -> Result<(), Error> {
        if found.era != self.era {
            return Ok(());
        }
        match found.outcome {
            Ok((topic_id, offset)) => {
                self.topic_id = Some(topic_id);
                self.unresolved = None;
                if let Some(offset) = offset {
                    self.move_to(offset, found.era);
                }
                Ok(())
            }
            // It is looked up again.
            Err(error) if error.is_retriable() => Ok(()),
            // It is for the application to seek.
            Err(error) => {
                self.unresolved = None;
                Err(error)
            }
        }
    }

    /// Where to fetch on; `None` while that is not known.
    pub(super) fn fetch_offset(&self) -> Option<i64> {
        if self.unresolved.is_some() { None } else { self.next_fetch }
    }

    /// Whether there is little left to deliver.
    pub(super) fn is_short(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether the last unpacked batch is used up.
    pub(super) fn is_between_batches(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn arrived(&mut self, from: i64, fetched: Result<PartitionBatches, Error>, era: u64) -> Result<(), Error> {
        // Of a fetch from before a seek.
        if self.next_fetch != Some(from) || self.unresolved.is_some() {
            return Ok(());
        }
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(error) => match error.code() {
                Some(ErrorCode::OFFSET_OUT_OF_RANGE) => {
                    (self.era, self.next_fetch, self.unresolved) = (era, None, Some(Resolve::Reset));
                    return Ok(());
                }
                // The topic was made anew, or is gone.
                Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID | ErrorCode::INCONSISTENT_TOPIC_ID) => {
                    self.topic_id = None;
                    self.unresolved = Some(Resolve::Topic);
                    return Ok(());
                }
                _ if error.is_retriable() => return Ok(()),
                _ => return Err(error),
            },
        };
        self.next_fetch = Some(fetched.next_offset);
        self.arrived_to = fetched.next_offset;
        self.batches.extend(fetched.batches);
        if self.is_used_up() {
            self.position = Some(self.arrived_to);
        }
        Ok(())
    }

    /// The next record.
    pub(super) fn take(&mut self) -> Option<Result<ConsumerRecord, Error>> {
        if self.is_paused {
            return None;
        }
        let from = self.position?;
        while self.records.is_empty() {
            let batch = self.batches.pop_front()?;
            let records = &mut self.records;
            if let Err(error) = records_of(&batch, from, |record| records.push_back(record)) {
                // To go on behind it takes a seek.
                self.records.clear();
                self.batches.push_front(batch);
                self.is_paused = true;
                return Some(Err(error));
            }
        }
        let record = self.records.pop_front()?;
        let is_last = self.is_used_up();
        // Behind the last record there may be markers, which nobody has to read again.
        self.position = Some(if is_last { self.arrived_to } else { record.offset + 1 });
        Some(Ok(ConsumerRecord {
            topic: self.partition.topic.clone(),
            partition: self.partition.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
        }))
    }
}

#[cfg(test)]
mod tests {
    use millstream_protocol::record::{BatchBuilder, Codec, NewRecord};

    use super::*;

    /// A place with three records at hand.
    fn place() -> Place {
        let mut builder = BatchBuilder::new(Codec::None);
        for _ in 0..3 {
            builder.push(NewRecord { value: Some(b"v"), ..NewRecord::default() });
        }
        let batches = vec![builder.build().unwrap().stamped(0, 0)];
        let mut place = Place::new(TopicPartition::new("t", 0), 1);
        place.topic_id = Some(TopicId([1; 16]));
        place.move_to(0, 1);
        place.arrived(0, Ok(PartitionBatches { partition: 0, batches, next_offset: 3, end_offset: 3 }), 2).unwrap();
        place
    }

    fn offset(place: &mut Place) -> Option<i64> {
        place.take().map(|record| record.unwrap().offset)
    }

    /// The next fetch begins while the last records are still at hand, and it may find that what follows them is deleted.
    #[test]
    fn a_reset_waits_until_the_records_at_hand_are_handed_out() {
        let mut place = place();
        assert_eq!(offset(&mut place), Some(0));
        let deleted = Error::refused(ErrorCode::OFFSET_OUT_OF_RANGE, "reading", None);
        place.arrived(3, Err(deleted), 3).unwrap();
        assert_eq!(place.fetch_offset(), None);
        assert!(place.unresolved().is_none(), "two records are at hand");
        assert_eq!((offset(&mut place), offset(&mut place), offset(&mut place)), (Some(1), Some(2), None));
        assert_eq!(place.position(), Some(3), "what was delivered can be committed");
        assert_eq!(place.unresolved().unwrap().what, Resolve::Reset);
        place.found(Found { partition: place.partition.clone(), era: 3, outcome: Ok((TopicId([1; 16]), Some(8))) }).unwrap();
        assert_eq!(place.fetch_offset(), Some(8));
    }
}
