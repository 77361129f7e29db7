//! What a partition's folder says beside its log: where the log begins, its leader epochs, how far it was compacted.
//!
//! Facts are written outside of the partition's lock, which appends need, and one after the other, so that an older version never
//! replaces a newer one.

use std::path::Path;

use parking_lot::MutexGuard;
use serde::{Deserialize, Serialize};

use super::{Partition, State};
use crate::disk::{Disk, read_file, replace_file};
use crate::durable;
use crate::limit;
use crate::log::LogError;

const VERSION: u8 = 2;
const FILE: &str = "partition";

/// The facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// The first offset that is kept; earlier ones may still be on disk.
    pub start_offset: i64,
    /// Each leader epoch and its first offset (KIP-101). A new one begins with each start that finds the log as a crash
    /// left it: offsets that were readable before may be given anew.
    pub epochs: Vec<(i32, i64)>,
    /// Below it the log was compacted.
    pub compacted_to: i64,
}

impl Facts {
    /// Those in a folder; of a log that has none yet, those of a new one.
    pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, LogError> {
        let path = dir.join(FILE);
        let fail = |error| LogError::io(&path, error);
        match read_file(disk, &path, limit::FACTS_FILE_BYTES_MAX).map_err(fail)? {
            Some(content) => {
                durable::decode(VERSION, &content).map_err(|error| fail(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))
            }
            None => Ok(Facts { start_offset: 0, epochs: vec![(0, 0)], compacted_to: 0 }),
        }
    }

    /// Replaces those in a folder. With a partition at hand, go through [`Partition::save_facts`].
    pub(super) fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
        let path = dir.join(FILE);
        disk.create_dir(dir).map_err(|error| LogError::io(&path, error))?;
        replace_file(disk, &path, &durable::encode(VERSION, self)).map_err(|error| LogError::io(&path, error))
    }

    pub(super) fn leader_epoch(&self) -> i32 {
        self.epochs.last().map_or(0, |(epoch, _)| *epoch)
    }

    /// Takes over the epochs that batches of the log were written in: a crash may have come before they were saved.
    pub(super) fn learn_epochs(&mut self, found: &[(i32, i64)]) {
        let known = self.leader_epoch();
        self.epochs.extend(found.iter().filter(|(epoch, _)| *epoch > known));
    }
}

impl Partition {
    /// Begins a leader epoch, higher than all before: the log is as a crash left it. It is saved by the next sync.
    pub(crate) fn begin_epoch(&self, epoch: i32) {
        let mut state = self.state.lock();
        let end = state.log.next_offset();
        debug_assert!(epoch > state.facts.leader_epoch());
        state.facts.epochs.retain(|(_, first_offset)| *first_offset < end);
        state.facts.epochs.push((epoch, end));
        state.are_facts_unsaved = true;
    }

    /// The lock for saving facts. The partition's lock is taken only after it.
    pub(super) fn saving(&self) -> MutexGuard<'_, ()> {
        self.saving.lock()
    }

    pub(super) fn write_facts(&self, facts: &Facts, _saving: &MutexGuard<'_, ()>) -> Result<(), LogError> {
        facts.write(&*self.disk, &self.dir)
    }

    /// Changes facts and saves them. Changes count in memory at once: only for those that no client is promised.
    pub(super) fn save_facts(&self, change: impl FnOnce(&mut State)) -> Result<(), LogError> {
        let saving = self.saving();
        let facts = {
            let mut state = self.state.lock();
            change(&mut state);
            state.facts.clone()
        };
        self.write_facts(&facts, &saving)?;
        self.state.lock().are_facts_unsaved = false;
        Ok(())
    }
}
