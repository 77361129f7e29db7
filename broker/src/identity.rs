//! The file `cluster`: what the directory is called among clusters, which node it is of, which producer ids were given out, and the
//! newest leader epoch.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_protocol::TopicId;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, read_file, replace_file};
use crate::durable::{self, DurableError};
use crate::log::LogError;

const VERSION: u8 = 2;
/// Producer ids are reserved on disk in blocks, so that handing one out costs nothing.
const PRODUCER_ID_BLOCK: i64 = 1000;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ClusterFile {
    cluster_id: String,
    node_id: i32,
    producer_ids_reserved_to: i64,
    /// No partition has had a higher one.
    leader_epoch: i32,
}

impl ClusterFile {
    fn read(content: &[u8]) -> Result<Self, DurableError> {
        match durable::decode(VERSION, content) {
            // Before there were other ids than these.
            Err(DurableError::Version(1)) => {
                let (cluster_id, producer_ids_reserved_to): ([u8; 16], i64) = durable::decode(1, content)?;
                Ok(ClusterFile { cluster_id: TopicId(cluster_id).to_string(), node_id: 1, producer_ids_reserved_to, leader_epoch: 0 })
            }
            other => other,
        }
    }
}

#[derive(Debug)]
struct StoredCounters {
    next_producer_id: i64,
    file: ClusterFile,
}

/// The identity of a data directory.
#[derive(Debug)]
pub(crate) struct Identity {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    cluster_id: String,
    state: Mutex<StoredCounters>,
}

impl Identity {
    /// Reads the file, or makes it with the ids that are asked for. A directory keeps its ids: another one is an error.
    pub(crate) fn open(disk: Arc<dyn Disk>, data_dir: &Path, node_id: i32, cluster_id: Option<&str>) -> Result<Self, LogError> {
        let path = data_dir.join("cluster");
        let fail = |error| LogError::io(&path, error);
        let invalid = |error: String| fail(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
        let file = match read_file(&*disk, &path, 4096).map_err(fail)? {
            Some(content) => ClusterFile::read(&content).map_err(|error| invalid(error.to_string()))?,
            None => {
                let cluster_id = cluster_id.map_or_else(|| TopicId(rand::random::<u128>().to_be_bytes()).to_string(), str::to_owned);
                let file = ClusterFile { cluster_id, node_id, producer_ids_reserved_to: 0, leader_epoch: 0 };
                replace_file(&*disk, &path, &durable::encode(VERSION, &file)).map_err(fail)?;
                file
            }
        };
        if cluster_id.is_some_and(|asked| asked != file.cluster_id) {
            let reason =
                format!("this directory is of cluster {}, not of {}: leave cluster.id out", file.cluster_id, cluster_id.unwrap_or(""));
            return Err(invalid(reason));
        }
        let cluster_id = file.cluster_id.clone();
        let identity = Identity {
            disk,
            path,
            cluster_id,
            state: Mutex::new(StoredCounters { next_producer_id: file.producer_ids_reserved_to, file }),
        };
        if identity.state.lock().file.node_id != node_id {
            identity.save(&mut identity.state.lock(), |file| file.node_id = node_id)?;
        }
        Ok(identity)
    }

    fn save(&self, state: &mut StoredCounters, change: impl FnOnce(&mut ClusterFile)) -> Result<(), LogError> {
        let mut file = state.file.clone();
        change(&mut file);
        replace_file(&*self.disk, &self.path, &durable::encode(VERSION, &file)).map_err(|error| LogError::io(&self.path, error))?;
        state.file = file;
        Ok(())
    }

    /// The cluster's id, as Kafka prints it.
    pub(crate) fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Whether the next producer id has to be reserved on disk first.
    pub(crate) fn is_id_to_be_reserved(&self) -> bool {
        let state = self.state.lock();
        state.next_producer_id >= state.file.producer_ids_reserved_to
    }

    /// A producer id that nobody has had.
    pub(crate) fn next_producer_id(&self) -> Result<i64, LogError> {
        let mut state = self.state.lock();
        let next = state.next_producer_id;
        if next >= state.file.producer_ids_reserved_to {
            self.save(&mut state, |file| file.producer_ids_reserved_to = next + PRODUCER_ID_BLOCK)?;
        }
        state.next_producer_id += 1;
        Ok(next)
    }

    /// A leader epoch that no partition has had, of those that have had epochs up to `highest`.
    pub(crate) fn next_leader_epoch(&self, highest: i32) -> Result<i32, LogError> {
        let mut state = self.state.lock();
        let next = state.file.leader_epoch.max(highest) + 1;
        self.save(&mut state, |file| file.leader_epoch = next)?;
        Ok(next)
    }
}
