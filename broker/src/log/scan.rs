//! Walking a segment's file, batch by batch, checksums compared: what opening and verifying a log share. A window of the file is in
//! memory at a time; only where something is broken, the rest of it.

use std::path::Path;

use bytes::Bytes;
use millstream_protocol::record::RecordBatch;
use millstream_protocol::record::batch::{self, PREFIX_BYTES};

use super::LogError;
use super::damage::{BLOCK_BYTES, Broken, Expected, sound_batch, written_bytes};
use super::index::Index;
use crate::disk::{DiskFile, read_around};

/// What a walk over a segment found.
pub(super) struct Scan {
    pub index: Index,
    pub damage: Vec<String>,
    /// Bytes from the end of the last batch on that are not preallocated zeros.
    pub cut_bytes: u64,
    /// Whether it ends at a hole.
    pub is_hole: bool,
}

/// A segment's file to be walked.
pub(super) struct Scanned<'a> {
    pub path: &'a Path,
    pub file: &'a dyn DiskFile,
    pub bytes: u64,
    pub base_offset: i64,
    /// How far its stored index says that it was synced: bytes, and one past the last offset.
    pub synced: (u64, i64),
    /// Where the next segment begins: no batch of this one is there.
    pub next_base: Option<i64>,
    pub interval_bytes: u64,
    /// Whether a hole ends the walk: what is behind one was never synced.
    pub may_have_holes: bool,
}

impl Scanned<'_> {
    /// Walks the batches and stops where nothing sensible follows, or at a hole if there may be any.
    pub(super) fn scan(&self, mut see: impl FnMut(&RecordBatch)) -> Result<Scan, LogError> {
        let mut window = Window { file: self.file, bytes: self.bytes, from: 0, content: Bytes::new() };
        let fail = |error| LogError::io(self.path, error);
        let mut scan = Scan { index: Index::new(self.base_offset), damage: Vec::new(), cut_bytes: 0, is_hole: false };
        let (synced_bytes, synced_offset) = self.synced;
        let within = Expected::within(self.base_offset, self.base_offset);
        let limit = within.limit.min(self.next_base.unwrap_or(i64::MAX));
        let mut at = 0;
        loop {
            if at == synced_bytes {
                // Compaction may have left nothing of its end.
                scan.index.next_offset = scan.index.next_offset.max(synced_offset);
            }
            let expected = Expected { next_offset: scan.index.next_offset, limit };
            let reason = match sound_batch(&window.view(at).map_err(fail)?, 0, expected) {
                Ok(batch) => {
                    let bytes = batch.total_bytes() as u64;
                    scan.index.push(batch.base_offset(), batch.last_offset(), bytes, batch.max_timestamp(), self.interval_bytes);
                    see(&batch);
                    at += bytes;
                    continue;
                }
                Err(reason) => reason,
            };
            // A block is known by where it begins in the file.
            let lead = at % BLOCK_BYTES as u64;
            let rest = window.rest(at - lead).map_err(fail)?;
            let Broken { next, is_hole } = Broken::find(&rest, lead as usize, expected);
            scan.is_hole = at >= synced_bytes && is_hole;
            let file = self.path.display();
            match next.map(|next| at - lead + next as u64) {
                Some(next) if !(scan.is_hole && self.may_have_holes) => {
                    scan.damage.push(format!("{file} is damaged at byte {at}: {reason}; the next whole batch is at byte {next}"));
                    // The damaged range stays in the file and in the index: reading it must fail.
                    scan.index.skip_to(next);
                    at = next;
                }
                // What was synced is never cut, and its offsets are not given again.
                None if at < synced_bytes => {
                    scan.damage.push(format!("{file} is damaged at byte {at}: {reason}; up to byte {synced_bytes} it was synced"));
                    scan.index.skip_to(synced_bytes);
                    scan.index.next_offset = expected.next_offset.max(synced_offset);
                    at = synced_bytes;
                }
                _ => {
                    let rest = &rest[lead as usize..];
                    if written_bytes(rest) > 0 {
                        scan.cut_bytes = rest.len() as u64;
                    }
                    return Ok(scan);
                }
            }
        }
    }
}

/// The part of a file that is in memory.
struct Window<'a> {
    file: &'a dyn DiskFile,
    bytes: u64,
    from: u64,
    content: Bytes,
}

impl Window<'_> {
    const STEP_BYTES: usize = 4 * 1024 * 1024;

    /// Bytes from `at` on: whole batches, if there are any, and not only one.
    fn view(&mut self, at: u64) -> std::io::Result<Bytes> {
        let mut wanted = Self::STEP_BYTES / 4;
        loop {
            let view = self.load(at, wanted)?;
            let needed = two_batches(&view);
            if needed <= view.len() || at + view.len() as u64 >= self.bytes {
                return Ok(view);
            }
            wanted = needed;
        }
    }

    /// All bytes from `at` on.
    fn rest(&mut self, at: u64) -> std::io::Result<Bytes> {
        self.load(at, usize::MAX)
    }

    fn load(&mut self, at: u64, wanted: usize) -> std::io::Result<Bytes> {
        let left = self.bytes.saturating_sub(at) as usize;
        let wanted = wanted.min(left);
        let end = self.from + self.content.len() as u64;
        if at < self.from || at + wanted as u64 > end {
            self.content = read_around(self.file, at, wanted.max(Self::STEP_BYTES).min(left))?;
            self.from = at;
        }
        Ok(self.content.slice((at - self.from) as usize..))
    }
}

/// How many bytes the first batch and the one behind it take, as far as their headers are there.
fn two_batches(view: &Bytes) -> usize {
    let total = |at: usize| view.get(at..).and_then(batch::total_bytes).and_then(Result::ok);
    match total(0) {
        // Whatever it is, it is no batch.
        None => 0,
        Some(first) => first + total(first).unwrap_or(PREFIX_BYTES),
    }
}
