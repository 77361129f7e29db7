//! The log of one partition: segments in order, the last one active.
//!
//! A segment holds record batches exactly as they travelled, with the broker's base offset and leader epoch in
//! the first 16 bytes. This module appends, rolls, reads, cuts at the front and recovers; it knows nothing of
//! producers, acknowledgements or clients: that is `partition`.

pub(crate) mod batch_facts;
mod damage;
pub(crate) mod format;
pub(crate) mod index;
pub(crate) mod index_file;
pub(crate) mod read;
pub(crate) mod recovery;
mod scan;
pub(crate) mod segment;
pub(crate) mod send;
pub(crate) mod swap;
pub(crate) mod sync;
mod verified;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use millstream_protocol::record::{BatchError, RecordBatch};
use rustix::io::Errno;
use thiserror::Error;

use crate::disk::Disk;
use index::Aborted;
use index_file::IndexFile;
use read::ReadPlan;
use segment::Segment;
use sync::{Sealing, Unsynced};

/// Why the log cannot do what was asked.
#[derive(Debug, Error)]
pub enum LogError {
    /// The disk is full, or too many files are open. Nothing was appended; it may work later.
    #[error("no room for {file}: {error}")]
    NoRoom {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The disk failed. Final for a write.
    #[error("{file}: {error}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Stored bytes are not what was written.
    #[error("{file} is damaged at byte {position}: {error}")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where in it.
        position: u64,
        /// What is wrong there.
        error: BatchError,
    },
}

impl LogError {
    pub(crate) fn io(file: &std::path::Path, error: io::Error) -> Self {
        let file = file.to_owned();
        let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let too_many_open = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
        if is_full || too_many_open.contains(&error.raw_os_error()) {
            LogError::NoRoom { file, error }
        } else {
            LogError::Io { file, error }
        }
    }

    /// A sync that failed is final whatever the reason: even for want of space.
    pub(crate) fn sync(file: &std::path::Path, error: io::Error) -> Self {
        LogError::Io { file: file.to_owned(), error }
    }
}

/// Sizes that decide when a segment ends and how dense its index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSettings {
    pub segment_bytes: u64,
    pub segment_ms: i64,
    pub index_interval_bytes: u64,
}

/// The log. It has one owner, the partition, and is used under its lock.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) dir: PathBuf,
    disk: Arc<dyn Disk>,
    sealed: Vec<Arc<Segment>>,
    active: Option<Segment>,
    next_offset: i64,
    unsynced: Unsynced,
    dir_exists: bool,
}

impl Log {
    /// A log as it was found. What is unsynced has to be durable before anybody reads it.
    pub(crate) fn recovered(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        sealed: Vec<Arc<Segment>>,
        active: Option<Segment>,
        next_offset: i64,
        unsynced: Unsynced,
    ) -> Self {
        let dir_exists = active.is_some() || !sealed.is_empty();
        Log { dir, disk, sealed, active, next_offset, unsynced, dir_exists }
    }

    /// The offset that the next record gets.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The first offset of the first segment.
    pub(crate) fn first_offset(&self) -> i64 {
        self.segments().next().map_or(self.next_offset, |segment| segment.base_offset)
    }

    pub(crate) fn segments(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.sealed.iter().map(|segment| &**segment).chain(&self.active)
    }

    pub(crate) fn sealed(&self) -> &[Arc<Segment>] {
        &self.sealed
    }

