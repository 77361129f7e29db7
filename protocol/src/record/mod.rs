//! Record batches, version 2: what travels, and what a segment holds, byte for byte.
//!
//! ```text
//!  0 base offset        i64   ┐ rewritten by the broker, outside the checksum
//!  8 batch length       i32   │ bytes after this field
//! 12 leader epoch       i32   ┘ rewritten by the broker
//! 16 magic              i8    2
//! 17 checksum           u32   CRC-32C over byte 21 to the end
//! 21 attributes         i16   codec 0–2 · timestamp type 3 · transactional 4 · control 5 · delete horizon 6
//! 23 last offset delta  i32
//! 27 base timestamp     i64
//! 35 max timestamp      i64
//! 43 producer id        i64   −1 when not idempotent
//! 51 producer epoch     i16
//! 53 base sequence      i32
//! 57 record count       i32
//! 61 records            compressed as one block when a codec is set
//! ```
//!
//! [`batch`] is a view that copies nothing, [`iter`] reads the records, [`builder`] makes a batch,
//! `stream` walks what is too much for memory, `stored` is what an answer sends without having it there, [`compression`] has the codecs, [`marker`] the control batches that end transactions.

pub mod batch;
mod batch_error;
pub mod builder;
pub mod compression;
pub mod iter;
pub mod marker;
mod stored;
mod stream;

use std::sync::Arc;

use bytes::Bytes;

pub use batch::RecordBatch;
pub use batch_error::BatchError;
pub use builder::{BatchBuilder, NewRecord};
pub use compression::Codec;
pub use iter::{Header, Outline, Record, RecordError, Summary};
pub use marker::Marker;
pub use stored::Stored;

/// A part of [`Records`].
#[derive(Debug, Clone)]
pub enum Piece {
    /// Whole batches, and perhaps a cut-off last one.
    Raw(Bytes),
    /// One batch whose place in the log stands beside its bytes.
    Batch(RecordBatch),
    /// Whole batches that are not in memory.
    Stored(Arc<dyn Stored>),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Piece::Raw(bytes) => bytes.len(),
            Piece::Batch(batch) => batch.total_bytes(),
            Piece::Stored(stored) => stored.len(),
        }
    }
}

/// Batches as they travel: one piece in a request, a gather list in a response.
#[derive(Debug, Clone, Default)]
pub struct Records {
    pieces: Vec<Piece>,
}

impl Records {
    /// From pieces that follow one another.
    pub fn from_pieces(pieces: Vec<Piece>) -> Self {
        Records { pieces }
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// How many bytes all pieces have.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batches. Ends after the first error; a cut-off last batch of a piece is left out.
    pub fn batches(&self) -> impl Iterator<Item = Result<RecordBatch, BatchError>> + '_ {
        self.pieces.iter().flat_map(|piece| {
            let (raw, batch) = match piece {
                Piece::Raw(bytes) => (bytes.clone(), None),
                Piece::Batch(batch) => (Bytes::new(), Some(Ok(batch.clone()))),
                Piece::Stored(stored) => match stored.read() {
                    Ok(bytes) => (bytes, None),
                    Err(_) => (Bytes::new(), Some(Err(BatchError::Truncated { wanted: stored.len(), left: 0 }))),
                },
            };
            batch.into_iter().chain(batch::split(raw))
        })
    }

    /// All bytes in one; a single piece that came off the wire is shared. What is stored elsewhere and cannot be read is left out.
    pub fn to_bytes(&self) -> Bytes {
        if let [Piece::Raw(bytes)] = self.pieces.as_slice() {
            return bytes.clone();
        }
        let mut all = bytes::BytesMut::with_capacity(self.len());
        for piece in &self.pieces {
            match piece {
                Piece::Raw(bytes) => all.extend_from_slice(bytes),
                Piece::Batch(batch) => {
                    all.extend_from_slice(&batch.prefix());
                    all.extend_from_slice(&batch.rest());
                }
                Piece::Stored(stored) => all.extend_from_slice(&stored.read().unwrap_or_default()),
            }
        }
        all.freeze()
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Records { pieces: if bytes.is_empty() { Vec::new() } else { vec![Piece::Raw(bytes)] } }
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}
