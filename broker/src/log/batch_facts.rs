//! What the broker remembers of a batch without its records: for producers, recovery and compaction.

use millstream_protocol::record::{Marker, RecordBatch};

/// What is remembered of a batch without its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchFacts {
    pub base_offset: i64,
    pub last_offset: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub last_sequence: i32,
    pub max_timestamp: i64,
    pub is_transactional: bool,
    /// Of a batch that ends a transaction.
    pub marker: Option<Marker>,
}

impl From<&RecordBatch> for BatchFacts {
    fn from(batch: &RecordBatch) -> Self {
        BatchFacts {
            base_offset: batch.base_offset(),
            last_offset: batch.last_offset(),
            producer_id: batch.producer_id(),
            producer_epoch: batch.producer_epoch(),
            base_sequence: batch.base_sequence(),
            last_sequence: batch.last_sequence(),
            max_timestamp: batch.max_timestamp(),
            is_transactional: batch.is_transactional(),
            marker: batch.marker(),
        }
    }
}
