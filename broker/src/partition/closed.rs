//! What a clean stop leaves beside a long log, so that the next start need not read its last segment: the producers at its end.
//!
//! It is a cache. It counts only when the process before this one ended as it should, and when the log ends where it says; otherwise
//! the last segment is scanned.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::producers::Producers;
use crate::disk::{Disk, read_file, replace_file};
use crate::durable;
use crate::limit;
use crate::log::LogError;

const VERSION: u8 = 1;
const FILE: &str = "closed";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Closed {
    /// Where the log ends.
    pub next_offset: i64,
    /// When the last segment got its first batch: it ends by its age.
    pub first_append_ms: Option<i64>,
    pub producers: Producers,
}

impl Closed {
    /// What an earlier process left, if it can be read.
    pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Option<Self> {
        let content = read_file(disk, &dir.join(FILE), limit::DURABLE_RECORD_BYTES_MAX as u64).ok().flatten()?;
        durable::decode(VERSION, &content).ok()
    }

    /// Leaves it for the next process, if its last segment is long.
    pub(super) fn write(&self, disk: &dyn Disk, dir: &Path, last_bytes: u64) -> Result<(), LogError> {
        if last_bytes <= limit::SCANNED_BYTES_MAX {
            return Ok(());
        }
        let path = dir.join(FILE);
        match replace_file(disk, &path, &durable::encode(VERSION, self)).map_err(|error| LogError::io(&path, error)) {
            Err(error @ LogError::NoRoom { .. }) => {
                tracing::warn!("{error}; the next start will scan the last segment");
                Ok(())
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::partition::{AppendError, testing};

    /// The mark of a clean stop says that nothing is behind what was synced: so nothing comes behind it.
    #[test]
    fn nothing_is_appended_once_it_is_closed() {
        let partition = testing::open(&[]);
        let append = || partition.append(testing::batch("k", b"v", 0, None), 1, 1, false);
        append().unwrap();
        partition.close().unwrap();
        assert!(matches!(append(), Err(AppendError::Stopping)));
        assert_eq!(partition.positions().end_offset, 1);
    }
}
