//! A place in a segment's file that holds no batch: what is there, and where sense begins again.
//!
//! A batch that is torn or damaged may carry whole batches in its values. As long as it says where it ends, nothing in it is
//! taken for a batch of the log; and no offset is believed that the segment cannot reach.

use bytes::{Bytes, BytesMut};
use millstream_protocol::record::batch::{self, HEADER_BYTES, MAGIC, PREFIX_BYTES};
use millstream_protocol::record::{BatchError, RecordBatch};

/// Disks and file systems write no less than this at once.
pub(super) const BLOCK_BYTES: usize = 512;

/// Which offsets the next batch of a segment can begin at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub next_offset: i64,
    /// No batch begins here or later.
    pub limit: i64,
}

impl Expected {
    /// In a segment of which nothing but its first offset is known: it ends before its offsets need more than 31 bits.
    pub(super) fn within(base_offset: i64, next_offset: i64) -> Self {
        Expected { next_offset: next_offset.max(base_offset), limit: base_offset.saturating_add(i64::from(i32::MAX)) }
    }
}

/// What is at a place that holds no sound batch.
#[derive(Debug)]
pub(super) struct Broken {
    /// Where the next whole batch is.
    pub next: Option<usize>,
    /// Whether something there was never written.
    pub is_hole: bool,
}

impl Broken {
    pub(super) fn find(content: &Bytes, at: usize, expected: Expected) -> Self {
        let rest = &content[at.min(content.len())..];
        let is_unwritten = |end: usize| has_unwritten_block(&content[at.min(end)..end], at, expected.next_offset);
        let Some(announced) = announced(content, at, expected) else {
            let next = next_sound_batch(content, at + 1, expected);
            let is_short = batch::total_bytes(rest).is_some_and(|total| total.is_ok_and(|total| total > rest.len()));
            return Broken { next, is_hole: is_unwritten(next.unwrap_or(content.len())) || (next.is_none() && is_short) };
        };
        if let Some(next) = announced.true_end(content, at, expected) {
            return Broken { next: Some(next), is_hole: false };
        }
        let next = next_sound_batch(content, announced.end, expected);
        let is_short = next.is_none() && announced.end > content.len();
        Broken { next, is_hole: is_unwritten(next.unwrap_or(content.len())) || is_short }
    }
}

/// What the header of a batch says that is not sound.
struct Announced {
    end: usize,
    /// Where the batch behind it begins, if nothing is missing in between.
    following_offset: i64,
}

fn announced(content: &Bytes, at: usize, expected: Expected) -> Option<Announced> {
    let header = content.get(at..at + HEADER_BYTES)?;
    let total = batch::total_bytes(header)?.ok()?;
    let offset = i64::from_be_bytes(*header.first_chunk()?);
    let last_offset_delta = i32::from_be_bytes(*header[23..].first_chunk()?);
    let is_likely = header[16] == MAGIC as u8 && last_offset_delta >= 0 && (expected.next_offset..expected.limit).contains(&offset);
    is_likely.then(|| Announced { end: at + total, following_offset: offset + i64::from(last_offset_delta) + 1 })
}

impl Announced {
    /// Its length is not under its checksum. Where that fits up to a whole batch with the offset that follows, only the length
    /// was damaged.
    fn true_end(&self, content: &Bytes, at: usize, expected: Expected) -> Option<usize> {
        const TRIED_MAX: usize = 16;
        let following = Expected { next_offset: self.following_offset, limit: expected.limit.min(self.following_offset + 1) };
        let mut from = at + HEADER_BYTES;
        for _ in 0..TRIED_MAX {
            let next = next_sound_batch(content, from, following).filter(|next| *next != self.end)?;
            let mut bytes = BytesMut::from(&content[at..next]);
            bytes[8..PREFIX_BYTES].copy_from_slice(&((next - at - PREFIX_BYTES) as i32).to_be_bytes());
            if RecordBatch::new(bytes.freeze()).is_ok_and(|batch| batch.verify_checksum().is_ok()) {
                return Some(next);
            }
            from = next + 1;
        }
        None
    }
}

