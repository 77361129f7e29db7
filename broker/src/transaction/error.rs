//! Why the coordinator of transactions does not do what it is asked for.

use thiserror::Error;

use crate::journal::JournalError;

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum TransactionError {
    #[error("the transactional id is empty")]
    NoId,
    #[error("the transactional id is too long")]
    IdTooLong,
    #[error("nobody has used the transactional id")]
    UnknownId,
    #[error("the timeout of a transaction cannot be as long as this")]
    InvalidTimeout,
    #[error("the transactional id belongs to another producer id, or to none")]
    OtherProducer,
    #[error("a newer producer has the transactional id")]
    Fenced,
    /// The transaction before it has not ended yet; the client tries again.
    #[error("the last transaction is being ended still")]
    Ending,
    #[error("the partition was not added to the transaction")]
    NotAdded,
    #[error("there is no transaction that could be ended so")]
    NotToBeEnded,
    #[error("no producer id could be reserved")]
    NoProducerId,
    /// The decision stands, and is told to the partitions again.
    #[error("the end of the transaction has not come to all partitions")]
    NotCompleted,
    /// What was decided could not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
