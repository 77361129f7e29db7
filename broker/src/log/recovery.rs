//! Opening a log that an earlier process left, however it ended.
//!
//! An index says how far its segment was synced, and that everything before it was. A segment that ends where its index does
//! is not scanned, unless it is the last after a crash. The others are walked (`scan`). What does not make sense there is one of three
//! things:
//!
//! * **an end that was not written whole**: nothing sensible follows, and no sync had covered it. It was never acknowledged, and is cut.
//! * **a hole**: whole batches follow, but blocks were never written, which read as zeros. So a power cut leaves what
//!   no sync covered; nothing behind it was synced either. It is cut there, as nobody can read across it.
//! * **damage**: whole batches follow, and something else than zeros is there. It is reported and kept, so that reading it
//!   fails and nothing behind it is lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_protocol::record::RecordBatch;

use super::batch_facts::BatchFacts;
use super::index::{Aborted, Index};
use super::scan::{Scan, Scanned};
use super::segment::{Segment, StoredIndex, remove_files};
use super::sync::Unsynced;
use super::{Log, LogError, format, swap};
use crate::disk::{Disk, DiskFile, Mode, read_file};

/// A log that was opened.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub log: Log,
    pub found: Findings,
}

/// What opening found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The log was closed, and nothing of it was scanned: the transactions whose abort is in the last segment.
    pub closed: Option<Vec<Aborted>>,
    /// Batches of the last segment, oldest first, for rebuilding what is derived from them.
    pub replay: Vec<BatchFacts>,
    /// How many bytes that nobody was promised were cut off the end.
    pub cut_bytes: u64,
    /// Each leader epoch in the scanned batches, and where it begins.
    pub epochs: Vec<(i32, i64)>,
    /// Damage in the middle, as sentences with file and position.
    pub damage: Vec<String>,
    /// The segments that have no index yet which says all of them; they get one once they are durable.
    pub to_index: Vec<i64>,
}

impl Findings {
    fn note_epoch(&mut self, batch: &RecordBatch) {
        if self.epochs.last().is_none_or(|(epoch, _)| *epoch < batch.leader_epoch()) {
            self.epochs.push((batch.leader_epoch(), batch.base_offset()));
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

    fn scanned(&self, interval_bytes: u64, may_have_holes: bool, next_base: Option<i64>) -> Scanned<'_> {
        let synced = self.index().map_or((0, 0), |index| (index.bytes.min(self.bytes), index.next_offset));
        let (path, file, bytes, base_offset) = (&*self.path, &*self.file, self.bytes, self.base_offset);
        Scanned { path, file, bytes, base_offset, synced, next_base, interval_bytes, may_have_holes }
    }
}

/// Opens the log in `dir`, which need not exist. `closed_at`: the process before this one closed it, and it ended there.
/// `compacted_to`: below it batches may be missing, at the end of a segment too.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    first_offset: i64,
    interval_bytes: u64,
    closed_at: Option<i64>,
    compacted_to: i64,
) -> Result<Recovered, LogError> {
    swap::finish(&*disk, dir)?;
    let found = find_segments(&*disk, dir, first_offset)?;
    let next_base = |place: usize| found.get(place + 1).map(|next: &FoundSegment| next.base_offset);
    let is_as_synced = |place: usize| found[place].is_as_synced(next_base(place));
    let ends_there = found.last().and_then(FoundSegment::index).is_some_and(|index| closed_at == Some(index.next_offset));
    let is_closed = ends_there && (0..found.len()).all(is_as_synced);
    let last_synced = (0..found.len()).rev().find(|place| is_as_synced(*place));
    let synced = last_synced.map_or(0, |last| last + 1).min(found.len().saturating_sub(1));
    let mut recovery =
        Recovery { dir, interval_bytes, compacted_to, sealed: Vec::new(), found: Findings::default(), unsynced: Unsynced::default() };
    let mut found = found.into_iter().enumerate().peekable();
    let mut active = None;
    while active.is_none()
        && let Some((place, segment)) = found.next()
    {
        match found.peek().map(|(_, next)| next.base_offset) {
            Some(next_base) if place < synced => recovery.keep_synced(segment, next_base),
            None if is_closed => active = recovery.keep_closed(segment),
            next_base => active = recovery.scan(segment, next_base)?,
        }
    }
    // Behind a hole nothing was ever synced.
    for (_, unsynced) in found {
        recovery.found.cut_bytes += unsynced.bytes;
        remove_files(&*disk, &unsynced.path)?;
    }
    let next_offset = active.as_ref().map_or(first_offset, |active| active.next_offset());
    let log = Log::recovered(disk, dir.to_owned(), recovery.sealed, active, next_offset, recovery.unsynced);
    Ok(Recovered { log, found: recovery.found })
}

/// The segments that count, in order.
fn find_segments(disk: &dyn Disk, dir: &Path, first_offset: i64) -> Result<Vec<FoundSegment>, LogError> {
    let mut found: Vec<FoundSegment> = Vec::new();
    let bases = segment_bases(disk, dir)?;
    for (place, &base) in bases.iter().enumerate() {
        let segment = FoundSegment::open(disk, dir, base)?;
        // Compaction put it into the one before, and a crash came before it was removed.
        let is_swallowed =
            found.last().is_some_and(|before| before.index().is_some_and(|index| index.bytes == before.bytes && index.next_offset > base));
        // Its removal had begun, and a crash may have undone a part of it.
        let is_old = bases.get(place + 1).is_some_and(|next_base| *next_base <= first_offset);
        if is_old || is_swallowed {
            remove_files(disk, &segment.path)?;
        } else {
            found.push(segment);
        }
    }
    Ok(found)
}

