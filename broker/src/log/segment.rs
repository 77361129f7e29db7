//! One segment: a file of batches and its index. The active one grows by preallocated chunks. What was written never
//! changes, and each read maps the part that it needs: subscribers get the page cache's own bytes.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use millstream_protocol::record::batch::{self, HEADER_BYTES, PREFIX_BYTES};
use millstream_protocol::record::{BatchError, RecordBatch};

use super::index::{Aborted, Index};
use super::{LogError, LogSettings, format};
use crate::disk::{Disk, DiskFile, Mode, read_file, replace_file};
use crate::durable;

/// Preallocation begins here and doubles up to [`CHUNK_BYTES_MAX`], so that many small partitions stay small.
const CHUNK_BYTES_MIN: u64 = 256 * 1024;
const CHUNK_BYTES_MAX: u64 = 32 * 1024 * 1024;
const INDEX_FILE_BYTES_MAX: u64 = durable::RECORD_BYTES_MAX as u64;

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
    interval_bytes: u64,
    /// Ended, but its sync and its index are still to come: until then its files may not be removed.
    is_sealing: AtomicBool,
}

impl Segment {
    /// A segment that compaction made, with an index that is stored already.
    pub(crate) fn cleaned(path: PathBuf, file: Arc<dyn DiskFile>, base_offset: i64, index: Index, aborted: Vec<Aborted>) -> Self {
        let bytes = index.bytes;
        Segment {
            index,
            sealed_bytes: Some(bytes),
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
            interval_bytes: 4096,
            is_sealing: AtomicBool::new(false),
        }
    }

    /// A segment that an earlier process sealed.
    pub(crate) fn sealed(path: PathBuf, file: Arc<dyn DiskFile>, base_offset: i64, bytes: u64, stored: Option<StoredIndex>) -> Self {
        let mut segment = Segment { sealed_bytes: Some(bytes), ..Self::active(path, file, base_offset, Index::new(base_offset), bytes) };
        if let Some((index, aborted)) = stored {
            let _ = segment.loaded.set(index);
            segment.stored_aborted = Some(aborted);
        }
        segment
    }

    /// The stored index of the segment at `path`, if there is one and it is whole.
    pub(crate) fn stored_index(disk: &dyn Disk, path: &Path) -> Option<StoredIndex> {
        let content = read_file(disk, &path.with_extension(format::INDEX), INDEX_FILE_BYTES_MAX).ok().flatten()?;
        durable::decode(Index::VERSION, &content).ok()
    }

    /// Bytes of batches.
    pub(crate) fn bytes(&self) -> u64 {
        self.sealed_bytes.unwrap_or(self.index.bytes)
    }

    pub(crate) fn max_timestamp(&self) -> i64 {
        self.index().max_timestamp
    }

    /// The time of its newest record, ms; when it was last written to if its records have no times.
    pub(crate) fn newest_ms(&self) -> Option<i64> {
        let timestamp = self.max_timestamp();
        if timestamp >= 0 { Some(timestamp) } else { self.file.modified_ms().ok() }
    }

    /// Whether the index reaches the end: one that was rebuilt over damage does not, and says too little.
    pub(crate) fn has_whole_index(&self) -> bool {
        self.index().bytes == self.bytes()
    }

    /// One past its last offset.
    pub(crate) fn next_offset(&self) -> i64 {
        self.index().next_offset
    }

    pub(crate) fn index(&self) -> &Index {
        self.index_at_hand().unwrap_or_else(|| self.loaded.get_or_init(|| self.rebuilt_index()))
    }

    /// The index, unless it has to be rebuilt first.
    pub(crate) fn index_at_hand(&self) -> Option<&Index> {
        // Of this process's own making; of one without batches there is nothing to rebuild either.
        let own = || self.sealed_bytes.is_none_or(|bytes| bytes == self.index.bytes).then_some(&self.index);
        self.loaded.get().or_else(own)
    }

    /// Walks the batch headers of a sealed segment whose index file is missing or damaged. Damage ends the walk:
    /// what is behind it is found by scanning from the last entry before it.
    fn rebuilt_index(&self) -> Index {
        let mut index = Index::new(self.base_offset);
        let Ok(content) = self.file.map(0, self.bytes() as usize) else { return index };
        for found in batch::split(content) {
            let Ok(found) = found else { break };
            let bytes = found.total_bytes() as u64;
            index.push(found.base_offset(), found.last_offset(), bytes, found.max_timestamp(), self.interval_bytes);
        }
        index
    }

