//! Why a partition does not do what it is asked for. Where Kafka has a sentence, it is Kafka's.

use millstream_protocol::record::BatchError;
use thiserror::Error;

use crate::log::LogError;

/// A record of a batch that is refused for its sake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusedRecord {
    /// Its place in the batch.
    pub index: i32,
    pub sentence: String,
}

/// Why a batch, or the marker of a transaction, is not appended.
#[derive(Debug, Error)]
pub(crate) enum AppendError {
    /// What was sent is no batch, or its records cannot be read.
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("Produce requests must carry one record batch a partition")]
    NotOneBatch,
    #[error("the record batch is cut off")]
    CutOff,
    /// Larger than the topic allows.
    #[error(
        "The record batch size in the append to {topic}-{partition} is {bytes} bytes which exceeds the maximum configured value of {bytes_max} bytes"
    )]
    TooLarge { topic: String, partition: i32, bytes: usize, bytes_max: u64 },
    #[error("the batch is larger than a segment")]
    LargerThanSegment,
    /// Nobody's answer: it is checked again where there is room.
    #[error("there is no room to inflate the batch")]
    NoRoom,
    #[error("zstd needs Produce version 7")]
    ZstdTooEarly,
    #[error("the batch's base offset is {0}, it must be 0")]
    BaseOffset(i64),
    #[error("transactional records need a transactional id")]
    NoTransactionalId,
    #[error("Clients are not allowed to write control records")]
    ControlRecords,
    #[error("a transactional batch needs a producer id")]
    NoProducerId,
    #[error("an idempotent batch needs a sequence number")]
    NoSequence,
    /// A compacted topic cannot have records without a key.
    #[error("One or more records have been rejected")]
    WithoutKey(Vec<RefusedRecord>),
    /// Out of the range that the topic allows, or set where the topic has the broker set them.
    #[error("One or more records have been rejected due to invalid timestamp")]
    Timestamps(Vec<RefusedRecord>),
    #[error("the producer's epoch is older than the newest one seen")]
    ProducerFenced,
    #[error("a newer coordinator has ended transactions here")]
    CoordinatorFenced,
    #[error("the sequence number does not follow the last one")]
    OutOfOrder,
    /// The coordinator of the transaction does not know of it.
    #[error("the partition was not added to the transaction")]
    NotAdded,
    #[error("the producer has a transaction open, and the batch is not part of it")]
    OutsideOfTransaction,
    #[error("the partition's disk failed; see the server's log")]
    DiskFailed,
    #[error("the topic is being deleted")]
    BeingDeleted,
    #[error("the server is stopping")]
    Stopping,
    /// This write failed.
    #[error(transparent)]
    NotWritten(LogError),
}

impl AppendError {
    /// Whether the partition looked at the batch, and does not refuse it for what any broker would refuse: then the answer tells its first
    /// offset, as Kafka's does.
    pub(crate) fn is_by_partition(&self) -> bool {
        match self {
            AppendError::Batch(BatchError::Record(_))
            | AppendError::BaseOffset(_)
            | AppendError::ControlRecords
            | AppendError::NoProducerId
            | AppendError::NoSequence
            | AppendError::WithoutKey(_)
            | AppendError::Timestamps(_)
            | AppendError::ProducerFenced
            | AppendError::OutOfOrder
            | AppendError::NotAdded
            | AppendError::OutsideOfTransaction => true,
            AppendError::Batch(_)
            | AppendError::NotOneBatch
            | AppendError::CutOff
            | AppendError::TooLarge { .. }
            | AppendError::LargerThanSegment
            | AppendError::NoRoom
            | AppendError::ZstdTooEarly
            | AppendError::NoTransactionalId
            | AppendError::CoordinatorFenced
            | AppendError::DiskFailed
            | AppendError::BeingDeleted
            | AppendError::Stopping
            | AppendError::NotWritten(_) => false,
        }
    }

    /// The records that it names one by one.
    pub(crate) fn into_records(self) -> Vec<RefusedRecord> {
        match self {
            AppendError::WithoutKey(records) | AppendError::Timestamps(records) => records,
            _ => Vec::new(),
        }
    }
}

/// Why what was written is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum NotDurable {
    #[error("the disk failed before it was durable")]
    DiskFailed,
    #[error("the topic was deleted before it was durable")]
    BeingDeleted,
    /// The partition is gone, and no sync follows.
    #[error("the server stopped before it was durable")]
    Abandoned,
}

/// An offset that the partition does not have: gone, or not written yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the partition does not have this offset")]
pub(crate) struct OffsetOutOfRange;

/// Why records are not deleted.
#[derive(Debug, Error)]
pub(crate) enum DeleteRecordsError {
    #[error(transparent)]
    OutOfRange(#[from] OffsetOutOfRange),
    /// Where the log begins could not be saved, or a file not be removed.
    #[error(transparent)]
    DiskFailed(LogError),
}
