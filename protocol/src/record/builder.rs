//! Making a batch out of records.

use bytes::{BufMut, Bytes, BytesMut};

use super::Record;
use super::batch::{CODEC_MASK, DELETE_HORIZON, HEADER_BYTES, MAGIC, RecordBatch};
use super::batch_error::BatchError;
use super::compression::{self, Codec, CompressionError};

/// A record to be written, borrowed.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRecord<'a> {
    /// Its timestamp, ms.
    pub timestamp: i64,
    /// Its key, or null.
    pub key: Option<&'a [u8]>,
    /// Its value, or null.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: &'a [super::Header],
}

/// A batch being filled.
#[derive(Debug)]
pub struct BatchBuilder {
    body: BytesMut,
    scratch: BytesMut,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    codec: Codec,
    producer: (i64, i16, i32),
    attributes: i16,
}

fn put_varlong(to: &mut BytesMut, value: i64) {
    let mut bits = (value << 1 ^ value >> 63) as u64;
    while bits >= 0x80 {
        to.put_u8(bits as u8 | 0x80);
        bits >>= 7;
    }
    to.put_u8(bits as u8);
}

fn put_span(to: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varlong(to, -1),
        Some(bytes) => {
            put_varlong(to, bytes.len() as i64);
            to.put_slice(bytes);
        }
    }
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new(codec: Codec) -> Self {
        BatchBuilder {
            body: BytesMut::new(),
            scratch: BytesMut::new(),
            count: 0,
            base_timestamp: 0,
            max_timestamp: -1,
            codec,
            producer: (-1, -1, -1),
            attributes: 0,
        }
    }

    /// Makes it an idempotent producer's: id, epoch and the sequence number of the first record.
    pub fn set_producer(&mut self, id: i64, epoch: i16, base_sequence: i32) {
        self.producer = (id, epoch, base_sequence);
    }

    /// Sets further bits of the attributes: for tests, and for markers of transactions.
    pub fn set_attributes(&mut self, bits: i16) {
        self.attributes = bits;
    }

    /// Appends a record.
    pub fn push(&mut self, record: NewRecord<'_>) {
        if self.count == 0 {
            self.base_timestamp = record.timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        let delta = record.timestamp - self.base_timestamp;
        let (body, scratch) = (&mut self.body, &mut self.scratch);
        put_record(body, scratch, delta, i64::from(self.count), record.key, record.value, record.headers);
        self.count += 1;
    }

    /// How many records it has.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// How many bytes it has before compression.
    pub fn bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    /// The batch, with base offset 0.
    pub fn build(self) -> Result<RecordBatch, CompressionError> {
        let body = compression::compress(self.codec, self.body.freeze())?;
        let header = HeaderToWrite {
            attributes: self.codec as i16 | self.attributes,
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer: self.producer,
            count: self.count,
        };
        Ok(header.with_body(&body))
    }
}

/// `scratch` is room that is used again.
fn put_record(
    body: &mut BytesMut,
    scratch: &mut BytesMut,
    timestamp_delta: i64,
    offset_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[super::Header],
) {
    scratch.clear();
    scratch.put_u8(0);
    put_varlong(scratch, timestamp_delta);
    put_varlong(scratch, offset_delta);
    put_span(scratch, key);
    put_span(scratch, value);
    put_varlong(scratch, headers.len() as i64);
    for header in headers {
        put_span(scratch, Some(&header.key));
        put_span(scratch, header.value.as_deref());
    }
    put_varlong(body, scratch.len() as i64);
    body.put_slice(scratch);
}

/// The same batch with some of its records, at their offsets: what compaction leaves of it. With a delete horizon, which is
/// then the batch's base timestamp, readers know until when deletions in it are kept (KIP-534).
pub fn with_records(batch: &RecordBatch, records: &[Record], delete_horizon_ms: Option<i64>) -> Result<RecordBatch, BatchError> {
    let base_timestamp = delete_horizon_ms.unwrap_or_else(|| batch.base_timestamp());
    let mut body = BytesMut::new();
    let mut scratch = BytesMut::new();
    for record in records {
        // A record of a batch with the broker's time has no time of its own.
        let timestamp = if batch.has_log_append_time() { base_timestamp } else { record.timestamp };
        put_record(
            &mut body,
            &mut scratch,
            timestamp.wrapping_sub(base_timestamp),
            record.offset - batch.base_offset(),
            record.key.as_deref(),
            record.value.as_deref(),
            &record.headers,
        );
    }
    let horizon = if delete_horizon_ms.is_some() { DELETE_HORIZON } else { batch.attributes() & DELETE_HORIZON };
    // Nothing, compressed, is something: librdkafka ends its process over a batch without records that has a body.
    let codec = if records.is_empty() { Codec::None } else { batch.codec()? };
    rebuilt(batch, codec, batch.attributes() | horizon, base_timestamp, records.len() as i32, body.freeze())
}

/// The same batch with another codec, compressed with a level where the codec has levels.
pub fn with_codec(batch: &RecordBatch, codec: Codec, level: Option<i32>, inflated_max: usize) -> Result<RecordBatch, BatchError> {
    let body = compression::compress_at(codec, level, batch.body(inflated_max)?)?;
    Ok(assembled(batch, codec, batch.attributes(), batch.base_timestamp(), batch.record_count(), &body))
}

fn rebuilt(
    batch: &RecordBatch,
    codec: Codec,
    attributes: i16,
    base_timestamp: i64,
    count: i32,
    body: Bytes,
) -> Result<RecordBatch, BatchError> {
    let body = compression::compress(codec, body)?;
    Ok(assembled(batch, codec, attributes, base_timestamp, count, &body))
}

/// A batch with this body, which is compressed already.
fn assembled(batch: &RecordBatch, codec: Codec, attributes: i16, base_timestamp: i64, count: i32, body: &[u8]) -> RecordBatch {
    let header = HeaderToWrite {
        attributes: (attributes & !CODEC_MASK) | codec as i16,
        last_offset_delta: batch.last_offset_delta(),
        base_timestamp,
        max_timestamp: batch.max_timestamp(),
        producer: (batch.producer_id(), batch.producer_epoch(), batch.base_sequence()),
        count,
    };
    header.with_body(body).stamped(batch.base_offset(), batch.leader_epoch())
}

/// What stands before the records.
struct HeaderToWrite {
    attributes: i16,
    last_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    producer: (i64, i16, i32),
    count: i32,
}

impl HeaderToWrite {
    fn with_body(&self, body: &[u8]) -> RecordBatch {
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + body.len());
        bytes.put_i64(0);
        bytes.put_i32((HEADER_BYTES - 12 + body.len()) as i32);
        bytes.put_i32(-1);
        bytes.put_i8(MAGIC);
        bytes.put_u32(0);
        bytes.put_i16(self.attributes);
        bytes.put_i32(self.last_offset_delta);
        bytes.put_i64(self.base_timestamp);
        bytes.put_i64(self.max_timestamp);
        bytes.put_i64(self.producer.0);
        bytes.put_i16(self.producer.1);
        bytes.put_i32(self.producer.2);
        bytes.put_i32(self.count);
        bytes.put_slice(body);
        let checksum = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
        RecordBatch::new(bytes.freeze()).expect("a batch of our own making is well formed")
    }
}
