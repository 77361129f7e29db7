//! What a partition remembers of idempotent and transactional producers (KIP-98): for each id the epoch and the last five
//! batches, so that a batch sent again is recognised and a gap is refused; and where its open transaction begins, so that
//! readers of committed records stop before it. Pure: no clock, no disk.

use std::collections::{BTreeSet, HashMap, VecDeque};

use millstream_protocol::record::RecordBatch;
use millstream_protocol::record::batch::advance_sequence;
use serde::{Deserialize, Serialize};

use crate::limit;
use crate::log::batch_facts::BatchFacts;
use crate::log::index::Aborted;

/// A batch that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Appended {
    pub first_sequence: i32,
    pub last_sequence: i32,
    pub base_offset: i64,
    pub last_offset: i64,
    pub timestamp: i64,
}

/// A producer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producer {
    pub epoch: i16,
    /// The epoch of the coordinator that ended its last transaction; -1 before the first.
    pub coordinator_epoch: i32,
    /// The first offset of its open transaction.
    pub open_since: Option<i64>,
    pub last_timestamp: i64,
    batches: VecDeque<Appended>,
    last_ms: i64,
}

impl Producer {
    /// -1 without any.
    pub(crate) fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(-1, |batch| batch.last_sequence)
    }
}

/// All producers of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
    /// First offset and producer of each open transaction.
    open: BTreeSet<(i64, i64)>,
}

/// What a batch is to this partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// To be appended.
    New,
    /// Appended before.
    Duplicate(Appended),
    /// It would begin a transaction here: the coordinator has to agree first.
    Unverified,
    /// An epoch older than the newest.
    Fenced,
    /// A gap or a repetition from too long ago.
    OutOfOrder,
    /// Outside of a transaction, while the producer has one open.
    NotTransactional,
}

/// Why a marker is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkerRefused {
    /// The producer's epoch is older than the newest.
    Fenced,
    /// The coordinator's epoch is older than the newest.
    CoordinatorFenced,
}

/// A transaction that ended: from its first offset to its marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub first_offset: i64,
    pub marker_offset: i64,
    /// When it was aborted.
    pub aborted: Option<Aborted>,
}

impl Producers {
    pub(crate) const VERSION: u8 = 2;

    /// Looks a batch up. The order of the checks is Kafka's. `is_verified` says that the coordinator knows that the
    /// transaction writes here.
    pub(crate) fn check(&self, batch: &RecordBatch, is_verified: bool) -> Verdict {
        if batch.producer_id() < 0 {
            return Verdict::New;
        }
        let producer = self.by_id.get(&batch.producer_id());
        let (epoch, first, last) = (batch.producer_epoch(), batch.base_sequence(), batch.last_sequence());
        if let Some(producer) = producer
            && epoch == producer.epoch
            && let Some(appended) = producer.batches.iter().find(|b| b.first_sequence == first && b.last_sequence == last)
        {
            return Verdict::Duplicate(*appended);
        }
        if producer.is_some_and(|producer| epoch < producer.epoch) {
            return Verdict::Fenced;
        }
        let is_open = producer.is_some_and(|producer| producer.open_since.is_some());
        if batch.is_transactional() && !is_verified && !is_open {
            return Verdict::Unverified;
        }
        let Some(producer) = producer else {
            return Verdict::New;
        };
        if is_open && !batch.is_transactional() {
            return Verdict::NotTransactional;
        }
        // The coordinator's own records have none.
        let is_in_order = first < 0
            || match producer.batches.back() {
                Some(previous) if epoch == producer.epoch => first == advance_sequence(previous.last_sequence, 1),
                // A new epoch begins anew, also one that only a marker has brought.
                _ => first == 0,
            };
        if is_in_order { Verdict::New } else { Verdict::OutOfOrder }
    }

    /// Whether a marker may be written.
    pub(crate) fn check_marker(&self, producer_id: i64, epoch: i16, coordinator_epoch: i32) -> Result<(), MarkerRefused> {
        match self.by_id.get(&producer_id) {
            Some(producer) if epoch < producer.epoch => Err(MarkerRefused::Fenced),
            Some(producer) if coordinator_epoch < producer.coordinator_epoch => Err(MarkerRefused::CoordinatorFenced),
            _ => Ok(()),
        }
    }

