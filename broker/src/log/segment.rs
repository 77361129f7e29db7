//! One segment: a file of batches and its index. The active one grows by preallocated chunks. What was written never
//! changes; how it is read is `read`'s.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use millstream_protocol::record::RecordBatch;

use super::index::{Aborted, Index};
use super::index_file::IndexFile;
use super::scan::Scanned;
use super::verified::Verified;
use super::{LogError, LogSettings, format};
use crate::disk::{Disk, DiskFile, Mode, read_file};
use crate::durable;
use crate::limit;

/// An index file: the index, and the transactions whose abort is in the segment.
pub(crate) type StoredIndex = (Index, Vec<Aborted>);

#[derive(Debug)]
pub(crate) struct Segment {
    pub base_offset: i64,
    pub path: PathBuf,
    pub file: Arc<dyn DiskFile>,
    pub is_dirty: bool,
    /// Its stored index tells all of it, and there is no room behind its end.
    pub is_closed: bool,
    pub first_append_ms: Option<i64>,
    allocated: u64,
    /// Of the active segment; of a sealed one only when it was sealed by this process.
    index: Index,
    /// Of a sealed segment that an earlier process sealed: read when it is first needed.
    loaded: OnceLock<Index>,
    /// The transactions whose abort is in it, where an index was stored that says so.
    stored_aborted: Option<Vec<Aborted>>,
    sealed_bytes: Option<u64>,
    /// Of a sealed segment: where the next one begins. An index that was rebuilt over damage, or not at all, may say less.
    end_offset: Option<i64>,
    interval_bytes: u64,
    pub verified: Arc<Verified>,
    /// Ended, but its sync and its index are still to come: until then its files may not be removed.
    is_sealing: AtomicBool,
}

impl Segment {
    /// A segment that compaction made, with an index that is stored already.
    pub(crate) fn cleaned(path: PathBuf, file: Arc<dyn DiskFile>, base_offset: i64, index: Index, aborted: Vec<Aborted>) -> Self {
        let (bytes, end_offset) = (index.bytes, index.next_offset);
        Segment {
            index,
            sealed_bytes: Some(bytes),
            end_offset: Some(end_offset),
            stored_aborted: Some(aborted),
            ..Self::active(path, file, base_offset, Index::new(base_offset), bytes)
        }
    }

    /// An empty segment, to be the active one.
    pub(crate) fn create(disk: &dyn Disk, dir: &Path, base_offset: i64) -> Result<Self, LogError> {
        let path = format::path(dir, base_offset, format::LOG);
        let file = disk.open(&path, Mode::Lasting).map_err(|error| LogError::io(&path, error))?;
        Ok(Self::active(path, file, base_offset, Index::new(base_offset), 0))
    }

    /// A segment to go on appending to.
    pub(crate) fn active(path: PathBuf, file: Arc<dyn DiskFile>, base_offset: i64, index: Index, allocated: u64) -> Self {
        Segment {
            base_offset,
            path,
            file,
            is_dirty: false,
            is_closed: false,
            first_append_ms: None,
            allocated,
            index,
            loaded: OnceLock::new(),
            stored_aborted: None,
            sealed_bytes: None,
            end_offset: None,
            interval_bytes: 4096,
            verified: Arc::default(),
            is_sealing: AtomicBool::new(false),
        }
    }

    /// A segment that an earlier process sealed: the next one begins at `end_offset`.
    pub(crate) fn sealed(
        path: PathBuf,
        file: Arc<dyn DiskFile>,
        base_offset: i64,
        end_offset: i64,
        bytes: u64,
        stored: Option<StoredIndex>,
    ) -> Self {
        let active = Self::active(path, file, base_offset, Index::new(base_offset), bytes);
        let mut segment = Segment { sealed_bytes: Some(bytes), end_offset: Some(end_offset), ..active };
        if let Some((index, aborted)) = stored {
            let _ = segment.loaded.set(index);
            segment.stored_aborted = Some(aborted);
        }
        segment
    }

    /// The stored index of the segment at `path`, if there is one and it is whole.
    pub(crate) fn stored_index(disk: &dyn Disk, path: &Path) -> Option<StoredIndex> {
        let content = read_file(disk, &path.with_extension(format::INDEX), limit::INDEX_FILE_BYTES_MAX).ok().flatten()?;
        durable::decode(Index::VERSION, &content).ok()
    }

    /// Bytes of batches.
    pub(crate) fn bytes(&self) -> u64 {
        self.sealed_bytes.unwrap_or(self.index.bytes)
    }

    /// The largest timestamp, ms; `i64::MIN` without any. `None` while its index is not at hand.
    pub(crate) fn max_timestamp(&self) -> Option<i64> {
        self.index_at_hand().map(|index| index.max_timestamp)
    }

    /// The time of its newest record, ms; when it was last written to if its records have no times. `None` if that is not known now.
    pub(crate) fn newest_ms(&self) -> Option<i64> {
        let timestamp = self.max_timestamp()?;
        if timestamp >= 0 { Some(timestamp) } else { self.file.modified_ms().ok() }
    }

