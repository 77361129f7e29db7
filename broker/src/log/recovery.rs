//! Opening a log that an earlier process left, however it ended.
//!
//! Sealed segments are not scanned: they were synced before they were sealed. Only the last one is walked, batch
//! by batch, checksums compared. Where it stops making sense, either nothing sensible follows: then the tail was
//! never acknowledged and is cut; or whole batches follow: then it is damage in the middle, which is reported and
//! kept, so that reading it fails and nothing behind it is lost.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use millstream_protocol::record::RecordBatch;
use millstream_protocol::record::batch::{self, HEADER_BYTES, MAGIC};

use super::index::Index;
use super::segment::Segment;
use super::{Log, LogError, format};
use crate::disk::{Disk, read_file};
use crate::durable;

/// What opening found.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub log: Log,
    /// Batches of the last segment, oldest first, for rebuilding what is derived from them.
    pub replay: Vec<BatchFacts>,
    /// Whether unacknowledged bytes were cut off the end.
    pub was_cut: bool,
    /// Damage in the middle, as sentences with file and position.
    pub damage: Vec<String>,
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
        }
    }
}

/// Opens the log in `dir`, which need not exist.
pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path, first_offset: i64, interval_bytes: u64) -> Result<Recovered, LogError> {
    let names = disk.list(dir).map_err(|error| LogError::io(dir, error))?;
    let mut bases: Vec<i64> = names.iter().filter_map(|entry| format::base_offset(&entry.name, format::LOG)).collect();
    bases.sort_unstable();
    let Some(last) = bases.pop() else {
        let log = Log::new(disk, dir.to_owned(), Vec::new(), None, first_offset);
        return Ok(Recovered { log, replay: Vec::new(), was_cut: false, damage: Vec::new() });
    };
    let sealed = bases.into_iter().map(|base| Segment::sealed(&*disk, dir, base).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    let path = format::path(dir, last, format::LOG);
    let fail = |error| LogError::io(&path, error);
    let file = disk.open(&path, false).map_err(fail)?;
    let len = file.len().map_err(fail)?;
    // The map is dropped before anything is cut or written.
    let scanned = scan(&file.map(len).map_err(fail)?, last, interval_bytes, &path);
    let was_cut = scanned.cut_bytes > 0;
    if len > scanned.index.bytes {
        file.truncate(scanned.index.bytes).map_err(fail)?;
    }
    // A batch that was written but perhaps never synced becomes durable now, before anybody reads it.
    file.sync().map_err(fail)?;
    let next_offset = scanned.index.next_offset;
    let allocated = scanned.index.bytes;
    let active = Segment::active(path, file, last, scanned.index, allocated);
    let log = Log::new(disk, dir.to_owned(), sealed, Some(active), next_offset);
    Ok(Recovered { log, replay: scanned.replay, was_cut, damage: scanned.damage })
}

pub(crate) struct Scan {
    pub index: Index,
    pub replay: Vec<BatchFacts>,
    pub damage: Vec<String>,
    /// Bytes that are neither batches nor preallocated zeros.
    pub cut_bytes: usize,
}

/// Walks the batches of a segment and stops where nothing sensible follows.
pub(crate) fn scan(content: &Bytes, base_offset: i64, interval_bytes: u64, path: &Path) -> Scan {
    let mut index = Index::new(base_offset);
    let mut replay = Vec::new();
    let mut damage = Vec::new();
    let mut at = 0;
    loop {
        match sound_batch(content, at, index.next_offset) {
            Ok(batch) => {
                index.push(batch.base_offset(), batch.last_offset(), batch.total_bytes() as u64, batch.max_timestamp(), interval_bytes);
                replay.push(BatchFacts::from(&batch));
                at += batch.total_bytes();
            }
            Err(reason) => match next_sound_batch(content, at + 1, index.next_offset) {
                Some(next) => {
                    damage.push(format!("{} is damaged at byte {at}: {reason}; the next whole batch is at byte {next}", path.display()));
                    // The damaged range stays in the file and in the index: reading it must fail.
                    index.skip_to(next as u64);
                    at = next;
                }
                None => {
                    let rest = &content[at.min(content.len())..];
                    let cut_bytes = if rest.iter().all(|&byte| byte == 0) { 0 } else { rest.len() };
                    return Scan { index, replay, damage, cut_bytes };
                }
            },
        }
    }
}

/// The batch at a position, if all of it makes sense there.
fn sound_batch(content: &Bytes, at: usize, next_offset: i64) -> Result<RecordBatch, String> {
    let rest = content.slice(at.min(content.len())..);
    let batch = RecordBatch::new(rest).map_err(|error| error.to_string())?;
    if batch.base_offset() < next_offset || batch.last_offset_delta() < 0 {
        return Err(format!("batch begins at offset {}, {next_offset} or more expected", batch.base_offset()));
    }
    batch.verify_checksum().map_err(|error| error.to_string())?;
    Ok(batch)
}

/// Searches for the next whole batch. Its version byte narrows the candidates down before anything is computed.
fn next_sound_batch(content: &Bytes, from: usize, next_offset: i64) -> Option<usize> {
    let end = content.iter().rposition(|&byte| byte != 0)? + 1;
    (from..end.saturating_sub(HEADER_BYTES - 1)).find(|&at| {
        content[at + 16] == MAGIC as u8
            && content[at..at + 4] == [0; 4]
            && batch::total_bytes(&content[at..]).is_some_and(|total| total.is_ok_and(|total| at + total <= content.len()))
            && sound_batch(content, at, next_offset).is_ok()
    })
}

/// Checks every batch of every segment, and returns damage as sentences with file and position, and how many
/// batches were sound.
pub(crate) fn verify(disk: &dyn Disk, dir: &Path) -> Result<(Vec<String>, u64), LogError> {
    let names = disk.list(dir).map_err(|error| LogError::io(dir, error))?;
    let mut bases: Vec<i64> = names.iter().filter_map(|entry| format::base_offset(&entry.name, format::LOG)).collect();
    bases.sort_unstable();
    let (mut damage, mut sound) = (Vec::new(), 0);
    for (place, &base) in bases.iter().enumerate() {
        let path = format::path(dir, base, format::LOG);
        let fail = |error| LogError::io(&path, error);
        let file = disk.open(&path, false).map_err(fail)?;
        let content = file.map(file.len().map_err(fail)?).map_err(fail)?;
        let scanned = scan(&content, base, u64::MAX, &path);
        sound += scanned.replay.len() as u64;
        damage.extend(scanned.damage);
        if scanned.cut_bytes > 0 {
            let last = if place + 1 == bases.len() { " (a torn tail: the next start cuts it)" } else { "" };
            damage.push(format!(
                "{}: {} bytes from byte {} on are no batches{last}",
                path.display(),
                scanned.cut_bytes,
                scanned.index.bytes
            ));
        }
        let index_path = path.with_extension(format::INDEX);
        if let Some(content) = read_file(disk, &index_path, u64::MAX).map_err(fail)?
            && let Err(error) = durable::decode::<Index>(Index::VERSION, &content)
        {
            damage.push(format!("{}: {error}; it is a cache and will be rebuilt", index_path.display()));
        }
    }
    Ok((damage, sound))
}

/// Shows every whole batch of a partition, in order.
pub(crate) fn each_batch(disk: &dyn Disk, dir: &Path, mut show: impl FnMut(&RecordBatch)) -> Result<(), LogError> {
    let names = disk.list(dir).map_err(|error| LogError::io(dir, error))?;
    let mut bases: Vec<i64> = names.iter().filter_map(|entry| format::base_offset(&entry.name, format::LOG)).collect();
    bases.sort_unstable();
    for base in bases {
        let path = format::path(dir, base, format::LOG);
        let fail = |error| LogError::io(&path, error);
        let file = disk.open(&path, false).map_err(fail)?;
        let content = file.map(file.len().map_err(fail)?).map_err(fail)?;
        batch::split(content).map_while(Result::ok).for_each(|batch| show(&batch));
    }
    Ok(())
}
