//! Small files that appear whole or not at all.

#![expect(clippy::disallowed_methods, reason = "this is the processor's door to the disk")]

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::error::QueryError;

/// How files are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files {
    /// Whether a file is on stable storage when a call returns; otherwise the operating system has it.
    pub is_synced: bool,
}

impl Files {
    pub(crate) fn create_dir(self, dir: &Path) -> Result<(), QueryError> {
        fs::create_dir_all(dir).map_err(|error| QueryError::checkpoint(dir, error))
    }

    /// The content; `None` if there is no such file.
    pub(crate) fn read(self, path: &Path) -> Result<Option<Vec<u8>>, QueryError> {
        match fs::read(path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(QueryError::checkpoint(path, error)),
        }
    }

    /// Writes a file whole: the old content or the new one is there after a crash.
    pub(crate) fn replace(self, path: &Path, content: &[u8]) -> Result<(), QueryError> {
        let fail = |error| QueryError::checkpoint(path, error);
        let temporary = path.with_extension("new");
        let mut file = File::create(&temporary).map_err(fail)?;
        file.write_all(content).map_err(fail)?;
        if self.is_synced {
            file.sync_data().map_err(fail)?;
        }
        fs::rename(&temporary, path).map_err(fail)?;
        if self.is_synced
            && let Some(dir) = path.parent()
        {
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(fail)?;
        }
        Ok(())
    }

    pub(crate) fn remove(self, path: &Path) -> Result<(), QueryError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(QueryError::checkpoint(path, error)),
            _ => Ok(()),
        }
    }

    pub(crate) fn remove_dir(self, dir: &Path) -> Result<(), QueryError> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(QueryError::checkpoint(dir, error)),
            _ => Ok(()),
        }
    }

    /// The names in a folder; none if it is not there.
    pub(crate) fn names(self, dir: &Path) -> Result<Vec<String>, QueryError> {
        match fs::read_dir(dir) {
            Ok(entries) => Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(QueryError::checkpoint(dir, error)),
        }
    }
}
