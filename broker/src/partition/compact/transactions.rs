//! What a pass has to know of transactions: which batches were aborted, and of which transactions something is left when
//! their markers come.

use std::collections::{HashMap, HashSet};

use millstream_protocol::record::RecordBatch;

use crate::log::index::Aborted;

/// Aborted transactions, by producer in the order of their markers. Those of one producer do not overlap.
#[derive(Debug, Default)]
pub(super) struct AbortedBatches(HashMap<i64, Vec<Aborted>>);

impl AbortedBatches {
    pub(super) fn new(all: &[Aborted]) -> Self {
        let mut by_producer: HashMap<i64, Vec<Aborted>> = HashMap::new();
        all.iter().for_each(|aborted| by_producer.entry(aborted.producer_id).or_default().push(*aborted));
        AbortedBatches(by_producer)
    }

    pub(super) fn contains(&self, batch: &RecordBatch) -> bool {
        let Some(aborted) = self.0.get(&batch.producer_id()).filter(|_| batch.is_transactional()) else { return false };
        let ended_before = aborted.partition_point(|aborted| aborted.last_offset < batch.base_offset());
        aborted.get(ended_before).is_some_and(|aborted| aborted.first_offset <= batch.base_offset())
    }
}

/// Transactions of which a batch is left, while their markers are still to come.
#[derive(Debug, Default)]
pub(super) struct OpenTransactions(HashSet<i64>);

impl OpenTransactions {
    pub(super) fn note(&mut self, producer_id: i64) {
        self.0.insert(producer_id);
    }

    /// The marker; says whether it ends anything that is left.
    pub(super) fn end(&mut self, producer_id: i64) -> bool {
        self.0.remove(&producer_id)
    }
}
