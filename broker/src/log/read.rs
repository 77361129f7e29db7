//! Reading a log. Which bytes are read is decided under the partition's lock, as a plan; reading them happens outside of it. Each
//! read maps the part that it needs: subscribers get the page cache's own bytes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use millstream_protocol::record::batch::{self, HEADER_BYTES, PREFIX_BYTES};
use millstream_protocol::record::{BatchError, RecordBatch};

use super::LogError;
use super::damage::{Broken, Expected, check_place};
use super::index::Start;
use super::segment::Segment;
use super::verified::Verified;
use crate::disk::{DiskFile, is_unreadable, read_around};
use crate::limit;

/// A read that was decided under the partition's lock and is done outside of it.
#[derive(Debug)]
pub(crate) struct ReadPlan {
    source: PlanSource,
    path: PathBuf,
    from: Start,
    end: u64,
    offset: i64,
    /// The segment's first offset.
    base_offset: i64,
    may_have_gaps: bool,
}

#[derive(Debug)]
enum PlanSource {
    Sealed(Arc<Segment>),
    Active(Active),
}

/// What a plan keeps of the active segment, which goes on growing.
#[derive(Debug)]
struct Active {
    file: Arc<dyn DiskFile>,
    verified: Arc<Verified>,
    /// The indexed batch up to which a read may go.
    near: Start,
}

/// Where a walk ended before its plan did.
struct Stopped {
    position: u64,
    /// The offset behind the last batch that was seen.
    next_offset: i64,
    error: LogError,
}

impl ReadPlan {
    /// `room` and `end` are how many bytes are wanted, and below which offset.
    pub(crate) fn active(segment: &Segment, offset: i64, room: usize, end: i64) -> Self {
        // The index changes under the lock: the plan keeps what it needs of it.
        let index = segment.active_index();
        ReadPlan {
            source: PlanSource::Active(Active {
                file: segment.file.clone(),
                verified: segment.verified.clone(),
                near: index.start_within(index.start_of(offset).position.saturating_add(room as u64), end),
            }),
            path: segment.path.clone(),
            from: index.start_of(offset),
            end: index.bytes,
            offset,
            base_offset: segment.base_offset,
            may_have_gaps: false,
        }
    }

    pub(crate) fn sealed(segment: Arc<Segment>, offset: i64) -> Self {
        ReadPlan {
            path: segment.path.clone(),
            from: Start::default(),
            end: segment.bytes(),
            offset,
            base_offset: segment.base_offset,
            source: PlanSource::Sealed(segment),
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
        let from = segment.active_index().start_before_time(timestamp_ms);
        ReadPlan { from, ..Self::active(segment, segment.base_offset, 0, i64::MAX) }
    }

    /// The same of a sealed segment.
    pub(crate) fn sealed_from_time(segment: Arc<Segment>, timestamp_ms: i64) -> Result<Self, LogError> {
        let (from, offset) = (segment.index()?.start_before_time(timestamp_ms), segment.base_offset);
        Ok(ReadPlan { from, ..Self::sealed(segment, offset) })
    }

    /// Reads whole batches from the one that holds the plan's offset on, up to `bytes_max`; the first one even if
    /// it is larger. Every checksum is compared: damage is an error here and never an empty answer. Where compaction has
    /// left nothing to the end of the segment, there is nothing.
    pub(crate) fn read(&self, bytes_max: usize) -> Result<Vec<RecordBatch>, LogError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut compared = 0..0;
        let walked = self.walk_from(self.start()?, bytes_max, &mut |position, batch: RecordBatch| {
            if batch.last_offset() < self.offset {
                return Ok(true);
            }
            if !found.is_empty() && bytes + batch.total_bytes() > bytes_max {
                return Ok(false);
            }
            batch.verify_checksum()?;
            if found.is_empty() {
                compared.start = position;
            }
            bytes += batch.total_bytes();
            compared.end = position + batch.total_bytes() as u64;
            found.push(batch);
            Ok(bytes < bytes_max)
        });
        self.verified().add(compared);
        let walked = walked.map_err(|stopped| stopped.error);
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
        self.walk_from(self.start()?, bytes_hint, &mut |_, batch| see(batch)).map_err(|stopped| stopped.error)
    }

    /// Shows every batch that can be read: what is damaged is logged and left out, and what follows it is not.
    pub(crate) fn walk_over_damage(
        &self,
        bytes_hint: usize,
        mut see: impl FnMut(RecordBatch) -> Result<(), BatchError>,
        mut tell: impl FnMut(&LogError),
    ) {
        let mut see = |_, batch| see(batch).map(|()| true);
        // An index that cannot be read only saves time.
        let mut from = self.start().unwrap_or(self.from);
        while let Err(stopped) = self.walk_from(from, bytes_hint, &mut see) {
            tell(&stopped.error);
            let Some(position) = self.next_whole_batch(&stopped) else { return };
            from = Start { position, offset: stopped.next_offset };
        }
    }

    /// The first offset of the segment that it reads.
    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// The file, where the system can send parts of it; not of a log in which offsets may be missing.
    pub(super) fn sent_file(&self) -> Option<Arc<File>> {
        self.file().sent().filter(|_| !self.may_have_gaps)
    }

