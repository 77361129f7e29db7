//! What keeps compaction from a partition, or from a part of it, after a pass has failed.
//!
//! Whatever is behind a damaged segment is not compacted while that is there: its keys are not known. After any other failure
//! compaction waits, longer each time, so that a full disk does not have the same segments read again and again.

use std::path::PathBuf;

use crate::limit;
use crate::log::LogError;
use crate::log::segment::Segment;

#[derive(Debug, Default)]
pub(in crate::partition) struct Setback {
    /// The segment that a pass found damaged.
    damaged: Option<PathBuf>,
    pause_ms: i64,
    until_ms: i64,
}

impl Setback {
    /// A pass went through.
    pub(super) fn end(&mut self) {
        (self.pause_ms, self.until_ms) = (0, 0);
    }

    /// A pass failed.
    pub(super) fn meet(&mut self, error: &LogError, now_ms: i64) {
        if let LogError::Damaged { file, .. } = error {
            tracing::error!("{} is not compacted, nor is what comes behind it, while it is there", file.display());
            self.damaged = Some(file.clone());
        } else {
            self.pause_ms = (self.pause_ms * 2).clamp(limit::COMPACTION_PAUSE_MS_MIN, limit::COMPACTION_PAUSE_MS_MAX);
            self.until_ms = now_ms.saturating_add(self.pause_ms);
        }
    }

    pub(super) fn is_over(&self, now_ms: i64) -> bool {
        self.until_ms <= now_ms
    }

    /// Whether a segment cannot be read as a whole.
    pub(super) fn is_damaged(&self, segment: &Segment) -> bool {
        self.damaged.as_ref() == Some(&segment.path) || !segment.has_whole_index()
    }
}
