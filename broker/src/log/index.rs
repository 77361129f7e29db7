//! The sparse index of a segment: one entry per some KiB of log, for offsets and for times alike, since the
//! largest timestamp so far rises along the log as the offset does.

use serde::{Deserialize, Serialize};

/// A batch that a search may start at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexEntry {
    /// Its base offset.
    pub offset: i64,
    /// Its place in the file.
    pub position: u64,
    /// The largest timestamp before it, ms.
    pub max_timestamp_before: i64,
}

/// Where a walk may begin: at a batch, or at the beginning of the segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Start {
    /// Its place in the file.
    pub position: u64,
    /// Its base offset, or one below it.
    pub offset: i64,
}

/// A transaction that was aborted: readers of committed records leave its batches out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aborted {
    pub producer_id: i64,
    pub first_offset: i64,
    /// Its marker's.
    pub last_offset: i64,
    /// Where the oldest open transaction began when this one ended: none that ends later begins before.
    pub stable_offset: i64,
}

/// What is kept of a sealed segment beside its batches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    pub entries: Vec<IndexEntry>,
    /// Bytes of batches.
    pub bytes: u64,
    /// One past the last offset.
    pub next_offset: i64,
    /// The largest timestamp, ms; `i64::MIN` while empty.
    pub max_timestamp: i64,
    indexed_to: u64,
    is_entry_due: bool,
}

impl Index {
    pub(crate) const VERSION: u8 = 2;

    pub(crate) fn new(base_offset: i64) -> Self {
        Index { next_offset: base_offset, max_timestamp: i64::MIN, ..Index::default() }
    }

    /// Counts a batch that was written at the end.
    pub(crate) fn push(&mut self, base_offset: i64, last_offset: i64, batch_bytes: u64, timestamp: i64, interval_bytes: u64) {
        if self.entries.is_empty() || std::mem::take(&mut self.is_entry_due) || self.bytes - self.indexed_to >= interval_bytes {
            self.entries.push(IndexEntry { offset: base_offset, position: self.bytes, max_timestamp_before: self.max_timestamp });
            self.indexed_to = self.bytes;
        }
        self.bytes += batch_bytes;
        self.next_offset = last_offset.saturating_add(1);
        self.max_timestamp = self.max_timestamp.max(timestamp);
    }

    /// Leaves a damaged range out: the next batch gets an entry, so that a read can begin behind the damage.
    pub(crate) fn skip_to(&mut self, position: u64) {
        self.bytes = position;
        self.is_entry_due = true;
    }

    /// The last indexed batch that does not begin after `offset`.
    pub(crate) fn start_of(&self, offset: i64) -> Start {
        self.start_before(self.entries.partition_point(|entry| entry.offset <= offset))
    }

    fn start_before(&self, place: usize) -> Start {
        place.checked_sub(1).map_or(Start::default(), |at| Start { position: self.entries[at].position, offset: self.entries[at].offset })
    }

    /// The last indexed batch that begins neither behind a position nor behind an offset.
    pub(crate) fn start_within(&self, position: u64, offset: i64) -> Start {
        self.start_before(self.entries.partition_point(|entry| entry.position <= position && entry.offset <= offset))
    }

    /// The first offset of an indexed batch that a read of so many bytes from `offset` on does not come to.
    pub(crate) fn offset_behind(&self, offset: i64, bytes: usize) -> Option<i64> {
        let after = self.entries.partition_point(|entry| entry.offset <= offset);
        // It begins before the next entry, or there when what was before it is gone; its first batch may be larger.
        let end = self.entries.get(after)?.position + bytes.max(1) as u64;
        let behind = self.entries.partition_point(|entry| entry.position < end);
        self.entries.get(behind).map(|entry| entry.offset)
    }

    /// The last indexed batch before which no record is as late as `timestamp`.
    pub(crate) fn start_before_time(&self, timestamp: i64) -> Start {
        self.start_before(self.entries.partition_point(|entry| entry.max_timestamp_before < timestamp))
    }
}
