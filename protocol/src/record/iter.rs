//! Reading the records of a batch.

use crate::limit;
use bytes::Bytes;
use thiserror::Error;

/// Why the records of a batch cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordError {
    /// A record ends before its fields do, or announces a length that cannot be.
    #[error("record {0} is malformed")]
    Malformed(i32),
    /// Its offset does not follow the one before.
    #[error("record {0} has the wrong offset delta")]
    OffsetDelta(i32),
    /// More or fewer than the header says.
    #[error("the batch does not hold the {0} records that it announces")]
    Count(i32),
}

/// A record's header. A record may have several with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The key; the protocol does not demand UTF-8.
    pub key: Bytes,
    /// The value, or null.
    pub value: Option<Bytes>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its timestamp, ms.
    pub timestamp: i64,
    /// Its key, or null.
    pub key: Option<Bytes>,
    /// Its value, or null.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
}

/// What a walk sees of a record without making it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// Its place in the batch.
    pub index: i32,
    /// The distance of its offset from the batch's base offset: more than its place where compaction has left records out.
    pub offset_delta: i32,
    /// Its timestamp by itself, ms, whatever the batch says of all.
    pub timestamp: i64,
    /// Whether it has a key.
    pub has_key: bool,
}

/// What walking the records shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The largest timestamp, ms.
    pub max_timestamp: i64,
    /// The smallest timestamp, ms; −1, which means none, counts only if all have it.
    pub min_timestamp: i64,
    /// The first record without a key.
    pub first_without_key: Option<i32>,
    /// To how many bytes the records inflated.
    pub inflated_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Timestamps {
    /// Every record has this one.
    All(i64),
    /// Deltas count from this one.
    From(i64),
}

/// A variable-length zigzag integer at the start of `bytes`, and how long it is.
#[inline]
fn varlong(bytes: &[u8]) -> Option<(i64, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((i64::from(first >> 1) ^ -i64::from(first & 1), 1));
    }
    let mut value = u64::from(first & 0x7f);
    for (place, &byte) in bytes.iter().enumerate().take(10).skip(1) {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(((value >> 1) as i64 ^ -((value & 1) as i64), place + 1));
        }
    }
    None
}

/// A cursor within one record.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    #[inline]
    fn varlong(&mut self) -> Option<i64> {
        let (value, length) = varlong(self.bytes.get(self.at..)?)?;
        self.at += length;
        Some(value)
    }

    #[inline]
    fn varint(&mut self) -> Option<i32> {
        i32::try_from(self.varlong()?).ok()
    }

    /// A length and as many bytes; the outer `None` is malformed, the inner one null.
    #[inline]
    fn span(&mut self) -> Option<Option<(usize, usize)>> {
        let length = self.varint()?;
        if length < 0 {
            return (length == -1).then_some(None);
        }
        let from = self.at;
        let to = from.checked_add(length as usize).filter(|&to| to <= self.bytes.len())?;
        self.at = to;
        Some(Some((from, to)))
    }
}

/// Where the parts of one record are.
struct Layout {
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<(usize, usize)>,
    value: Option<(usize, usize)>,
    headers_at: usize,
    header_count: i32,
    end: usize,
}

#[inline]
fn layout(body: &[u8], at: usize) -> Option<Layout> {
    let mut fields = Fields { bytes: body, at };
    let length = usize::try_from(fields.varint()?).ok()?;
    let end = fields.at.checked_add(length).filter(|&end| end <= body.len())?;
    fields.bytes = &body[..end];
    fields.at += 1; // attributes, unused
    let timestamp_delta = fields.varlong()?;
    let offset_delta = fields.varint()?;
    let key = fields.span()?;
    let value = fields.span()?;
    let header_count = fields.varint()?;
    let headers_at = fields.at;
    if !(0..=limit::HEADERS_MAX).contains(&header_count) || header_count as usize > end - headers_at {
        return None;
    }
    for _ in 0..header_count {
        fields.span()??;
        fields.span()?;
    }
    (fields.at == end).then_some(Layout { timestamp_delta, offset_delta, key, value, headers_at, header_count, end })
}

impl Default for Summary {
    fn default() -> Self {
        Summary { max_timestamp: -1, min_timestamp: -1, first_without_key: None, inflated_bytes: 0 }
    }
}

impl Summary {
    /// Takes a record in.
    pub(super) fn note(&mut self, record: Outline) {
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        if self.min_timestamp == -1 || (record.timestamp != -1 && record.timestamp < self.min_timestamp) {
            self.min_timestamp = record.timestamp;
        }
        if !record.has_key && self.first_without_key.is_none() {
            self.first_without_key = Some(record.index);
        }
    }
}

/// Shows each record's outline until `see` has seen enough. A walk to the end compares the count, too.
pub(super) fn walk(body: &[u8], base_timestamp: i64, count: i32, mut see: impl FnMut(Outline) -> bool) -> Result<(), RecordError> {
    let mut at = 0;
    for index in 0..count {
        if at >= body.len() {
            return Err(RecordError::Count(count));
        }
        let record = layout(body, at).ok_or(RecordError::Malformed(index))?;
        let timestamp = base_timestamp.saturating_add(record.timestamp_delta);
        if !see(Outline { index, offset_delta: record.offset_delta, timestamp, has_key: record.key.is_some() }) {
            return Ok(());
        }
        at = record.end;
    }
    if at == body.len() { Ok(()) } else { Err(RecordError::Count(count)) }
}

pub(super) fn records(
    body: Bytes,
    base_offset: i64,
    timestamps: Timestamps,
    count: i32,
) -> impl Iterator<Item = Result<Record, RecordError>> {
    let mut at = 0;
    let mut index = 0;
    std::iter::from_fn(move || {
        if index >= count {
            return None;
        }
        let Some(found) = layout(&body, at) else {
            let error = RecordError::Malformed(index);
            index = count;
            return Some(Err(error));
        };
        at = found.end;
        index += 1;
        let shared = |(from, to): (usize, usize)| body.slice(from..to);
        let mut headers = Vec::with_capacity(found.header_count as usize);
        let mut fields = Fields { bytes: &body[..found.end], at: found.headers_at };
        for _ in 0..found.header_count {
            if let (Some(Some(key)), Some(value)) = (fields.span(), fields.span()) {
                headers.push(Header { key: shared(key), value: value.map(shared) });
            }
        }
        Some(Ok(Record {
            offset: base_offset.saturating_add(i64::from(found.offset_delta)),
            timestamp: match timestamps {
                Timestamps::All(timestamp) => timestamp,
                Timestamps::From(base) => base.saturating_add(found.timestamp_delta),
            },
            key: found.key.map(shared),
            value: found.value.map(shared),
            headers,
        }))
    })
}