    /// Remembers a batch that was appended; a marker may end a transaction.
    pub(crate) fn record(&mut self, batch: &BatchFacts, now_ms: i64) -> Option<Ended> {
        if batch.producer_id < 0 {
            return None;
        }
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(|| Producer {
            epoch: batch.producer_epoch,
            coordinator_epoch: -1,
            open_since: None,
            last_timestamp: batch.max_timestamp,
            batches: VecDeque::new(),
            last_ms: now_ms,
        });
        if producer.epoch != batch.producer_epoch {
            producer.epoch = batch.producer_epoch;
            producer.batches.clear();
        }
        producer.last_ms = now_ms;
        producer.last_timestamp = batch.max_timestamp;
        if let Some(marker) = batch.marker {
            producer.coordinator_epoch = marker.coordinator_epoch;
            let first_offset = producer.open_since.take()?;
            self.open.remove(&(first_offset, batch.producer_id));
            let marker_offset = batch.last_offset;
            let aborted = (!marker.is_commit).then(|| Aborted {
                producer_id: batch.producer_id,
                first_offset,
                last_offset: marker_offset,
                stable_offset: self.first_open_offset().unwrap_or(marker_offset + 1),
            });
            return Some(Ended { first_offset, marker_offset, aborted });
        }
        if batch.is_transactional && producer.open_since.is_none() {
            producer.open_since = Some(batch.base_offset);
            self.open.insert((batch.base_offset, batch.producer_id));
        }
        if batch.base_sequence >= 0 {
            if producer.batches.len() == limit::REMEMBERED_BATCHES {
                producer.batches.pop_front();
            }
            producer.batches.push_back(Appended {
                first_sequence: batch.base_sequence,
                last_sequence: batch.last_sequence,
                base_offset: batch.base_offset,
                last_offset: batch.last_offset,
                timestamp: batch.max_timestamp,
            });
        }
        None
    }

    /// Where the oldest open transaction begins.
    pub(crate) fn first_open_offset(&self) -> Option<i64> {
        self.open.first().map(|(offset, _)| *offset)
    }

    /// Whether the producer has a transaction open.
    pub(crate) fn is_open(&self, producer_id: i64, epoch: i16) -> bool {
        self.by_id.get(&producer_id).is_some_and(|producer| producer.epoch == epoch && producer.open_since.is_some())
    }

    /// The epoch of the coordinator that last ended a transaction of the producer; -1 before the first.
    pub(crate) fn coordinator_epoch(&self, producer_id: i64) -> i32 {
        self.by_id.get(&producer_id).map_or(-1, |producer| producer.coordinator_epoch)
    }

    /// Whether each open transaction is one that its producer has open.
    pub(super) fn knows_all_that_are_open(&self) -> bool {
        self.open.iter().all(|(_, producer_id)| self.by_id.contains_key(producer_id))
    }

    /// Producers with an open transaction, and their epochs.
    pub(crate) fn open(&self) -> impl Iterator<Item = (i64, i16)> + '_ {
        self.open.iter().filter_map(|(_, id)| self.by_id.get(id).map(|producer| (*id, producer.epoch)))
    }

    /// Every producer, by id.
    pub(crate) fn all(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.by_id.iter().map(|(id, producer)| (*id, producer))
    }

    /// Where the last batch of each producer begins: compaction must not make its sequence number forgotten.
    pub(crate) fn last_batch_offsets(&self) -> impl Iterator<Item = i64> + '_ {
        self.by_id.values().filter_map(|producer| producer.batches.back().map(|batch| batch.base_offset))
    }

    /// Forgets producers that have been silent for long.
    pub(crate) fn expire(&mut self, before_ms: i64) {
        self.by_id.retain(|_, producer| producer.open_since.is_some() || producer.last_ms >= before_ms);
    }
}

#[cfg(test)]
mod tests {
    use millstream_protocol::record::Marker;
    use millstream_protocol::record::batch::TRANSACTIONAL;

    use super::*;

    fn facts(epoch: i16, base_sequence: i32, count: i32, base_offset: i64) -> BatchFacts {
        BatchFacts {
            base_offset,
            last_offset: base_offset + i64::from(count) - 1,
            producer_id: 7,
            producer_epoch: epoch,
            base_sequence,
            last_sequence: advance_sequence(base_sequence, count - 1),
            max_timestamp: 0,
            is_transactional: false,
            marker: None,
        }
    }

    fn marker(epoch: i16, offset: i64, is_commit: bool) -> BatchFacts {
        BatchFacts { is_transactional: true, marker: Some(Marker { is_commit, coordinator_epoch: 0 }), ..facts(epoch, -1, 1, offset) }
    }

