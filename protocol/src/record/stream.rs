//! Walking the records of a batch that inflates to more than one wants in memory: piece by piece, keys and values skipped.

use std::io::Read;

use super::batch_error::BatchError;
use super::compression::{Codec, CompressionError};
use super::iter::{Outline, RecordError};
use crate::limit;

/// How much is inflated at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What is being walked.
pub(super) struct Stream<'a> {
    pub from: Box<dyn Read + 'a>,
    pub codec: Codec,
    /// The most that may come.
    pub bytes_max: usize,
}

/// Shows each record's outline until `see` has seen enough, as a walk in memory does, and says how far it came.
pub(super) fn walk(stream: Stream<'_>, base_timestamp: i64, count: i32, mut see: impl FnMut(Outline) -> bool) -> Result<usize, BatchError> {
    let mut cursor = Cursor { stream, piece: vec![0; PIECE_BYTES], at: 0, filled: 0, begun: 0 };
    for index in 0..count {
        if !cursor.has_more()? {
            return Err(RecordError::Count(count).into());
        }
        let outline = cursor.record(index, base_timestamp)?.ok_or(RecordError::Malformed(index))?;
        if !see(outline) {
            return Ok(cursor.position());
        }
    }
    if cursor.has_more()? { Err(RecordError::Count(count).into()) } else { Ok(cursor.position()) }
}

/// A place in the stream.
struct Cursor<'a> {
    stream: Stream<'a>,
    piece: Vec<u8>,
    /// Where in the piece.
    at: usize,
    filled: usize,
    /// How many bytes came before the piece.
    begun: usize,
}

