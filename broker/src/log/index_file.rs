//! An index on its way to the disk.

use std::path::PathBuf;

use super::LogError;
use crate::disk::{Disk, replace_file};

/// An index file that may be written once its segment is durable as far as the index says.
#[derive(Debug)]
pub(crate) struct IndexFile {
    pub path: PathBuf,
    pub content: Vec<u8>,
}

impl IndexFile {
    pub(crate) fn store(&self, disk: &dyn Disk) -> Result<(), LogError> {
        replace_file(disk, &self.path, &self.content).map_err(|error| LogError::io(&self.path, error))
    }
}
