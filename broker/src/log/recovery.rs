//! Opening a log that an earlier process left, however it ended.
//!
//! An index says how far its segment was synced, and that everything before it was. A segment that ends where its index does
//! is not scanned, unless it is the last. The others are walked, batch by batch, checksums compared. What does not make
//! sense there is one of three things:
//!
//! * **an end that was not written whole**: nothing sensible follows, and no sync had covered it. It was never acknowledged, and is cut.
//! * **a hole**: whole batches follow, but blocks were never written, which read as zeros. So a power cut leaves what
//!   no sync covered; nothing behind it was synced either. It is cut there, as nobody can read across it.
//! * **damage**: whole batches follow, and something else than zeros is there. It is reported and kept, so that reading it
//!   fails and nothing behind it is lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_protocol::record::{Marker, RecordBatch};

use super::damage::{Broken, Expected, sound_batch};
use super::index::Index;
use super::segment::{Segment, StoredIndex};
use super::{Log, LogError, format, swap};
use crate::disk::{Disk, DiskFile, Mode, read_file};

/// What opening found.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub log: Log,
    /// Batches of the last segment, oldest first, for rebuilding what is derived from them.
    pub replay: Vec<BatchFacts>,
    /// How many bytes that nobody was promised were cut off the end.
    pub cut_bytes: u64,
    /// The newest leader epoch in the scanned batches; −1 without any.
    pub leader_epoch: i32,
    /// Damage in the middle, as sentences with file and position.
    pub damage: Vec<String>,
    /// The segments that were synced now and have no index yet that says so.
    pub to_index: Vec<i64>,
}

/// What is remembered of a batch without its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchFacts {
    pub base_offset: i64,
    pub last_offset: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub last_sequence: i32,
    pub max_timestamp: i64,
    pub is_transactional: bool,
    /// Of a batch that ends a transaction.
    pub marker: Option<Marker>,
}

impl From<&RecordBatch> for BatchFacts {
    fn from(batch: &RecordBatch) -> Self {
        BatchFacts {
            base_offset: batch.base_offset(),
            last_offset: batch.last_offset(),
            producer_id: batch.producer_id(),
            producer_epoch: batch.producer_epoch(),
            base_sequence: batch.base_sequence(),
            last_sequence: batch.last_sequence(),
            max_timestamp: batch.max_timestamp(),
            is_transactional: batch.is_transactional(),
            marker: batch.marker(),
        }
    }
}

/// The offsets of the segments in a folder, in order.
fn segment_bases(disk: &dyn Disk, dir: &Path) -> Result<Vec<i64>, LogError> {
    let names = disk.list(dir).map_err(|error| LogError::io(dir, error))?;
    let mut bases: Vec<i64> = names.iter().filter_map(|entry| format::base_offset(&entry.name, format::LOG)).collect();
    bases.sort_unstable();
    Ok(bases)
}

/// A segment's file as it was found.
struct FoundSegment {
    base_offset: i64,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    bytes: u64,
    /// The stored index.
    stored: Option<StoredIndex>,
}

impl FoundSegment {
    fn open(disk: &dyn Disk, dir: &Path, base_offset: i64) -> Result<Self, LogError> {
        let path = format::path(dir, base_offset, format::LOG);
        let fail = |error| LogError::io(&path, error);
        let file = disk.open(&path, Mode::Existing).map_err(fail)?;
        let bytes = file.len().map_err(fail)?;
        let stored = Segment::stored_index(disk, &path);
        Ok(FoundSegment { base_offset, path, file, bytes, stored })
    }

    fn index(&self) -> Option<&Index> {
        self.stored.as_ref().map(|(index, _)| index)
    }

    /// Whether it is as it was when its index was stored, and goes on in the next one, if there is any.
    fn is_as_synced(&self, next_base: Option<i64>) -> bool {
        let ends = |index: &Index| next_base.is_none_or(|next_base| index.next_offset == next_base);
        self.index().is_some_and(|index| index.bytes == self.bytes && ends(index))
    }

    /// A sentence when bytes are missing that were synced.
    fn missing(&self) -> Option<String> {
        let index = self.index().filter(|index| index.bytes > self.bytes)?;
        Some(format!("{} has {} bytes, {} were synced: something cut it", self.path.display(), self.bytes, index.bytes))
    }

    fn remove(self, disk: &dyn Disk) -> Result<(), LogError> {
        Segment::sealed(self.path, self.file, self.base_offset, self.bytes, None).remove(disk)
    }

