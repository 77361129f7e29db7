//! The file `cluster`: what the directory is called among clusters, and which producer ids were given out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_protocol::TopicId;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, read_file, replace_file};
use crate::durable;
use crate::log::LogError;

const VERSION: u8 = 1;
/// Producer ids are reserved on disk in blocks, so that handing one out costs nothing.
const PRODUCER_ID_BLOCK: i64 = 1000;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ClusterFile {
    cluster_id: [u8; 16],
    producer_ids_reserved_to: i64,
}

#[derive(Debug)]
struct ProducerIds {
    next: i64,
    file: ClusterFile,
}

/// The identity of a data directory.
#[derive(Debug)]
pub(crate) struct Identity {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    cluster_id: String,
    producer_ids: Mutex<ProducerIds>,
}

impl Identity {
    /// Reads the file, or makes it.
    pub(crate) fn open(disk: Arc<dyn Disk>, data_dir: &Path) -> Result<Self, LogError> {
        let path = data_dir.join("cluster");
        let fail = |error| LogError::io(&path, error);
        let file = match read_file(&*disk, &path, 4096).map_err(fail)? {
            Some(content) => {
                durable::decode(VERSION, &content).map_err(|error| fail(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?
            }
            None => {
                let file = ClusterFile { cluster_id: rand::random::<u128>().to_be_bytes(), producer_ids_reserved_to: 0 };
                replace_file(&*disk, &path, &durable::encode(VERSION, &file)).map_err(fail)?;
                file
            }
        };
        let cluster_id = TopicId(file.cluster_id).to_string();
        let producer_ids = Mutex::new(ProducerIds { next: file.producer_ids_reserved_to, file });
        Ok(Identity { disk, path, cluster_id, producer_ids })
    }

    /// The cluster's id, as Kafka prints it.
    pub(crate) fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// A producer id that nobody has had.
    pub(crate) fn next_producer_id(&self) -> Result<i64, LogError> {
        let mut ids = self.producer_ids.lock();
        if ids.next >= ids.file.producer_ids_reserved_to {
            let file = ClusterFile { producer_ids_reserved_to: ids.next + PRODUCER_ID_BLOCK, ..ids.file.clone() };
            replace_file(&*self.disk, &self.path, &durable::encode(VERSION, &file)).map_err(|error| LogError::io(&self.path, error))?;
            ids.file = file;
        }
        ids.next += 1;
        Ok(ids.next - 1)
    }
}
