//! Transactions: producers begin and end them, and those who look after them list, describe and end those that hang. One file an API, with the
//! name of its message.

pub(crate) mod add_offsets_to_txn;
pub(crate) mod add_partitions_to_txn;
pub(crate) mod describe_producers;
pub(crate) mod describe_transactions;
pub(crate) mod end_txn;
pub(crate) mod init_producer_id;
pub(crate) mod list_transactions;
pub(crate) mod txn_offset_commit;
pub(crate) mod write_txn_markers;

use millstream_protocol::ErrorCode;

use crate::transaction::TransactionError;

/// Clients of old versions know a fenced producer by an older name.
pub(super) fn fenced_as(error: TransactionError, is_old: bool) -> ErrorCode {
    if is_old && error == TransactionError::Fenced { ErrorCode::INVALID_PRODUCER_EPOCH } else { error.code() }
}
