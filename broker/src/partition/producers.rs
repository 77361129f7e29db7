//! What a partition remembers of idempotent producers: for each id the epoch and the last five batches, so that
//! a batch sent again is recognised and a gap is refused (KIP-98). Pure: no clock, no disk.

use std::collections::{HashMap, VecDeque};

use millstream_protocol::record::RecordBatch;
use millstream_protocol::record::batch::advance_sequence;
use serde::{Deserialize, Serialize};

use crate::log::recovery::BatchFacts;

const REMEMBERED_BATCHES: usize = 5;

/// A batch that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Appended {
    pub first_sequence: i32,
    pub last_sequence: i32,
    pub base_offset: i64,
    pub last_offset: i64,
    pub timestamp: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Appended>,
    last_ms: i64,
}

/// All producers of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
}

/// What a batch is to this partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// To be appended.
    New,
    /// Appended before.
    Duplicate(Appended),
    /// An epoch older than the newest.
    Fenced,
    /// A gap or a repetition from too long ago.
    OutOfOrder,
}

impl Producers {
    pub(crate) const VERSION: u8 = 1;

    /// Looks a batch up. The order of the checks is Kafka's.
    pub(crate) fn check(&self, batch: &RecordBatch) -> Verdict {
        if batch.producer_id() < 0 {
            return Verdict::New;
        }
        let Some(producer) = self.by_id.get(&batch.producer_id()) else {
            return Verdict::New;
        };
        let (epoch, first, last) = (batch.producer_epoch(), batch.base_sequence(), batch.last_sequence());
        if epoch < producer.epoch {
            return Verdict::Fenced;
        }
        if epoch > producer.epoch {
            return if first == 0 { Verdict::New } else { Verdict::OutOfOrder };
        }
        if let Some(appended) = producer.batches.iter().find(|b| b.first_sequence == first && b.last_sequence == last) {
            return Verdict::Duplicate(*appended);
        }
        match producer.batches.back() {
            Some(previous) if first != advance_sequence(previous.last_sequence, 1) => Verdict::OutOfOrder,
            _ => Verdict::New,
        }
    }

    /// Remembers a batch that was appended.
    pub(crate) fn record(&mut self, batch: &BatchFacts, now_ms: i64) {
        if batch.producer_id < 0 || batch.base_sequence < 0 {
            return;
        }
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(|| Producer {
            epoch: batch.producer_epoch,
            batches: VecDeque::new(),
            last_ms: now_ms,
        });
        if producer.epoch != batch.producer_epoch {
            producer.epoch = batch.producer_epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.pop_front();
        }
        producer.last_ms = now_ms;
        producer.batches.push_back(Appended {
            first_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence,
            base_offset: batch.base_offset,
            last_offset: batch.last_offset,
            timestamp: batch.max_timestamp,
        });
    }

    /// Forgets producers that have been silent for long.
    pub(crate) fn expire(&mut self, before_ms: i64) {
        self.by_id.retain(|_, producer| producer.last_ms >= before_ms);
    }
}

#[cfg(test)]
mod tests {
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
        }
    }

    fn batch(epoch: i16, base_sequence: i32, count: usize) -> RecordBatch {
        use millstream_protocol::record::{BatchBuilder, Codec, NewRecord};
        let mut builder = BatchBuilder::new(Codec::None);
        builder.set_producer(7, epoch, base_sequence);
        (0..count).for_each(|_| builder.push(NewRecord::default()));
        builder.build().unwrap()
    }

    #[test]
    fn the_last_five_batches_are_recognised_and_no_more() {
        let mut producers = Producers::default();
        for i in 0..7 {
            assert_eq!(producers.check(&batch(0, i * 2, 2)), Verdict::New);
            producers.record(&facts(0, i * 2, 2, i64::from(i) * 2), 0);
        }
        for i in 2..7 {
            assert!(matches!(producers.check(&batch(0, i * 2, 2)), Verdict::Duplicate(b) if b.base_offset == i64::from(i) * 2));
        }
        assert_eq!(producers.check(&batch(0, 2, 2)), Verdict::OutOfOrder);
        assert_eq!(producers.check(&batch(0, 12, 1)), Verdict::OutOfOrder, "the same start with another count");
        assert_eq!(producers.check(&batch(0, 15, 1)), Verdict::OutOfOrder, "a gap");
    }

    #[test]
    fn epochs_fence_and_begin_at_zero() {
        let mut producers = Producers::default();
        producers.record(&facts(3, 9, 1, 0), 0);
        assert_eq!(producers.check(&batch(2, 10, 1)), Verdict::Fenced);
        assert_eq!(producers.check(&batch(4, 10, 1)), Verdict::OutOfOrder);
        assert_eq!(producers.check(&batch(9, 0, 1)), Verdict::New);
    }

    #[test]
    fn sequences_wrap_around() {
        let mut producers = Producers::default();
        producers.record(&facts(0, i32::MAX - 1, 2, 0), 0);
        assert_eq!(producers.check(&batch(0, 0, 3)), Verdict::New);
        assert_eq!(producers.check(&batch(0, 1, 3)), Verdict::OutOfOrder);
    }
}
