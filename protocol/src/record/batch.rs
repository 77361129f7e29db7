//! A view of one batch over shared bytes. Making one checks length, magic and nothing else; the checksum and
//! the records inside are checked when asked for.

use bytes::{Bytes, BytesMut};

use super::batch_error::BatchError;
use super::compression::{self, Codec, CompressionError};
use super::iter::{self, Outline, Record, RecordError, Summary};
use super::stream::{self, Stream};
use crate::limit::WALKED_IN_MEMORY_BYTES_MAX;

/// The header, up to the first record.
pub const HEADER_BYTES: usize = 61;
/// Base offset and batch length: what must be there to know where the batch ends.
pub const PREFIX_BYTES: usize = 12;
/// Base offset, length and leader epoch: the part that a broker rewrites.
pub const STAMPED_BYTES: usize = 16;
/// The only version of batches.
pub const MAGIC: i8 = 2;

const MAGIC_AT: usize = 16;
const CHECKSUM_AT: usize = 17;
const CHECKED_FROM: usize = 21;

/// The bits of the codec.
pub const CODEC_MASK: i16 = 0b0000_0111;
const LOG_APPEND_TIME: i16 = 1 << 3;
/// The bit of a batch that belongs to a transaction.
pub const TRANSACTIONAL: i16 = 1 << 4;
/// The bit of a batch that is no data.
pub const CONTROL: i16 = 1 << 5;

/// The bit of a batch whose base timestamp says until when its deletions are kept (KIP-534).
pub const DELETE_HORIZON: i16 = 1 << 6;

/// One batch. Base offset and leader epoch stand beside the bytes, so that a broker can give a batch its
/// place in a log without copying it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    base_offset: i64,
    leader_epoch: i32,
    bytes: Bytes,
}

fn at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[offset..offset + N]);
    field
}

/// How many bytes the batch at the start of `bytes` has in all; `None` while its length is not there yet.
pub fn total_bytes(bytes: &[u8]) -> Option<Result<usize, BatchError>> {
    let prefix: &[u8; PREFIX_BYTES] = bytes.first_chunk()?;
    let length = i32::from_be_bytes(at(prefix, 8));
    Some(match usize::try_from(length) {
        Ok(length) if length >= HEADER_BYTES - PREFIX_BYTES => Ok(PREFIX_BYTES + length),
        _ => Err(BatchError::Length(length)),
    })
}

/// Walks the batches in `bytes`. Ends after the first error, and before a last batch that is cut off.
pub fn split(mut bytes: Bytes) -> impl Iterator<Item = Result<RecordBatch, BatchError>> {
    std::iter::from_fn(move || {
        match total_bytes(&bytes)? {
            Ok(total) if total > bytes.len() => None,
            Ok(total) => Some(RecordBatch::new(bytes.split_to(total))),
            Err(error) => Some(Err(error)),
        }
        .inspect(|result| {
            if result.is_err() {
                bytes.clear();
            }
        })
    })
}

impl RecordBatch {
    /// Takes exactly one batch.
    pub fn new(bytes: Bytes) -> Result<Self, BatchError> {
        let wanted = match total_bytes(&bytes) {
            Some(total) => total?,
            None => HEADER_BYTES,
        };
        if wanted > bytes.len() {
            return Err(BatchError::Truncated { wanted, left: bytes.len() });
        }
        let base_offset = i64::from_be_bytes(at(&bytes, 0));
        let leader_epoch = i32::from_be_bytes(at(&bytes, 12));
        let batch = RecordBatch { base_offset, leader_epoch, bytes: bytes.slice(..wanted) };
        match batch.magic() {
            MAGIC => Ok(batch),
            other => Err(BatchError::Magic(other)),
        }
    }

