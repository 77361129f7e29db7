//! A data directory, looked at while no broker has it open: for `log verify` and `log dump`.

use std::path::Path;

use crate::broker::OpenError;
use crate::disk::{Disk, RealDisk};
use crate::log::{LogError, recovery};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Damage, as sentences with file and position.
    pub damage: Vec<String>,
    /// Batches that are whole.
    pub batches: u64,
}

/// Checks every batch of all topics, or of one, and shows a line for each that is whole.
pub fn inspect(data_dir: &Path, only: Option<&str>, show: &mut dyn FnMut(String)) -> Result<Inspected, OpenError> {
    let disk = RealDisk;
    let topics = data_dir.join("topics");
    let io = |error| LogError::io(&topics, error);
    // A running broker writes on: what is half written would look like damage.
    let _lock = RealDisk::lock(data_dir).map_err(io)?.ok_or_else(|| OpenError::Locked(data_dir.to_owned()))?;
    let mut inspected = Inspected::default();
    for entry in disk.list(&topics).map_err(io)? {
        let dir = topics.join(&entry.name);
        let Some(name) = crate::catalog::topic_name(&disk, &dir)? else { continue };
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let entries = disk.list(&dir).map_err(|error| LogError::io(&dir, error))?;
        let mut partitions: Vec<i32> = entries.iter().filter_map(|entry| entry.name.parse().ok()).collect();
        partitions.sort_unstable();
        for partition in partitions {
            let verified = recovery::verify(&disk, &dir.join(partition.to_string()), |batch| {
                show(format!(
                    "{name}\t{partition}\t{}-{}\t{}\t{}\t{}\t{}\t{}\t{}",
                    batch.base_offset(),
                    batch.last_offset(),
                    batch.total_bytes(),
                    batch.max_timestamp(),
                    batch.codec().map_or("unknown", |codec| codec.name()),
                    batch.producer_id(),
                    batch.producer_epoch(),
                    batch.base_sequence(),
                ));
            })?;
            inspected.damage.extend(verified.damage);
            inspected.batches += verified.batches;
        }
    }
    Ok(inspected)
}