/// The batch at a position, if all of it makes sense there.
pub(super) fn sound_batch(content: &Bytes, at: usize, expected: Expected) -> Result<RecordBatch, BatchError> {
    let batch = RecordBatch::new(content.slice(at.min(content.len())..))?;
    check_place(&batch, content, at + batch.total_bytes(), expected)?;
    batch.verify_checksum()?;
    Ok(batch)
}

/// Whether a batch's offset, which is not under its checksum, fits where it stands; from `end` on is what comes after it, as far as it is
/// there. Batches may be missing before it, but the one behind it is not among its own.
pub(super) fn check_place(batch: &RecordBatch, content: &Bytes, end: usize, expected: Expected) -> Result<(), BatchError> {
    let next_offset = expected.next_offset;
    let misplaced = BatchError::Misplaced { found: batch.base_offset(), expected: next_offset };
    if !(next_offset..expected.limit).contains(&batch.base_offset()) || batch.last_offset_delta() < 0 {
        return Err(misplaced);
    }
    if batch.base_offset() > next_offset {
        let behind = RecordBatch::new(content.slice(end.min(content.len())..));
        let behind = behind.ok().filter(|behind| (next_offset..=batch.last_offset()).contains(&behind.base_offset()));
        if behind.is_some_and(|behind| behind.verify_checksum().is_ok()) {
            return Err(misplaced);
        }
    }
    Ok(())
}

/// Searches for the next whole batch. Its version byte narrows the candidates down before anything is computed.
fn next_sound_batch(content: &Bytes, from: usize, expected: Expected) -> Option<usize> {
    let end = written_bytes(content);
    (from..end.saturating_sub(HEADER_BYTES - 1)).find(|&at| {
        content[at + 16] == MAGIC as u8
            && content[at..at + 2] == [0; 2]
            && batch::total_bytes(&content[at..]).is_some_and(|total| total.is_ok_and(|total| at + total <= content.len()))
            && sound_batch(content, at, expected).is_ok()
    })
}

/// How many bytes there are up to the last one that is not zero. Preallocated room is zeros: a start after a crash looks at that of every
/// partition, so the bytes of a block are compared at once.
pub(super) fn written_bytes(content: &[u8]) -> usize {
    let mut end = content.len();
    for block in content.rchunks(BLOCK_BYTES) {
        if block.iter().fold(0, |bits, byte| bits | byte) != 0 {
            return end - block.iter().rev().take_while(|&&byte| byte == 0).count();
        }
        end -= block.len();
    }
    0
}

/// Whether a block, or the part of one that is in `bytes`, was never written. `at` is where they begin in the file, with a batch of
/// this offset if they were written.
fn has_unwritten_block(mut bytes: &[u8], mut at: usize, offset: i64) -> bool {
    // A shorter part can be zeros by chance; a batch's first 12 bytes hold its length and never are, nor are those of its offset.
    let mut enough = if offset > 0 { 8 } else { PREFIX_BYTES };
    while !bytes.is_empty() {
        let (block, rest) = bytes.split_at((BLOCK_BYTES - at % BLOCK_BYTES).min(bytes.len()));
        if block.len() >= enough && block.iter().all(|&byte| byte == 0) {
            return true;
        }
        enough = PREFIX_BYTES;
        at += block.len();
        bytes = rest;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_ends_at_the_last_byte_that_is_not_zero() {
        for len in [0, 1, 511, 512, 513, 5000] {
            let mut content = vec![0; len];
            assert_eq!(written_bytes(&content), 0, "{len}");
            for at in [0, 1, 510, 511, 512, 1024, 4999].into_iter().filter(|at| *at < len) {
                content[at] = 1;
                assert_eq!(written_bytes(&content), at + 1, "{len}");
            }
        }
    }
}