    /// Walks the batches and stops where nothing sensible follows, or at a hole if there may be any. None is in the next segment.
    fn scan(
        &self,
        interval_bytes: u64,
        may_have_holes: bool,
        next_base: Option<i64>,
        mut see: impl FnMut(&RecordBatch),
    ) -> Result<Scan, LogError> {
        let content = self.file.map(0, self.bytes as usize).map_err(|error| LogError::io(&self.path, error))?;
        let mut scan = Scan { index: Index::new(self.base_offset), damage: Vec::new(), cut_bytes: 0, is_hole: false };
        let file = self.path.display();
        let (synced_bytes, synced_offset) = self.index().map_or((0, 0), |index| (index.bytes.min(self.bytes) as usize, index.next_offset));
        // A segment ends before its offsets need more than 31 bits.
        let limit = self.base_offset.saturating_add(i64::from(i32::MAX)).min(next_base.unwrap_or(i64::MAX));
        let mut at = 0;
        loop {
            if at == synced_bytes {
                // Compaction may have left nothing of its end.
                scan.index.next_offset = scan.index.next_offset.max(synced_offset);
            }
            let next_offset = scan.index.next_offset;
            let expected = Expected { next_offset, limit };
            let reason = match sound_batch(&content, at, expected) {
                Ok(batch) => {
                    let bytes = batch.total_bytes() as u64;
                    scan.index.push(batch.base_offset(), batch.last_offset(), bytes, batch.max_timestamp(), interval_bytes);
                    see(&batch);
                    at += batch.total_bytes();
                    continue;
                }
                Err(reason) => reason,
            };
            let rest = &content[at.min(content.len())..];
            let Broken { next, is_hole } = Broken::find(&content, at, expected);
            scan.is_hole = at >= synced_bytes && is_hole;
            match next {
                Some(next) if !(scan.is_hole && may_have_holes) => {
                    scan.damage.push(format!("{file} is damaged at byte {at}: {reason}; the next whole batch is at byte {next}"));
                    // The damaged range stays in the file and in the index: reading it must fail.
                    scan.index.skip_to(next as u64);
                    at = next;
                }
                // What was synced is never cut, and its offsets are not given again.
                None if at < synced_bytes => {
                    scan.damage.push(format!("{file} is damaged at byte {at}: {reason}; up to byte {synced_bytes} it was synced"));
                    scan.index.skip_to(synced_bytes as u64);
                    scan.index.next_offset = next_offset.max(synced_offset);
                    at = synced_bytes;
                }
                _ => {
                    if rest.iter().any(|&byte| byte != 0) {
                        scan.cut_bytes = rest.len() as u64;
                    }
                    return Ok(scan);
                }
            }
        }
    }
}

