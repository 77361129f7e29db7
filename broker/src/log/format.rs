//! The names of a partition's files, and what is in them.
//!
//! ```text
//! topics/<topic id, hex>/topic                      name, partition count, properties       (durable record)
//!                       /<partition>/partition      first offset kept, leader epochs         (durable record)
//!                                   /closed              what a clean stop leaves: producers at the end (durable record)
//!                                   /<offset>.log        record batches, then preallocated zeros
//!                                   /<offset>.index      sparse index of a synced segment     (durable record)
//!                                   /<offset>.cleaned    what compaction left of segments, not in use yet
//!                                   /<offset>.swap       its index: from here on it is what counts (durable record)
//!                                   /<offset>.producers  idempotent producers at the start of this segment
//! ```
//!
//! `<offset>` is the first offset of the segment, 20 digits. Index and producer files are caches: when one is
//! missing or damaged, it is rebuilt from the log. An index says that its segment, and all before it, were synced.

use std::path::{Path, PathBuf};

pub(crate) const LOG: &str = "log";
pub(crate) const INDEX: &str = "index";
pub(crate) const PRODUCERS: &str = "producers";
pub(crate) const CLEANED: &str = "cleaned";
pub(crate) const SWAP: &str = "swap";

pub(crate) fn path(dir: &Path, base_offset: i64, kind: &str) -> PathBuf {
    dir.join(file_name(base_offset, kind))
}

pub(crate) fn file_name(base_offset: i64, kind: &str) -> String {
    format!("{base_offset:020}.{kind}")
}

/// The offset in a file name of the kind.
pub(crate) fn base_offset(name: &str, kind: &str) -> Option<i64> {
    let (digits, extension) = name.split_once('.')?;
    if extension != kind || digits.len() != 20 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
