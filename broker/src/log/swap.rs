//! Putting what compaction left of some segments in their place, so that a crash at any moment leaves either the old or the
//! new: the new content is written and synced under another name (`.cleaned`); its index, stored as `.swap`, is the
//! moment from which it counts; then both get their names, and the segments that it swallowed go.
//!
//! From that moment on a failure is final, whatever its reason: memory has the old segments, and the next start will have the
//! new ones. Before it nothing has changed, and a full disk is only logged.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_protocol::record::RecordBatch;

use super::index::{Aborted, Index};
use super::segment::Segment;
use super::{LogError, format};
use crate::disk::{Disk, DiskFile, Mode, replace_file};
use crate::durable;

/// A segment being written by compaction.
#[derive(Debug)]
pub(crate) struct Cleaned {
    dir: PathBuf,
    base_offset: i64,
    file: Arc<dyn DiskFile>,
    index: Index,
    interval_bytes: u64,
}

impl Cleaned {
    pub(crate) fn create(disk: &dyn Disk, dir: &Path, base_offset: i64, interval_bytes: u64) -> Result<Self, LogError> {
        let path = format::path(dir, base_offset, format::CLEANED);
        let fail = |error| LogError::io(&path, error);
        let swap = format::path(dir, base_offset, format::SWAP);
        // What it names must not be touched: the next start puts it in its place.
        if is_there(disk, &swap) {
            return Err(LogError::Io { file: swap, error: std::io::ErrorKind::AlreadyExists.into() });
        }
        let file = disk.open(&path, Mode::Lasting).map_err(fail)?;
        file.truncate(0).map_err(fail)?;
        Ok(Cleaned { dir: dir.to_owned(), base_offset, file, index: Index::new(base_offset), interval_bytes })
    }

    pub(crate) fn append(&mut self, batch: &RecordBatch) -> Result<(), LogError> {
        let (prefix, rest) = (batch.prefix(), batch.rest());
        let path = format::path(&self.dir, self.base_offset, format::CLEANED);
        self.file.write_at(&[IoSlice::new(&prefix), IoSlice::new(&rest)], self.index.bytes).map_err(|error| LogError::io(&path, error))?;
        let bytes = batch.total_bytes() as u64;
        self.index.push(batch.base_offset(), batch.last_offset(), bytes, batch.max_timestamp(), self.interval_bytes);
        Ok(())
    }

    /// Makes it what counts. It reaches up to `next_offset`, whatever is left in it, and swallows the segments in between.
    pub(crate) fn install(mut self, disk: &dyn Disk, next_offset: i64, aborted: Vec<Aborted>) -> Result<Segment, LogError> {
        let cleaned = format::path(&self.dir, self.base_offset, format::CLEANED);
        self.file.sync().map_err(|error| LogError::sync(&cleaned, error))?;
        disk.sync_dir(&self.dir).map_err(|error| LogError::sync(&self.dir, error))?;
        self.index.next_offset = next_offset;
        let swap = format::path(&self.dir, self.base_offset, format::SWAP);
        replace_file(disk, &swap, &durable::encode(Index::VERSION, &(&self.index, &aborted)))
            .map_err(|error| if is_there(disk, &swap) { LogError::sync(&swap, error) } else { LogError::io(&swap, error) })?;
        finish_one(disk, &self.dir, self.base_offset)?;
        disk.sync_dir(&self.dir).map_err(|error| LogError::sync(&self.dir, error))?;
        let path = format::path(&self.dir, self.base_offset, format::LOG);
        Ok(Segment::cleaned(path, self.file, self.base_offset, self.index, aborted))
    }
}

/// What cannot be looked at counts as being there.
fn is_there(disk: &dyn Disk, path: &Path) -> bool {
    disk.open(path, Mode::Existing).err().is_none_or(|error| error.kind() != std::io::ErrorKind::NotFound)
}

/// Gives content and index their names, as far as that was not done.
fn finish_one(disk: &dyn Disk, dir: &Path, base_offset: i64) -> Result<(), LogError> {
    for (from, to) in [(format::CLEANED, format::LOG), (format::SWAP, format::INDEX)] {
        let path = format::path(dir, base_offset, from);
        match disk.rename(&path, &format::path(dir, base_offset, to)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(LogError::sync(&path, error)),
            // The index is nobody's before its content has the name.
            Ok(()) => disk.sync_dir(dir).map_err(|error| LogError::sync(dir, error))?,
        }
    }
    Ok(())
}

/// Ends what a crash interrupted: what counts already gets its name, anything else goes.
pub(crate) fn finish(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    let names = disk.list(dir).map_err(|error| LogError::io(dir, error))?;
    let bases = |kind: &'static str| names.iter().filter_map(move |entry| format::base_offset(&entry.name, kind));
    let swapped: Vec<i64> = bases(format::SWAP).collect();
    for base in &swapped {
        finish_one(disk, dir, *base)?;
    }
    for base in bases(format::CLEANED).filter(|base| !swapped.contains(base)) {
        let path = format::path(dir, base, format::CLEANED);
        disk.remove_file(&path).map_err(|error| LogError::io(&path, error))?;
    }
    Ok(())
}
