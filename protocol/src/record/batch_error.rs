//! Why bytes are not a batch.

use thiserror::Error;

use super::compression::CompressionError;
use super::iter::RecordError;

/// Why bytes are not a batch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchError {
    /// The bytes end before the batch does.
    #[error("batch announces {wanted} bytes, {left} are there")]
    Truncated {
        /// How many bytes it announces, or a header needs.
        wanted: usize,
        /// How many there are.
        left: usize,
    },
    /// A length that no batch can have.
    #[error("batch length {0} is impossible")]
    Length(i32),
    /// Another version.
    #[error("batch has magic {0}, only 2 is served")]
    Magic(i8),
    /// The checksum does not fit the content.
    #[error("batch has checksum {stored:08x}, its content {computed:08x}")]
    Checksum {
        /// What the header says.
        stored: u32,
        /// What the content has.
        computed: u32,
    },
    /// In a log: its offset, which is not under the checksum, is not where it stands.
    #[error("batch begins at offset {found}, {expected} or a little more expected")]
    Misplaced {
        /// What it says.
        found: i64,
        /// One past the batch before it.
        expected: i64,
    },
    /// The records inside are malformed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The records cannot be inflated.
    #[error(transparent)]
    Compression(#[from] CompressionError),
}
