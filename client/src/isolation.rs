//! Which records of transactions a reader sees. The broker sends what was aborted too, with a list that tells it apart.

use std::collections::HashSet;

use millstream_protocol::message::fetch::AbortedTransaction;
use millstream_protocol::record::RecordBatch;

/// Which records of transactions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Those of committed transactions, up to where the oldest open one begins.
    #[default]
    ReadCommitted,
    /// All, also of open and aborted transactions.
    ReadUncommitted,
}

impl Isolation {
    /// As the protocol has it.
    pub(crate) fn level(self) -> i8 {
        match self {
            Isolation::ReadUncommitted => 0,
            Isolation::ReadCommitted => 1,
        }
    }
}

/// Leaves out markers, and what was aborted where only committed records are read. The batches are one fetch's of a partition, whole.
pub(crate) fn visible(batches: Vec<RecordBatch>, mut aborted: Vec<AbortedTransaction>, isolation: Isolation) -> Vec<RecordBatch> {
    // From the last to the first, to take them off the end.
    aborted.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
    let mut aborting: HashSet<i64> = HashSet::new();
    let is_visible = |batch: &RecordBatch| {
        if isolation == Isolation::ReadCommitted {
            while aborted.last().is_some_and(|transaction| transaction.first_offset <= batch.last_offset()) {
                aborting.extend(aborted.pop().map(|transaction| transaction.producer_id));
            }
            // The marker ends it: what the producer writes after it belongs to another transaction.
            if batch.marker().is_some_and(|marker| !marker.is_commit) {
                aborting.remove(&batch.producer_id());
            }
        }
        let is_aborted = batch.is_transactional() && aborting.contains(&batch.producer_id());
        !batch.is_control() && !is_aborted
    };
    batches.into_iter().filter(is_visible).collect()
}

#[cfg(test)]
mod tests {
    use millstream_protocol::record::{BatchBuilder, Codec, Marker, NewRecord};

    use super::*;

    fn data(producer: i64, offset: i64) -> RecordBatch {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.set_producer(producer, 0, 0);
        builder.set_attributes(1 << 4);
        builder.push(NewRecord { timestamp: 0, key: None, value: Some(b"v"), headers: &[] });
        builder.build().unwrap().stamped(offset, 0)
    }

    fn marker(producer: i64, offset: i64, is_commit: bool) -> RecordBatch {
        Marker { is_commit, coordinator_epoch: 0 }.to_batch(producer, 0, 0).stamped(offset, 0)
    }

    /// Two producers' transactions lie within each other, one aborts, and then commits another.
    #[test]
    fn an_aborted_transaction_ends_at_its_marker() {
        let log = vec![data(1, 0), data(2, 1), data(1, 2), marker(1, 3, false), data(1, 4), marker(2, 5, true), marker(1, 6, true)];
        let aborted = vec![AbortedTransaction { producer_id: 1, first_offset: 0 }];
        let offsets =
            |isolation| -> Vec<i64> { visible(log.clone(), aborted.clone(), isolation).iter().map(RecordBatch::base_offset).collect() };
        assert_eq!(offsets(Isolation::ReadCommitted), [1, 4]);
        assert_eq!(offsets(Isolation::ReadUncommitted), [0, 1, 2, 4]);
    }
}