    fn batch_with(epoch: i16, base_sequence: i32, count: usize, attributes: i16) -> RecordBatch {
        use millstream_protocol::record::{BatchBuilder, Codec, NewRecord};
        let mut builder = BatchBuilder::new(Codec::None);
        builder.set_producer(7, epoch, base_sequence);
        builder.set_attributes(attributes);
        (0..count).for_each(|_| builder.push(NewRecord::default()));
        builder.build().unwrap()
    }

    fn batch(epoch: i16, base_sequence: i32, count: usize) -> RecordBatch {
        batch_with(epoch, base_sequence, count, 0)
    }

    #[test]
    fn the_last_five_batches_are_recognised_and_no_more() {
        let mut producers = Producers::default();
        for i in 0..7 {
            assert_eq!(producers.check(&batch(0, i * 2, 2), false), Verdict::New);
            producers.record(&facts(0, i * 2, 2, i64::from(i) * 2), 0);
        }
        for i in 2..7 {
            let verdict = producers.check(&batch(0, i * 2, 2), false);
            assert!(matches!(verdict, Verdict::Duplicate(b) if b.base_offset == i64::from(i) * 2));
        }
        assert_eq!(producers.check(&batch(0, 2, 2), false), Verdict::OutOfOrder);
        assert_eq!(producers.check(&batch(0, 12, 1), false), Verdict::OutOfOrder, "the same start with another count");
        assert_eq!(producers.check(&batch(0, 15, 1), false), Verdict::OutOfOrder, "a gap");
    }

    #[test]
    fn epochs_fence_and_begin_at_zero() {
        let mut producers = Producers::default();
        producers.record(&facts(3, 9, 1, 0), 0);
        assert_eq!(producers.check(&batch(2, 10, 1), false), Verdict::Fenced);
        assert_eq!(producers.check(&batch(4, 10, 1), false), Verdict::OutOfOrder);
        assert_eq!(producers.check(&batch(9, 0, 1), false), Verdict::New);
    }

    #[test]
    fn sequences_wrap_around() {
        let mut producers = Producers::default();
        producers.record(&facts(0, i32::MAX - 1, 2, 0), 0);
        assert_eq!(producers.check(&batch(0, 0, 3), false), Verdict::New);
        assert_eq!(producers.check(&batch(0, 1, 3), false), Verdict::OutOfOrder);
    }

    #[test]
    fn a_transaction_is_open_from_its_first_batch_to_its_marker() {
        let mut producers = Producers::default();
        let first = batch_with(0, 0, 2, TRANSACTIONAL);
        assert_eq!(producers.check(&first, false), Verdict::Unverified);
        assert_eq!(producers.check(&first, true), Verdict::New);
        producers.record(&BatchFacts { is_transactional: true, ..facts(0, 0, 2, 10) }, 0);
        assert_eq!(producers.first_open_offset(), Some(10));
        assert_eq!(producers.check(&batch_with(0, 2, 1, TRANSACTIONAL), false), Verdict::New, "it is open already");
        assert_eq!(producers.check(&batch(0, 2, 1), false), Verdict::NotTransactional);
        producers.expire(i64::MAX);
        assert_eq!(producers.first_open_offset(), Some(10), "an open transaction is not forgotten");
        let ended = producers.record(&marker(1, 12, false), 0).unwrap();
        let aborted = Aborted { producer_id: 7, first_offset: 10, last_offset: 12, stable_offset: 13 };
        assert_eq!(ended, Ended { first_offset: 10, marker_offset: 12, aborted: Some(aborted) });
        assert_eq!(producers.first_open_offset(), None);
    }

    #[test]
    fn a_marker_with_a_new_epoch_shuts_the_old_one_out() {
        let mut producers = Producers::default();
        producers.record(&BatchFacts { is_transactional: true, ..facts(0, 0, 2, 10) }, 0);
        producers.record(&marker(1, 12, true), 0);
        assert_eq!(producers.check(&batch_with(0, 2, 1, TRANSACTIONAL), true), Verdict::Fenced, "a zombie's late batch");
        assert_eq!(producers.check(&batch_with(1, 2, 1, TRANSACTIONAL), true), Verdict::OutOfOrder);
        assert_eq!(producers.check(&batch_with(1, 0, 1, TRANSACTIONAL), true), Verdict::New);
        assert_eq!(producers.check_marker(7, 0, 0), Err(MarkerRefused::Fenced));
        assert_eq!(producers.check_marker(7, 1, -1), Err(MarkerRefused::CoordinatorFenced));
        assert_eq!(producers.record(&marker(1, 13, true), 0), None, "a marker without data ends nothing");
    }
}