    /// Bytes of batches in all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments().map(|segment| segment.bytes()).sum()
    }

    /// Whether a batch of this size begins a new segment.
    pub(crate) fn is_roll_due(&self, batch_bytes: usize, now_ms: i64, settings: &LogSettings) -> bool {
        self.active.as_ref().is_some_and(|active| {
            active.bytes() > 0
                && (active.bytes() + batch_bytes as u64 > settings.segment_bytes
                    || self.next_offset - active.base_offset > i64::from(i32::MAX) - 1_000_000
                    || active.first_append_ms.is_some_and(|first| now_ms - first >= settings.segment_ms))
        })
    }

    /// Writes a batch that has its place already. Nothing is visible or durable by this alone.
    pub(crate) fn append(&mut self, batch: &RecordBatch, now_ms: i64, settings: &LogSettings) -> Result<(), LogError> {
        debug_assert_eq!(batch.base_offset(), self.next_offset);
        if self.active.is_none() {
            self.open_active()?;
        }
        if let Some(active) = &mut self.active {
            if active.append(batch, now_ms, settings)? {
                self.unsynced.files.push((active.path.clone(), active.file.clone()));
            }
            self.next_offset = batch.last_offset() + 1;
        }
        Ok(())
    }

    fn open_active(&mut self) -> Result<(), LogError> {
        if !self.dir_exists {
            self.disk.create_dir(&self.dir).map_err(|error| LogError::io(&self.dir, error))?;
            self.dir_exists = true;
            self.unsynced.dirs.extend(self.dir.parent().map(Into::into));
        }
        self.active = Some(Segment::create(&*self.disk, &self.dir, self.next_offset)?);
        self.unsynced.dirs.push(self.dir.clone());
        Ok(())
    }

    /// Ends the active segment; the next append begins a new one. The next sync seals it: an append waits for no disk.
    pub(crate) fn roll(&mut self, producers: Vec<u8>, aborted: Vec<Aborted>) -> Result<(), LogError> {
        let Some(mut active) = self.active.take_if(|active| active.bytes() > 0) else { return Ok(()) };
        if let Err(error) = active.cut_room() {
            self.active = Some(active);
            return Err(error);
        }
        if !active.is_dirty {
            self.unsynced.files.push((active.path.clone(), active.file.clone()));
        }
        active.is_dirty = false;
        active.seal(self.next_offset);
        active.set_sealing(true);
        let segment = Arc::new(active);
        self.unsynced.sealing.push(Sealing { segment: segment.clone(), next_offset: self.next_offset, producers, aborted });
        self.sealed.push(segment);
        Ok(())
    }

    /// Whether an ended segment waits for its sync.
    pub(crate) fn has_sealing(&self) -> bool {
        !self.unsynced.sealing.is_empty()
    }

    /// Takes what a sync must cover for everything appended so far to be durable.
    pub(crate) fn take_unsynced(&mut self) -> Unsynced {
        if let Some(active) = &mut self.active {
            active.is_dirty = false;
        }
        std::mem::take(&mut self.unsynced)
    }

    /// Where to read up to `room` bytes from `offset` on, below the offset `end`; `None` at or beyond the end of the log. Reading them is
    /// the caller's, outside the lock.
    pub(crate) fn plan(&self, offset: i64, room: usize, end: i64) -> Option<ReadPlan> {
        if offset >= self.next_offset {
            return None;
        }
        let sealed = &self.sealed[self.sealed.partition_point(|segment| segment.base_offset <= offset).saturating_sub(1)..];
        match &self.active {
            Some(active) if offset >= active.base_offset => Some(ReadPlan::active(active, offset, room, end)),
            _ => sealed.first().map(|segment| ReadPlan::sealed(segment.clone(), offset)),
        }
    }

    /// Where to look for the first record of a time: the sealed segments, and a plan for the active one.
    pub(crate) fn segments_for_time(&self, timestamp_ms: i64) -> (Vec<Arc<Segment>>, Option<ReadPlan>) {
        let active = self.active.iter().find(|active| active.active_index().max_timestamp >= timestamp_ms);
        (self.sealed.clone(), active.map(|active| ReadPlan::active_from_time(active, timestamp_ms)))
    }

    /// The largest timestamp of the active segment; `None` while it is empty.
    pub(crate) fn active_max_timestamp(&self) -> Option<i64> {
        self.active.as_ref().filter(|active| active.bytes() > 0).map(|active| active.active_index().max_timestamp)
    }

    /// Puts one segment in the place of some that follow one another. Readers that have those can go on reading them.
    pub(crate) fn replace(&mut self, first_base: i64, count: usize, segment: Arc<Segment>) {
        let from = self.sealed.partition_point(|sealed| sealed.base_offset < first_base);
        self.sealed.splice(from..from + count, [segment]);
    }

    /// The base offset of the segment after the one that holds `offset`.
    pub(crate) fn next_base(&self, offset: i64) -> Option<i64> {
        let after = self.sealed.partition_point(|segment| segment.base_offset <= offset);
        let next = self.sealed.get(after).map(|segment| &**segment).or(self.active.as_ref());
        next.map(|segment| segment.base_offset).filter(|base| *base > offset)
    }

    /// The base offset of the segment after the one that a plan reads.
    pub(crate) fn base_behind(&self, plan: &ReadPlan) -> Option<i64> {
        self.next_base(plan.base_offset())
    }

    /// An offset that a read of so many bytes from `offset` on does not come to: near, where an index says it.
    pub(crate) fn reach(&self, offset: i64, bytes_max: usize) -> i64 {
        let index = match &self.active {
            Some(active) if offset >= active.base_offset => Some(active.active_index()),
            _ => {
                let after = self.sealed.partition_point(|segment| segment.base_offset <= offset);
                self.sealed.get(after.saturating_sub(1)).and_then(|segment| segment.index_at_hand())
            }
        };
        let behind = index.and_then(|index| index.offset_behind(offset, bytes_max));
        behind.or_else(|| self.next_base(offset)).unwrap_or(self.next_offset)
    }

    /// Takes the first `count` sealed segments out of the list; their files are the caller's to remove.
    pub(crate) fn take_front(&mut self, count: usize) -> Vec<Arc<Segment>> {
        self.sealed.drain(..count.min(self.sealed.len())).collect()
    }

    /// Whether the active segment has waited for longer than this.
    pub(crate) fn is_active_older_than(&self, now_ms: i64, age_ms: i64) -> bool {
        self.active.as_ref().is_some_and(|active| {
            active.bytes() > 0 && active.first_append_ms.is_some_and(|first_ms| now_ms.saturating_sub(first_ms) >= age_ms)
        })
    }

    /// When the last segment got its first batch, as far as is known.
    pub(crate) fn first_append_ms(&self) -> Option<i64> {
        self.active.as_ref().and_then(|active| active.first_append_ms)
    }

    pub(crate) fn set_first_append_ms(&mut self, first_append_ms: Option<i64>) {
        if let Some(active) = &mut self.active {
            active.first_append_ms = first_append_ms;
        }
    }

    /// The base offset of the active segment.
    pub(crate) fn active_base(&self) -> i64 {
        self.active.as_ref().map_or(self.next_offset, |active| active.base_offset)
    }

    /// The index of a segment as it is now, to be stored once the segment is durable as far as that.
    pub(crate) fn index_file(&self, base_offset: i64, aborted: &[Aborted]) -> Option<IndexFile> {
        self.segments().find(|segment| segment.base_offset == base_offset).map(|segment| segment.index_file(aborted))
    }

    /// Whether something that was found here has to be synced before anybody reads it.
    pub(crate) fn has_unsynced(&self) -> bool {
        !self.unsynced.files.is_empty()
    }

    /// Cuts preallocated room and writes the index of the active segment, of which everything was synced: the next
    /// start can tell whether something is missing.
    pub(crate) fn close(&mut self, aborted: &[Aborted]) -> Result<(), LogError> {
        if let Some(active) = self.active.as_mut().filter(|active| !active.is_closed) {
            active.cut_room()?;
            active.file.sync().map_err(|error| LogError::sync(&active.path, error))?;
            active.store_index(&*self.disk, aborted)?;
            active.is_closed = true;
        }
        Ok(())
    }
}
