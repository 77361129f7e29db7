//! What a sync has to make durable, taken from a log under its lock and done outside of it.
//!
//! The order is what recovery relies on: content, then names, then the index of each segment that has ended. A
//! segment with an index was synced, and so was everything before it.

use std::path::PathBuf;
use std::sync::Arc;

use super::index::Aborted;
use super::segment::Segment;
use super::{LogError, format};
use crate::disk::{Disk, DiskFile, replace_file};

/// A segment that has ended and gets its index.
#[derive(Debug)]
pub(crate) struct Sealing {
    pub segment: Arc<Segment>,
    /// One past its last offset, where the next segment begins.
    pub next_offset: i64,
    /// The producers at its end: stored under the offset of the segment after it.
    pub producers: Vec<u8>,
    /// The transactions whose abort is in it.
    pub aborted: Vec<Aborted>,
}

/// Files, folders and ended segments that no sync has covered.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    /// Oldest first.
    pub files: Vec<(PathBuf, Arc<dyn DiskFile>)>,
    /// Folders with new names in them.
    pub dirs: Vec<PathBuf>,
    pub sealing: Vec<Sealing>,
}

impl Unsynced {
    /// Makes all of it durable, and says so in indexes if it may. An error is final: what was not synced may be lost although the cache
    /// shows it.
    pub(crate) fn sync(self, disk: &dyn Disk, may_index: bool) -> Result<(), LogError> {
        for (path, file) in &self.files {
            file.sync().map_err(|error| LogError::sync(path, error))?;
        }
        for dir in &self.dirs {
            disk.sync_dir(dir).map_err(|error| LogError::sync(dir, error))?;
        }
        for sealing in &self.sealing {
            match if may_index { sealing.store(disk) } else { Ok(()) } {
                // They are caches: without them the next start scans the segment.
                Err(error @ LogError::NoRoom { .. }) => tracing::warn!("{error}; the next start will scan the segment"),
                other => other?,
            }
            sealing.segment.set_sealing(false);
        }
        Ok(())
    }
}

impl Sealing {
    fn store(&self, disk: &dyn Disk) -> Result<(), LogError> {
        // In this order: a start that finds the producers need not walk the segments before them, which then have all that a walk shows.
        self.segment.store_index(disk, &self.aborted)?;
        let path = self.segment.path.with_file_name(format::file_name(self.next_offset, format::PRODUCERS));
        replace_file(disk, &path, &self.producers).map_err(|error| LogError::io(&path, error))
    }
}
