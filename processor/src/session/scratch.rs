//! Folders of what a session forgets: the checkpoints of streaming SELECTs, and, of a session without a folder, of all its queries.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::checkpoint::file::Files;
use crate::error::QueryError;

/// One folder for all of them, which goes with the session.
#[derive(Debug)]
pub(super) struct Scratch {
    root: PathBuf,
}

impl Scratch {
    /// In the system's folder for temporary files.
    pub(super) fn in_system_folder() -> Self {
        Scratch { root: std::env::temp_dir().join(format!("millstream-query-{}", Uuid::new_v4())) }
    }

    /// In the folder of a session that is kept.
    pub(super) fn inside(dir: &Path) -> Self {
        Scratch { root: dir.join("temporary") }
    }

    /// A folder that nobody else has; the caller makes it.
    pub(super) fn folder(&self) -> PathBuf {
        self.root.join(Uuid::new_v4().to_string())
    }

    /// Removes all of them.
    pub(super) fn remove(&self) -> Result<(), QueryError> {
        Files { is_synced: false }.remove_dir(&self.root)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!("{error}");
        }
    }
}