/// A log that is being opened.
struct Recovery<'a> {
    dir: &'a Path,
    interval_bytes: u64,
    compacted_to: i64,
    sealed: Vec<Arc<Segment>>,
    found: Findings,
    /// What has to be synced before anybody reads it.
    unsynced: Unsynced,
}

impl Recovery<'_> {
    /// A segment that was synced and that others follow: it is not scanned.
    fn keep_synced(&mut self, mut segment: FoundSegment, next_base: i64) {
        self.found.damage.extend(segment.missing());
        let index = if segment.is_as_synced(Some(next_base)) { segment.stored.take() } else { None };
        let FoundSegment { path, file, base_offset, bytes, .. } = segment;
        self.sealed.push(Arc::new(Segment::sealed(path, file, base_offset, next_base, bytes, index)));
    }

    /// The last segment of a log that was closed: its index tells all of it.
    fn keep_closed(&mut self, segment: FoundSegment) -> Option<Segment> {
        let FoundSegment { path, file, base_offset, bytes, stored } = segment;
        let (index, aborted) = stored?;
        self.found.closed = Some(aborted);
        let mut active = Segment::active(path, file, base_offset, index, bytes);
        active.is_closed = true;
        Some(active)
    }

    /// A segment that may hold something that no sync has covered. It becomes the active one if it is the last, or ends at a hole.
    fn scan(&mut self, segment: FoundSegment, next_base: Option<i64>) -> Result<Option<Segment>, LogError> {
        let mut replay = Vec::new();
        let found = &mut self.found;
        let mut scanned = segment.scanned(self.interval_bytes, true, next_base).scan(|batch| {
            found.note_epoch(batch);
            replay.push(BatchFacts::from(batch));
        })?;
        found.damage.append(&mut scanned.damage);
        if let Some(next_base) = next_base
            && next_base <= self.compacted_to
            && scanned.cut_bytes == 0
            && !scanned.is_hole
        {
            // What ended it was compacted away.
            scanned.index.next_offset = next_base;
        }
        let is_whole = |next_base| {
            scanned.index.next_offset == next_base || (scanned.cut_bytes > 0 && !scanned.is_hole) || segment.missing().is_some()
        };
        match next_base {
            Some(next_base) if is_whole(next_base) => self.seal(segment, scanned, next_base).map(|()| None),
            _ => {
                found.replay = replay;
                self.end(segment, scanned, next_base).map(Some)
            }
        }
    }

    /// Others follow, and nothing is missing in between that was never written.
    fn seal(&mut self, segment: FoundSegment, mut scanned: Scan, next_base: i64) -> Result<(), LogError> {
        let fail = |error| LogError::io(&segment.path, error);
        if scanned.index.next_offset < next_base {
            let (file, at) = (segment.path.display(), scanned.index.bytes);
            self.found.damage.push(format!("{file} is damaged from byte {at} on; the next whole batch is in the next file"));
            // What is there stays there; reading it fails.
            scanned.index.skip_to(segment.bytes);
            scanned.index.next_offset = next_base;
        } else {
            segment.file.truncate(scanned.index.bytes).map_err(fail)?;
        }
        self.unsynced.files.push((segment.path.clone(), segment.file.clone()));
        let mut ended = Segment::active(segment.path, segment.file, segment.base_offset, scanned.index, 0);
        ended.seal(next_base);
        self.found.to_index.push(ended.base_offset);
        self.sealed.push(Arc::new(ended));
        Ok(())
    }

    /// The last one, or one with a hole.
    fn end(&mut self, segment: FoundSegment, mut scanned: Scan, next_base: Option<i64>) -> Result<Segment, LogError> {
        let fail = |error| LogError::io(&segment.path, error);
        let is_as_synced = segment.is_as_synced(next_base);
        self.found.cut_bytes = scanned.cut_bytes;
        let mut allocated = segment.bytes;
        // What is not cut is preallocated room, and stays.
        if scanned.cut_bytes > 0 {
            segment.file.truncate(scanned.index.bytes).map_err(fail)?;
            allocated = scanned.index.bytes;
        }
        if let Some(sentence) = segment.missing() {
            self.found.damage.push(sentence);
            // No offset is given twice.
            scanned.index.next_offset = scanned.index.next_offset.max(segment.index().map_or(0, |index| index.next_offset));
        }
        if !is_as_synced {
            // A batch that was written but perhaps never synced becomes durable now, before anybody reads it; and so do the names.
            self.unsynced.files.push((segment.path.clone(), segment.file.clone()));
            self.unsynced.dirs.extend([Some(self.dir), self.dir.parent()].into_iter().flatten().map(Into::into));
        }
        let mut active = Segment::active(segment.path, segment.file, segment.base_offset, scanned.index, allocated);
        active.is_closed = is_as_synced;
        if !is_as_synced {
            self.found.to_index.push(active.base_offset);
        }
        Ok(active)
    }
}

/// What a look at a partition that nobody has open shows.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    /// Damage, as sentences with file and position.
    pub damage: Vec<String>,
    /// Batches that are sound.
    pub batches: u64,
}

/// Checks every batch of every segment, and shows the sound ones in order.
pub(crate) fn verify(disk: &dyn Disk, dir: &Path, mut show: impl FnMut(&RecordBatch)) -> Result<Inspection, LogError> {
    let mut verified = Inspection::default();
    let bases = segment_bases(disk, dir)?;
    for (place, &base) in bases.iter().enumerate() {
        let segment = FoundSegment::open(disk, dir, base)?;
        let file = segment.path.display();
        let scanned = segment.scanned(u64::MAX, false, None).scan(|batch| {
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