/// Opens the log in `dir`, which need not exist.
pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path, first_offset: i64, interval_bytes: u64) -> Result<Recovered, LogError> {
    swap::finish(&*disk, dir)?;
    let mut found: Vec<FoundSegment> = Vec::new();
    let bases = segment_bases(&*disk, dir)?;
    for (place, &base) in bases.iter().enumerate() {
        let segment = FoundSegment::open(&*disk, dir, base)?;
        // Compaction put it into the one before, and a crash came before it was removed.
        let is_swallowed =
            found.last().is_some_and(|before| before.index().is_some_and(|index| index.bytes == before.bytes && index.next_offset > base));
        // Its removal had begun, and a crash may have undone a part of it.
        let is_old = bases.get(place + 1).is_some_and(|next_base| *next_base <= first_offset);
        if is_old || is_swallowed {
            segment.remove(&*disk)?;
        } else {
            found.push(segment);
        }
    }
    let mut recovered = Recovered {
        log: Log::new(disk.clone(), dir.to_owned(), Vec::new(), None, first_offset),
        replay: Vec::new(),
        cut_bytes: 0,
        leader_epoch: -1,
        damage: Vec::new(),
        to_index: Vec::new(),
    };
    let next_base = |place: usize| found.get(place + 1).map(|next: &FoundSegment| next.base_offset);
    let last_synced = (0..found.len()).rev().find(|place| found[*place].is_as_synced(next_base(*place)));
    let synced = last_synced.map_or(0, |last| last + 1).min(found.len().saturating_sub(1));
    let mut sealed = Vec::new();
    let mut found = found.into_iter().enumerate().peekable();
    while let Some((place, mut segment)) = found.next() {
        let next_base = found.peek().map(|(_, next)| next.base_offset);
        if let Some(next_base) = next_base
            && place < synced
        {
            recovered.damage.extend(segment.missing());
            let index = if segment.is_as_synced(Some(next_base)) { segment.stored.take() } else { None };
            sealed.push(Arc::new(Segment::sealed(segment.path, segment.file, segment.base_offset, segment.bytes, index)));
            continue;
        }
        let missing = segment.missing();
        let is_as_synced = segment.is_as_synced(next_base);
        let fail = |error| LogError::io(&segment.path, error);
        let mut replay = Vec::new();
        let mut scanned = segment.scan(interval_bytes, true, next_base, |batch| {
            recovered.leader_epoch = recovered.leader_epoch.max(batch.leader_epoch());
            replay.push(BatchFacts::from(batch));
        })?;
        recovered.damage.append(&mut scanned.damage);
        let is_whole = match next_base {
            None => true,
            Some(next_base) => scanned.index.next_offset == next_base || (scanned.cut_bytes > 0 && !scanned.is_hole) || missing.is_some(),
        };
        if let Some(next_base) = next_base
            && is_whole
        {
            if scanned.index.next_offset < next_base {
                let (file, at) = (segment.path.display(), scanned.index.bytes);
                recovered.damage.push(format!("{file} is damaged from byte {at} on; the next whole batch is in the next file"));
                // What is there stays there; reading it fails.
                scanned.index.skip_to(segment.bytes);
                scanned.index.next_offset = next_base;
            } else {
                segment.file.truncate(scanned.index.bytes).map_err(fail)?;
            }
            segment.file.sync().map_err(fail)?;
            let ended = Segment::active(segment.path, segment.file, segment.base_offset, scanned.index, 0);
            recovered.to_index.push(ended.base_offset);
            sealed.push(Arc::new(ended));
            continue;
        }
        // The last one, or one with a hole: what comes after it was never synced.
        recovered.cut_bytes = scanned.cut_bytes;
        if segment.bytes > scanned.index.bytes {
            segment.file.truncate(scanned.index.bytes).map_err(fail)?;
        }
        for (_, unsynced) in found.by_ref() {
            recovered.cut_bytes += unsynced.bytes;
            unsynced.remove(&*disk)?;
        }
        if let Some(sentence) = missing {
            recovered.damage.push(sentence);
            // No offset is given twice.
            scanned.index.next_offset = scanned.index.next_offset.max(segment.index().map_or(0, |index| index.next_offset));
        }
        recovered.replay = replay;
        let (next_offset, allocated) = (scanned.index.next_offset, scanned.index.bytes);
        if !is_as_synced {
            // A batch that was written but perhaps never synced becomes durable now, before anybody reads it; and so do the names.
            segment.file.sync().map_err(fail)?;
            for dir in [Some(dir), dir.parent()].into_iter().flatten() {
                disk.sync_dir(dir).map_err(fail)?;
            }
        }
        let mut active = Segment::active(segment.path, segment.file, segment.base_offset, scanned.index, allocated);
        active.is_closed = is_as_synced;
        if !is_as_synced {
            recovered.to_index.push(active.base_offset);
        }
        recovered.log = Log::new(disk.clone(), dir.to_owned(), std::mem::take(&mut sealed), Some(active), next_offset);
    }
    Ok(recovered)
}

/// What a walk over a segment found.
struct Scan {
    index: Index,
    damage: Vec<String>,
    /// Bytes from the end of the last batch on that are not preallocated zeros.
    cut_bytes: u64,
    /// Whether it ends at a hole.
    is_hole: bool,
}

/// What a look at a partition that nobody has open shows.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    /// Damage, as sentences with file and position.
    pub damage: Vec<String>,
    /// Batches that are sound.
    pub batches: u64,
}

/// Checks every batch of every segment, and shows the sound ones in order.
pub(crate) fn verify(disk: &dyn Disk, dir: &Path, mut show: impl FnMut(&RecordBatch)) -> Result<Verified, LogError> {
    let mut verified = Verified::default();
    let bases = segment_bases(disk, dir)?;
    for (place, &base) in bases.iter().enumerate() {
        let segment = FoundSegment::open(disk, dir, base)?;
        let file = segment.path.display();
        let scanned = segment.scan(u64::MAX, false, None, |batch| {
            verified.batches += 1;
            show(batch);
        })?;
        verified.damage.extend(scanned.damage);
        verified.damage.extend(segment.missing());
        if scanned.cut_bytes > 0 {
            let last = if place + 1 == bases.len() { " (a torn end: the next start cuts it)" } else { "" };
            let (bytes, at) = (scanned.cut_bytes, scanned.index.bytes);
            verified.damage.push(format!("{file}: {bytes} bytes from byte {at} on are no batches{last}"));
        }
        let index_path = segment.path.with_extension(format::INDEX);
        let stored = read_file(disk, &index_path, u64::MAX).map_err(|error| LogError::io(&index_path, error))?;
        if stored.is_some() && segment.stored.is_none() {
            verified.damage.push(format!("{} is not whole; it is a cache and will be rebuilt", index_path.display()));
        }
    }
    Ok(verified)
}