    /// Whether the index is at hand and reaches the end.
    pub(crate) fn has_whole_index(&self) -> bool {
        self.index_at_hand().is_some_and(|index| index.bytes == self.bytes())
    }

    /// One past its last offset: where the next segment begins, if there is one.
    pub(crate) fn next_offset(&self) -> i64 {
        self.end_offset.unwrap_or(self.index.next_offset)
    }

    /// Says where it ends, once and for all.
    pub(crate) fn seal(&mut self, end_offset: i64) {
        self.end_offset = Some(end_offset);
    }

    /// The index of the active segment.
    pub(crate) fn active_index(&self) -> &Index {
        &self.index
    }

    /// The index, which is rebuilt if there is none. What cannot be read now is tried again by the next call.
    pub(crate) fn index(&self) -> Result<&Index, LogError> {
        if let Some(index) = self.index_at_hand() {
            return Ok(index);
        }
        let rebuilt = self.rebuilt_index()?;
        Ok(self.loaded.get_or_init(|| rebuilt))
    }

    /// The index, unless it has to be rebuilt first.
    pub(crate) fn index_at_hand(&self) -> Option<&Index> {
        // Of this process's own making; of one without batches there is nothing to rebuild either.
        let own = || self.sealed_bytes.is_none_or(|bytes| bytes == self.index.bytes).then_some(&self.index);
        self.loaded.get().or_else(own)
    }

    /// Scans a sealed segment whose index file is missing or damaged, as a start does.
    fn rebuilt_index(&self) -> Result<Index, LogError> {
        let (path, file, bytes, base_offset, next_base) = (&*self.path, &*self.file, self.bytes(), self.base_offset, self.end_offset);
        let (synced, interval_bytes) = ((bytes, self.next_offset()), self.interval_bytes);
        let scanned = Scanned { path, file, bytes, base_offset, synced, next_base, interval_bytes, may_have_holes: false };
        Ok(scanned.scan(|_| {})?.index)
    }

    /// Writes a batch at the end. Says whether this is the first write since the last sync.
    pub(crate) fn append(&mut self, batch: &RecordBatch, now_ms: i64, settings: &LogSettings) -> Result<bool, LogError> {
        let position = self.index.bytes;
        let batch_bytes = batch.total_bytes() as u64;
        let end = position + batch_bytes;
        self.is_closed = false;
        if end > self.allocated {
            let chunk = self.allocated.clamp(limit::CHUNK_BYTES_MIN, limit::CHUNK_BYTES_MAX);
            let room = (self.allocated + chunk).min(settings.segment_bytes).max(end);
            self.file.allocate(room).map_err(|error| LogError::io(&self.path, error))?;
            self.allocated = room;
        }
        let (prefix, rest) = (batch.prefix(), batch.rest());
        let parts = [IoSlice::new(&prefix), IoSlice::new(&rest)];
        self.file.write_at(&parts, position).map_err(|error| LogError::io(&self.path, error))?;
        self.verified.add(position..end);
        self.index.push(batch.base_offset(), batch.last_offset(), batch_bytes, batch.max_timestamp(), settings.index_interval_bytes);
        self.first_append_ms.get_or_insert(now_ms);
        Ok(!std::mem::replace(&mut self.is_dirty, true))
    }

    /// Cuts the preallocated room off.
    pub(crate) fn cut_room(&self) -> Result<(), LogError> {
        self.file.truncate(self.index.bytes).map_err(|error| LogError::io(&self.path, error))
    }

    /// Stores the index, which says that everything in the segment is durable: only after a sync.
    pub(crate) fn store_index(&self, disk: &dyn Disk, aborted: &[Aborted]) -> Result<(), LogError> {
        self.index_file(aborted).store(disk)
    }

    pub(crate) fn index_file(&self, aborted: &[Aborted]) -> IndexFile {
        IndexFile { path: self.path.with_extension(format::INDEX), content: durable::encode(Index::VERSION, &(&self.index, aborted)) }
    }

    /// The transactions whose abort is in it; `None` if they have to be searched.
    pub(crate) fn stored_aborted(&self) -> Option<&[Aborted]> {
        self.stored_aborted.as_deref()
    }

    pub(crate) fn is_sealing(&self) -> bool {
        self.is_sealing.load(Ordering::Acquire)
    }

    pub(crate) fn set_sealing(&self, is_sealing: bool) {
        self.is_sealing.store(is_sealing, Ordering::Release);
    }

    pub(crate) fn remove(&self, disk: &dyn Disk) -> Result<(), LogError> {
        remove_files(disk, &self.path)
    }
}

/// Removes a segment's files, by the path of its log.
pub(crate) fn remove_files(disk: &dyn Disk, log_path: &Path) -> Result<(), LogError> {
    for kind in [format::INDEX, format::PRODUCERS, format::LOG] {
        let path = log_path.with_extension(kind);
        match disk.remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(LogError::io(&path, error)),
            _ => {}
        }
    }
    Ok(())
}
