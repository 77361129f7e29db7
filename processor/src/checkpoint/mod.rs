//! The folder of one query, laid out as Spark's:
//!
//! ```text
//! metadata                    {"id":"<uuid>"}                      the query's id, as long as the folder lives
//! offsets/N                   v1, metadata JSON, one line a source written before batch N runs
//! commits/N                   v1, {"nextBatchWatermarkMs":..}      written after the sink accepted batch N
//! sources/0/0                 v1, {"topic":{"0":17}}               where the query began
//! state/0/0/N.delta|snapshot  state of version N, written by batch N−1
//! ```
//!
//! This module is the processor's door to the disk.

pub(crate) mod file;
pub(crate) mod logs;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::QueryError;
use file::Files;

#[derive(Serialize, Deserialize)]
struct Metadata {
    id: String,
}

/// A query's folder.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) files: Files,
    pub(crate) dir: PathBuf,
    pub(crate) id: Uuid,
}

impl Checkpoint {
    /// Opens the folder, or makes it.
    pub(crate) fn open(dir: &Path, is_synced: bool) -> Result<Self, QueryError> {
        let files = Files { is_synced };
        let path = dir.join("metadata");
        files.create_dir(dir)?;
        let id = match files.read(&path)? {
            Some(content) => {
                let metadata: Metadata = serde_json::from_slice(&content).map_err(|error| QueryError::checkpoint(&path, error))?;
                Uuid::parse_str(&metadata.id).map_err(|error| QueryError::checkpoint(&path, error))?
            }
            None => {
                let id = Uuid::new_v4();
                let content = serde_json::to_vec(&Metadata { id: id.to_string() }).map_err(|error| QueryError::checkpoint(&path, error))?;
                files.replace(&path, &content)?;
                id
            }
        };
        Ok(Checkpoint { files, dir: dir.to_owned(), id })
    }
}