impl Cursor<'_> {
    fn position(&self) -> usize {
        self.begun + self.at
    }

    /// Whether there is another byte; inflates the next piece if need be.
    fn has_more(&mut self) -> Result<bool, BatchError> {
        if self.at < self.filled {
            return Ok(true);
        }
        self.begun += self.filled;
        self.at = 0;
        self.filled = loop {
            match self.stream.from.read(&mut self.piece) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.stream.codec.damaged(error).into()),
                Ok(filled) => break filled,
            }
        };
        if self.begun + self.filled > self.stream.bytes_max {
            return Err(CompressionError::TooLarge(self.stream.bytes_max).into());
        }
        Ok(self.filled > 0)
    }

    fn byte(&mut self) -> Result<Option<u8>, BatchError> {
        if !self.has_more()? {
            return Ok(None);
        }
        self.at += 1;
        Ok(Some(self.piece[self.at - 1]))
    }

    fn varlong(&mut self) -> Result<Option<i64>, BatchError> {
        let mut value = 0u64;
        for place in 0..10 {
            let Some(byte) = self.byte()? else { return Ok(None) };
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(Some((value >> 1) as i64 ^ -((value & 1) as i64)));
            }
        }
        Ok(None)
    }

    fn varint(&mut self) -> Result<Option<i32>, BatchError> {
        Ok(self.varlong()?.and_then(|value| i32::try_from(value).ok()))
    }

    fn skip(&mut self, mut count: usize) -> Result<Option<()>, BatchError> {
        while count > 0 {
            if !self.has_more()? {
                return Ok(None);
            }
            let step = count.min(self.filled - self.at);
            self.at += step;
            count -= step;
        }
        Ok(Some(()))
    }

    /// A length and as many bytes, not beyond `end`; the inner value says whether they are there and not null.
    fn span(&mut self, end: usize) -> Result<Option<bool>, BatchError> {
        match self.varint()? {
            Some(-1) => Ok(Some(false)),
            Some(length) if length >= 0 && self.position() + length as usize <= end => Ok(self.skip(length as usize)?.map(|()| true)),
            _ => Ok(None),
        }
    }

    /// A record's outline; `None` if it is malformed.
    fn record(&mut self, index: i32, base_timestamp: i64) -> Result<Option<Outline>, BatchError> {
        let Some(length) = self.varint()?.and_then(|length| usize::try_from(length).ok()) else { return Ok(None) };
        let end = self.position() + length;
        // The attributes are unused.
        let (Some(_), Some(timestamp_delta), Some(offset_delta)) = (self.byte()?, self.varlong()?, self.varint()?) else { return Ok(None) };
        let (Some(has_key), Some(_)) = (self.span(end)?, self.span(end)?) else { return Ok(None) };
        let Some(headers) = self.varint()?.filter(|headers| (0..=limit::HEADERS_MAX).contains(headers)) else { return Ok(None) };
        for _ in 0..headers {
            let (Some(true), Some(_)) = (self.span(end)?, self.span(end)?) else { return Ok(None) };
        }
        let outline = Outline { index, offset_delta, timestamp: base_timestamp.saturating_add(timestamp_delta), has_key };
        Ok((self.position() == end).then_some(outline))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::limit::WALKED_IN_MEMORY_BYTES_MAX;
    use crate::record::{BatchBuilder, Header, NewRecord, RecordBatch};

    const CODECS: [Codec; 3] = [Codec::Gzip, Codec::Lz4, Codec::Zstd];

    /// A batch of nearly 5 MB, in records of many sizes.
    fn large(codec: Codec) -> RecordBatch {
        let mut builder = BatchBuilder::new(codec);
        let headers = [Header { key: Bytes::from_static(b"h"), value: None }, Header { key: Bytes::new(), value: Some(Bytes::new()) }];
        for number in 0..300i64 {
            let value = vec![number as u8; (number * 137 % 40_000) as usize];
            let (key, value) = ((number % 3 > 0).then_some(&b"key"[..]), (number % 7 > 0).then_some(&value[..]));
            builder.push(NewRecord { timestamp: 1000 + number % 50, key, value, headers: &headers[..(number % 3) as usize] });
        }
        builder.build().unwrap()
    }

    fn outlines(batch: &RecordBatch, bytes_max: usize) -> Result<Vec<Outline>, BatchError> {
        let mut found = Vec::new();
        batch.walk_records(bytes_max, |outline| {
            found.push(outline);
            true
        })?;
        Ok(found)
    }

    #[test]
    fn a_walk_piece_by_piece_sees_what_a_walk_in_memory_sees() {
        let plain = large(Codec::None);
        assert!(plain.total_bytes() > WALKED_IN_MEMORY_BYTES_MAX);
        let expected = outlines(&plain, usize::MAX).unwrap();
        for codec in CODECS {
            let batch = large(codec);
            assert_eq!(outlines(&batch, 1 << 30).unwrap(), expected, "{codec:?}");
            let too_few = plain.total_bytes() - 62;
            assert_eq!(outlines(&batch, too_few), Err(CompressionError::TooLarge(too_few).into()), "{codec:?}");
            assert_eq!(batch.check_records(1 << 30).unwrap().inflated_bytes, plain.total_bytes() - 61, "{codec:?}");
        }
    }

    /// Whatever is damaged in the records, both walks find it, and neither panics.
    #[test]
    fn damage_is_found_as_in_memory() {
        let plain = large(Codec::None);
        let body = plain.body(usize::MAX).unwrap();
        for at in (0..body.len()).step_by(23_456) {
            let mut damaged = body.to_vec();
            damaged[at] ^= 0x55;
            let mut in_memory = Vec::new();
            let expected = super::super::iter::walk(&damaged, plain.base_timestamp(), plain.record_count(), |outline| {
                in_memory.push(outline);
                true
            });
            let mut streamed = Vec::new();
            let stream = Stream { from: Box::new(&damaged[..]), codec: Codec::Gzip, bytes_max: usize::MAX };
            let found = walk(stream, plain.base_timestamp(), plain.record_count(), |outline| {
                streamed.push(outline);
                true
            });
            assert_eq!(found.is_ok(), expected.is_ok(), "at {at}: {found:?} {expected:?}");
            assert_eq!(streamed, in_memory, "at {at}");
        }
    }
}