    /// How many bytes it has.
    pub fn total_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The first 16 bytes, which hold its place in the log.
    pub fn prefix(&self) -> [u8; STAMPED_BYTES] {
        let mut prefix: [u8; STAMPED_BYTES] = at(&self.bytes, 0);
        prefix[..8].copy_from_slice(&self.base_offset.to_be_bytes());
        prefix[12..].copy_from_slice(&self.leader_epoch.to_be_bytes());
        prefix
    }

    /// Everything after [`RecordBatch::prefix`], shared.
    pub fn rest(&self) -> Bytes {
        self.bytes.slice(STAMPED_BYTES..)
    }

    /// The whole batch in bytes of its own.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::from(&self.bytes[..]);
        bytes[..STAMPED_BYTES].copy_from_slice(&self.prefix());
        bytes.freeze()
    }

    /// The same batch at a place in a log.
    pub fn stamped(&self, base_offset: i64, leader_epoch: i32) -> RecordBatch {
        RecordBatch { base_offset, leader_epoch, bytes: self.bytes.clone() }
    }

    /// The same batch in bytes of its own, so that a small batch does not hold on to a large frame.
    pub fn detached(&self) -> RecordBatch {
        RecordBatch { bytes: Bytes::copy_from_slice(&self.bytes), ..*self }
    }

    /// The version.
    pub fn magic(&self) -> i8 {
        self.bytes[MAGIC_AT] as i8
    }

    /// Offset of the first record.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset().saturating_add(i64::from(self.last_offset_delta()))
    }

    /// Epoch of the leader that wrote it.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The bit field.
    pub fn attributes(&self) -> i16 {
        i16::from_be_bytes(at(&self.bytes, 21))
    }

    /// The codec.
    pub fn codec(&self) -> Result<Codec, CompressionError> {
        Codec::from_bits(self.attributes() & CODEC_MASK)
    }

    /// Whether the timestamps are the broker's.
    pub fn has_log_append_time(&self) -> bool {
        self.attributes() & LOG_APPEND_TIME != 0
    }

    /// Whether it belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes() & TRANSACTIONAL != 0
    }

    /// Whether it marks the end of a transaction.
    pub fn is_control(&self) -> bool {
        self.attributes() & CONTROL != 0
    }

    /// Until when deletions in it are kept, ms, if compaction has said so.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes() & DELETE_HORIZON != 0).then(|| self.base_timestamp())
    }

    /// Distance of the last record's offset from the first.
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(at(&self.bytes, 23))
    }

    /// Timestamp that the records' deltas count from, ms.
    pub fn base_timestamp(&self) -> i64 {
        i64::from_be_bytes(at(&self.bytes, 27))
    }

    /// Largest timestamp, ms.
    pub fn max_timestamp(&self) -> i64 {
        i64::from_be_bytes(at(&self.bytes, 35))
    }

    /// The producer, or −1.
    pub fn producer_id(&self) -> i64 {
        i64::from_be_bytes(at(&self.bytes, 43))
    }

    /// The producer's epoch.
    pub fn producer_epoch(&self) -> i16 {
        i16::from_be_bytes(at(&self.bytes, 51))
    }

    /// The first record's sequence number, or −1.
    pub fn base_sequence(&self) -> i32 {
        i32::from_be_bytes(at(&self.bytes, 53))
    }

    /// The last record's sequence number; after 2³¹−1 comes 0.
    pub fn last_sequence(&self) -> i32 {
        advance_sequence(self.base_sequence(), self.last_offset_delta())
    }

    /// How many records it says to hold.
    pub fn record_count(&self) -> i32 {
        i32::from_be_bytes(at(&self.bytes, 57))
    }

    /// Compares the checksum with the content.
    pub fn verify_checksum(&self) -> Result<(), BatchError> {
        let stored = u32::from_be_bytes(at(&self.bytes, CHECKSUM_AT));
        let computed = crc32c::crc32c(&self.bytes[CHECKED_FROM..]);
        if stored == computed { Ok(()) } else { Err(BatchError::Checksum { stored, computed }) }
    }

    /// The records as one block, inflated if need be, to at most `bytes_max`.
    pub fn body(&self, bytes_max: usize) -> Result<Bytes, BatchError> {
        let body = self.bytes.slice(HEADER_BYTES..);
        Ok(compression::decompress(self.codec()?, body, bytes_max)?)
    }

    /// Reads the records, sharing the batch's bytes unless they are compressed.
    pub fn records(&self, bytes_max: usize) -> Result<impl Iterator<Item = Result<Record, RecordError>>, BatchError> {
        Ok(iter::records(self.body(bytes_max)?, self.base_offset(), self.record_timestamps(), self.record_count()))
    }

    /// Walks the records without making them: are they whole, in order, and as many as announced?
    pub fn check_records(&self, bytes_max: usize) -> Result<Summary, BatchError> {
        let mut summary = Summary::default();
        let mut misplaced = None;
        summary.inflated_bytes = self.walk_records(bytes_max, |record| {
            if record.offset_delta != record.index {
                misplaced = Some(record.index);
            }
            summary.note(record);
            misplaced.is_none()
        })?;
        misplaced.map_or(Ok(summary), |index| Err(RecordError::OffsetDelta(index).into()))
    }

    /// Shows each record's outline until `see` has seen enough, and says to how many bytes that inflated. However many those are, up to
    /// `bytes_max`, only a few of them are in memory at a time.
    pub fn walk_records(&self, bytes_max: usize, mut see: impl FnMut(Outline) -> bool) -> Result<usize, BatchError> {
        let (base_timestamp, count) = (self.base_timestamp(), self.record_count());
        match self.body(bytes_max.min(WALKED_IN_MEMORY_BYTES_MAX)) {
            Err(BatchError::Compression(CompressionError::TooLarge(_))) if bytes_max > WALKED_IN_MEMORY_BYTES_MAX => {}
            body => {
                let body = body?;
                iter::walk(&body, base_timestamp, count, see)?;
                return Ok(body.len());
            }
        }
        let codec = self.codec()?;
        match compression::reader(codec, &self.bytes[HEADER_BYTES..])? {
            Some(from) => stream::walk(Stream { from, codec, bytes_max }, base_timestamp, count, see),
            None => {
                let body = self.body(bytes_max)?;
                iter::walk(&body, base_timestamp, count, &mut see)?;
                Ok(body.len())
            }
        }
    }

    fn record_timestamps(&self) -> iter::Timestamps {
        if self.has_log_append_time() { iter::Timestamps::All(self.max_timestamp()) } else { iter::Timestamps::From(self.base_timestamp()) }
    }

    /// A copy whose records all have the broker's time, with a new checksum.
    pub fn with_log_append_time(&self, now_ms: i64) -> RecordBatch {
        self.rewritten(|bytes| {
            let attributes = self.attributes() | LOG_APPEND_TIME;
            bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
            bytes[35..43].copy_from_slice(&now_ms.to_be_bytes());
        })
    }

    /// A copy whose records have the client's times, the largest of which is given, with a new checksum.
    pub fn with_create_time(&self, max_timestamp: i64) -> RecordBatch {
        self.rewritten(|bytes| {
            let attributes = self.attributes() & !LOG_APPEND_TIME;
            bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
            bytes[35..43].copy_from_slice(&max_timestamp.to_be_bytes());
        })
    }

    fn rewritten(&self, change: impl FnOnce(&mut [u8])) -> RecordBatch {
        let mut bytes = BytesMut::from(&self.bytes[..]);
        change(&mut bytes);
        let checksum = crc32c::crc32c(&bytes[CHECKED_FROM..]);
        bytes[CHECKSUM_AT..CHECKED_FROM].copy_from_slice(&checksum.to_be_bytes());
        RecordBatch { bytes: bytes.freeze(), ..*self }
    }
}

/// A sequence number some records later.
pub fn advance_sequence(sequence: i32, by: i32) -> i32 {
    ((i64::from(sequence) + i64::from(by)) & i64::from(i32::MAX)) as i32
}