    pub(super) fn verified(&self) -> &Verified {
        match &self.source {
            PlanSource::Sealed(segment) => &segment.verified,
            PlanSource::Active(active) => &active.verified,
        }
    }

    /// The last indexed batch that begins neither behind a position nor behind an offset; of the active segment, one that was found
    /// when the plan was made.
    pub(super) fn indexed_before(&self, position: u64, offset: i64) -> Option<Start> {
        match &self.source {
            PlanSource::Sealed(segment) => segment.index_at_hand().map(|index| index.start_within(position, offset)),
            PlanSource::Active(active) => Some(active.near).filter(|near| near.position <= position && near.offset <= offset),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The offset that is wanted first.
    pub(super) fn offset(&self) -> i64 {
        self.offset
    }

    /// Where the segment's batches end.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Where it begins, if that is known without the disk.
    pub(super) fn start_at_hand(&self) -> Option<Start> {
        match &self.source {
            PlanSource::Sealed(segment) => segment.index_at_hand().map(|index| self.from.max(index.start_of(self.offset))),
            PlanSource::Active(_) => Some(self.from),
        }
    }

    pub(super) fn start(&self) -> Result<Start, LogError> {
        match &self.source {
            PlanSource::Sealed(segment) => Ok(self.from.max(segment.index()?.start_of(self.offset))),
            PlanSource::Active(_) => Ok(self.from),
        }
    }

    fn walk_from(
        &self,
        from: Start,
        bytes_hint: usize,
        see: &mut impl FnMut(u64, RecordBatch) -> Result<bool, BatchError>,
    ) -> Result<(), Stopped> {
        let Start { mut position, offset: mut next_offset } = from;
        while position < self.end {
            let stop = |position, next_offset, error| Stopped { position, next_offset, error };
            let content = self.content(position, bytes_hint).map_err(|error| stop(position, next_offset, error))?;
            let damaged = |position, error| content.error(self, position, error);
            let (before, read) = (position, content.bytes.len());
            for batch in batch::split(content.bytes.clone()) {
                let batch = batch.map_err(|error| stop(position, next_offset, damaged(position, error)))?;
                let (total, behind) = (batch.total_bytes() as u64, batch.last_offset().saturating_add(1));
                let end = (position + total - before) as usize;
                check_place(&batch, &content.bytes, end, Expected::within(self.base_offset, next_offset))
                    .map_err(|error| stop(position, next_offset, damaged(position, error)))?;
                if !see(position, batch).map_err(|error| stop(position, next_offset, damaged(position, error)))? {
                    return Ok(());
                }
                (position, next_offset) = (position + total, behind);
            }
            if position == before {
                let error = BatchError::Truncated { wanted: PREFIX_BYTES, left: read };
                return Err(stop(position, next_offset, damaged(position, error)));
            }
        }
        Ok(())
    }

    /// The bytes from a position on: as many as are wanted at once, and at least one batch.
    fn content(&self, position: u64, bytes_hint: usize) -> Result<Content, LogError> {
        let left = (self.end - position) as usize;
        let mut wanted = bytes_hint.clamp(limit::READ_BYTES_MIN, limit::READ_BYTES_MAX);
        let mut prefix = [0; PREFIX_BYTES];
        let prefix_bytes = self.file().read_at(&mut prefix, position).map_err(|error| LogError::io(&self.path, error))?;
        if let Some(total) = batch::total_bytes(&prefix[..prefix_bytes]) {
            wanted = wanted.max(total.map_err(|error| LogError::Damaged { file: self.path.clone(), position, error })?);
        }
        self.map(position, wanted.min(left))
    }

    /// Maps a part of the file. Where a part of that cannot be read, the rest of it still can.
    fn map(&self, position: u64, len: usize) -> Result<Content, LogError> {
        match self.file().map(position, len) {
            Ok(bytes) => Ok(Content { bytes, unreadable: None }),
            Err(error) if is_unreadable(&error) => {
                let bytes = read_around(self.file(), position, len).map_err(|error| LogError::io(&self.path, error))?;
                Ok(Content { bytes, unreadable: Some(error) })
            }
            Err(error) => Err(LogError::io(&self.path, error)),
        }
    }

    /// Where the next whole batch behind a broken one begins.
    fn next_whole_batch(&self, stopped: &Stopped) -> Option<u64> {
        let content = self.map(stopped.position, (self.end - stopped.position) as usize).ok()?;
        let expected = Expected::within(self.base_offset, stopped.next_offset);
        Broken::find(&content.bytes, 0, expected).next.map(|next| stopped.position + next as u64)
    }

    pub(super) fn file(&self) -> &dyn DiskFile {
        match &self.source {
            PlanSource::Sealed(segment) => &*segment.file,
            PlanSource::Active(active) => &*active.file,
        }
    }
}

/// A part of a segment's file.
struct Content {
    bytes: Bytes,
    /// What the disk said of a part of it, which does not hold what was written.
    unreadable: Option<std::io::Error>,
}

impl Content {
    /// What is wrong with a batch in it.
    fn error(&self, plan: &ReadPlan, position: u64, error: BatchError) -> LogError {
        match &self.unreadable {
            Some(unreadable) => {
                LogError::io(&plan.path, std::io::Error::new(unreadable.kind(), format!("at byte {position}: {unreadable}")))
            }
            None => LogError::Damaged { file: plan.path.clone(), position, error },
        }
    }
}
