//! Making a batch out of records.

use bytes::{BufMut, Bytes, BytesMut};

use super::batch::{HEADER_BYTES, MAGIC, RecordBatch};
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
        let scratch = &mut self.scratch;
        scratch.clear();
        scratch.put_u8(0);
        put_varlong(scratch, record.timestamp - self.base_timestamp);
        put_varlong(scratch, i64::from(self.count));
        put_span(scratch, record.key);
        put_span(scratch, record.value);
        put_varlong(scratch, record.headers.len() as i64);
        for header in record.headers {
            put_span(scratch, Some(&header.key));
            put_span(scratch, header.value.as_deref());
        }
        put_varlong(&mut self.body, scratch.len() as i64);
        self.body.put_slice(scratch);
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
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + body.len());
        bytes.put_i64(0);
        bytes.put_i32((HEADER_BYTES - 12 + body.len()) as i32);
        bytes.put_i32(-1);
        bytes.put_i8(MAGIC);
        bytes.put_u32(0);
        bytes.put_i16(self.codec as i16 | self.attributes);
        bytes.put_i32(self.count - 1);
        bytes.put_i64(self.base_timestamp);
        bytes.put_i64(self.max_timestamp);
        bytes.put_i64(self.producer.0);
        bytes.put_i16(self.producer.1);
        bytes.put_i32(self.producer.2);
        bytes.put_i32(self.count);
        bytes.put_slice(&body);
        let checksum = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
        Ok(RecordBatch::new(bytes.freeze()).expect("a batch of our own making is well formed"))
    }
}

/// A batch of records in one call: for tests and small writers.
pub fn batch_of(codec: Codec, records: &[NewRecord<'_>]) -> Result<Bytes, CompressionError> {
    let mut builder = BatchBuilder::new(codec);
    records.iter().for_each(|record| builder.push(*record));
    Ok(builder.build()?.to_bytes())
}