    /// Writes a batch at the end. Says whether this is the first write since the last sync.
    pub(crate) fn append(&mut self, batch: &RecordBatch, now_ms: i64, settings: &LogSettings) -> Result<bool, LogError> {
        let position = self.index.bytes;
        let batch_bytes = batch.total_bytes() as u64;
        let end = position + batch_bytes;
        self.is_closed = false;
        if end > self.allocated {
            let chunk = self.allocated.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
            let room = (self.allocated + chunk).min(settings.segment_bytes).max(end);
            self.file.allocate(room).map_err(|error| LogError::io(&self.path, error))?;
            self.allocated = room;
        }
        let (prefix, rest) = (batch.prefix(), batch.rest());
        let parts = [IoSlice::new(&prefix), IoSlice::new(&rest)];
        self.file.write_at(&parts, position).map_err(|error| LogError::io(&self.path, error))?;
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
        let path = self.path.with_extension(format::INDEX);
        replace_file(disk, &path, &durable::encode(Index::VERSION, &(&self.index, aborted))).map_err(|error| LogError::io(&path, error))
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
        for kind in [format::INDEX, format::PRODUCERS, format::LOG] {
            let path = self.path.with_extension(kind);
            match disk.remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(LogError::io(&path, error)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A read that was decided under the partition's lock and is done outside of it.
#[derive(Debug)]
pub(crate) struct ReadPlan {
    source: Source,
    path: PathBuf,
    position: u64,
    end: u64,
    offset: i64,
    may_have_gaps: bool,
}

#[derive(Debug)]
enum Source {
    Sealed(Arc<Segment>),
    Active(Arc<dyn DiskFile>),
}

/// A read takes at least this much at once, so that small batches do not cost a call each.
const READ_BYTES_MIN: usize = 64 * 1024;
const READ_BYTES_MAX: usize = 8 * 1024 * 1024;

impl ReadPlan {
    pub(crate) fn active(segment: &Segment, offset: i64) -> Self {
        let position = segment.index.position_of(offset);
        // The index changes under the lock: the plan keeps what it needs of it.
        ReadPlan {
            source: Source::Active(segment.file.clone()),
            path: segment.path.clone(),
            position,
            end: segment.index.bytes,
            offset,
            may_have_gaps: false,
        }
    }

    pub(crate) fn sealed(segment: Arc<Segment>, offset: i64) -> Self {
        ReadPlan {
            path: segment.path.clone(),
            position: 0,
            end: segment.bytes(),
            offset,
            source: Source::Sealed(segment),
            may_have_gaps: false,
        }
    }

    /// The same plan, for a log that was compacted: offsets may be missing.
    pub(crate) fn with_gaps(mut self, may_have_gaps: bool) -> Self {
        self.may_have_gaps = may_have_gaps;
        self
    }

    /// A plan that begins where the first record of a time may be.
    pub(crate) fn active_from_time(segment: &Segment, timestamp_ms: i64) -> Self {
        let position = segment.index.position_before_time(timestamp_ms);
        ReadPlan { position, ..Self::active(segment, segment.base_offset) }
    }

    /// The same of a sealed segment.
    pub(crate) fn sealed_from_time(segment: Arc<Segment>, timestamp_ms: i64) -> Self {
        let (position, offset) = (segment.index().position_before_time(timestamp_ms), segment.base_offset);
        ReadPlan { position, ..Self::sealed(segment, offset) }
    }

    /// Reads whole batches from the one that holds the plan's offset on, up to `bytes_max`; the first one even if
    /// it is larger. Every checksum is compared: damage is an error here and never an empty answer. Where compaction has
    /// left nothing to the end of the segment, there is nothing.
    pub(crate) fn read(&self, bytes_max: usize) -> Result<Vec<RecordBatch>, LogError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let walked = self.walk(bytes_max, |batch| {
            if batch.last_offset() < self.offset {
                return Ok(true);
            }
            if !found.is_empty() && bytes + batch.total_bytes() > bytes_max {
                return Ok(false);
            }
            batch.verify_checksum()?;
            bytes += batch.total_bytes();
            found.push(batch);
            Ok(bytes < bytes_max)
        });
        // Damage behind what was found is the next read's error.
        if found.is_empty() {
            walked?;
            if self.may_have_gaps {
                return Ok(found);
            }
            // The plan was for a record that is there: a file that ends before it was cut by somebody else.
            let error = BatchError::Truncated { wanted: HEADER_BYTES, left: 0 };
            return Err(LogError::Damaged { file: self.path.clone(), position: self.end, error });
        }
        Ok(found)
    }

    /// Shows batches to `see` until it has seen enough.
    pub(crate) fn walk(&self, bytes_hint: usize, mut see: impl FnMut(RecordBatch) -> Result<bool, BatchError>) -> Result<(), LogError> {
        let fail = |error| LogError::io(&self.path, error);
        let damaged = |position, error| LogError::Damaged { file: self.path.clone(), position, error };
        let mut position = match &self.source {
            Source::Sealed(segment) => self.position.max(segment.index().position_of(self.offset)),
            Source::Active(_) => self.position,
        };
        while position < self.end {
            let left = (self.end - position) as usize;
            let mut wanted = bytes_hint.clamp(READ_BYTES_MIN, READ_BYTES_MAX);
            let mut prefix = [0; PREFIX_BYTES];
            let prefix_bytes = self.file().read_at(&mut prefix, position).map_err(fail)?;
            if let Some(total) = batch::total_bytes(&prefix[..prefix_bytes]) {
                wanted = wanted.max(total.map_err(|error| damaged(position, error))?);
            }
            let content = self.file().map(position, wanted.min(left)).map_err(fail)?;
            let (before, read) = (position, content.len());
            for batch in batch::split(content) {
                let batch = batch.map_err(|error| damaged(position, error))?;
                let total = batch.total_bytes() as u64;
                if !see(batch).map_err(|error| damaged(position, error))? {
                    return Ok(());
                }
                position += total;
            }
            if position == before {
                return Err(damaged(position, BatchError::Truncated { wanted: wanted.max(PREFIX_BYTES), left: read }));
            }
        }
        Ok(())
    }

    fn file(&self) -> &dyn DiskFile {
        match &self.source {
            Source::Sealed(segment) => &*segment.file,
            Source::Active(file) => &**file,
        }
    }
}
