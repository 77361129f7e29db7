//! State: an ordered map of key bytes to value bytes, versioned by batch. Version N+1 is what batch N left behind.
//!
//! In memory, with a changelog: each commit writes a delta file, and from time to time a snapshot of everything. One map
//! an operator for now, in the folder of hash slot 0.

mod file;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;

use crate::checkpoint::Checkpoint;
use crate::checkpoint::logs::BATCHES_TO_RETAIN;
use crate::error::QueryError;
use crate::limit;

type Key = Box<[u8]>;
type Value = Box<[u8]>;

/// The state of one operator.
#[derive(Debug)]
pub(crate) struct StateStore {
    map: BTreeMap<Key, Value>,
    /// What changed since the last commit; `None` is a removal.
    changes: BTreeMap<Key, Option<Value>>,
    version: i64,
    snapshot_version: i64,
    delta_bytes: usize,
    bytes: usize,
    checkpoint: Checkpoint,
    dir: PathBuf,
}

impl StateStore {
    /// Loads a version: the newest snapshot not above it, and the deltas from there.
    pub(crate) fn load(checkpoint: &Checkpoint, operator: usize, version: i64) -> Result<Self, QueryError> {
        let dir = checkpoint.dir.join(format!("state/{operator}/0"));
        checkpoint.files.create_dir(&dir)?;
        let mut store = StateStore {
            map: BTreeMap::new(),
            changes: BTreeMap::new(),
            version,
            snapshot_version: 0,
            delta_bytes: 0,
            bytes: 0,
            checkpoint: checkpoint.clone(),
            dir,
        };
        let names = checkpoint.files.names(&store.dir)?;
        let mut snapshots: Vec<i64> =
            names.iter().filter_map(|name| name.strip_suffix(".snapshot")?.parse().ok()).filter(|v| *v <= version).collect();
        snapshots.sort_unstable();
        // A damaged snapshot falls back to an older one and more deltas.
        while let Some(found) = snapshots.pop() {
            match store.read("snapshot", found) {
                Ok(entries) => {
                    store.snapshot_version = found;
                    entries.into_iter().for_each(|(key, value)| store.apply(key, value));
                    break;
                }
                Err(error) => tracing::warn!("{error}; falling back to an older snapshot"),
            }
        }
        for delta in store.snapshot_version + 1..=version {
            let entries = store.read("delta", delta)?;
            entries.into_iter().for_each(|(key, value)| store.apply(key, value));
        }
        Ok(store)
    }

    fn read(&self, kind: &str, version: i64) -> Result<Vec<(Key, Option<Value>)>, QueryError> {
        let path = self.dir.join(format!("{version}.{kind}"));
        let content = self.checkpoint.files.read(&path)?.ok_or_else(|| QueryError::checkpoint(&path, "is missing"))?;
        file::decode(&content).map_err(|reason| QueryError::checkpoint(&path, reason))
    }

    fn apply(&mut self, key: Key, value: Option<Value>) {
        let added = value.as_ref().map_or(0, |value| key.len() + value.len());
        let key_bytes = key.len();
        let before = match value {
            Some(value) => self.map.insert(key, value),
            None => self.map.remove(&key),
        };
        self.bytes = (self.bytes + added).saturating_sub(before.map_or(0, |value| key_bytes + value.len()));
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.map.get(key).map(|value| &**value)
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.changes.insert(key.into(), Some(value.into()));
        self.apply(key.into(), Some(value.into()));
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.changes.insert(key.into(), None);
        self.apply(key.into(), None);
    }

    /// All entries in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.map.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The entries whose keys are below `end`.
    pub(crate) fn below<'a>(&'a self, end: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.map.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(end))).map(|(key, value)| (&**key, &**value))
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// Bytes of keys and values.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes the changes the next version. A delta that a batch cut off left behind is overwritten.
    pub(crate) fn commit(&mut self) -> Result<(), QueryError> {
        self.version += 1;
        let changes = std::mem::take(&mut self.changes);
        let content = file::encode(changes.iter().map(|(key, value)| (&**key, value.as_deref())));
        self.delta_bytes += content.len();
        self.checkpoint.files.replace(&self.dir.join(format!("{}.delta", self.version)), &content)?;
        if self.version - self.snapshot_version >= limit::DELTAS_PER_SNAPSHOT_MIN && self.delta_bytes >= self.bytes {
            let content = file::encode(self.iter().map(|(key, value)| (key, Some(value))));
            self.checkpoint.files.replace(&self.dir.join(format!("{}.snapshot", self.version)), &content)?;
            self.snapshot_version = self.version;
            self.delta_bytes = 0;
            self.purge()?;
        }
        Ok(())
    }

    /// Removes files that no version which may still be loaded needs.
    fn purge(&self) -> Result<(), QueryError> {
        let names = self.checkpoint.files.names(&self.dir)?;
        let numbered = |name: &str, kind: &str| name.strip_suffix(kind).and_then(|number| number.parse::<i64>().ok());
        let oldest_wanted = self.version - BATCHES_TO_RETAIN;
        let base = names.iter().filter_map(|name| numbered(name, ".snapshot")).filter(|version| *version <= oldest_wanted).max();
        let Some(base) = base else { return Ok(()) };
        for name in &names {
            let version = numbered(name, ".snapshot").map(|version| version + 1).or(numbered(name, ".delta"));
            if version.is_some_and(|version| version <= base) {
                self.checkpoint.files.remove(&self.dir.join(name))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store follows a plain map through puts, removals, commits and reloads at every version.
    #[test]
    fn every_version_can_be_loaded_again() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::open(dir.path(), false).unwrap();
        let mut store = StateStore::load(&checkpoint, 0, 0).unwrap();
        let mut model = BTreeMap::new();
        let mut versions = vec![model.clone()];
        let mut random = 7u64;
        for _ in 0..40 {
            for _ in 0..20 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let key = ((random >> 33) % 50).to_be_bytes();
                if random >> 63 == 0 {
                    store.put(&key, &random.to_be_bytes());
                    model.insert(key.to_vec(), random.to_be_bytes().to_vec());
                } else {
                    store.remove(&key);
                    model.remove(key.as_slice());
                }
            }
            store.commit().unwrap();
            versions.push(model.clone());
        }
        for (version, model) in versions.iter().enumerate() {
            let loaded = StateStore::load(&checkpoint, 0, version as i64).unwrap();
            let entries: BTreeMap<Vec<u8>, Vec<u8>> = loaded.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            assert_eq!(&entries, model, "version {version}");
            let bytes: usize = model.iter().map(|(k, v)| k.len() + v.len()).sum();
            assert_eq!(loaded.bytes(), bytes);
        }
    }

    #[test]
    fn a_damaged_delta_is_an_error_and_a_damaged_snapshot_falls_back() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::open(dir.path(), false).unwrap();
        let mut store = StateStore::load(&checkpoint, 0, 0).unwrap();
        for round in 0..12u8 {
            store.put(b"key", &[round]);
            store.commit().unwrap();
        }
        let state = dir.path().join("state/0/0");
        assert!(state.join("10.snapshot").exists());
        std::fs::write(state.join("10.snapshot"), b"rubbish").unwrap();
        assert_eq!(StateStore::load(&checkpoint, 0, 12).unwrap().get(b"key"), Some(&[11u8][..]));
        std::fs::write(state.join("12.delta"), b"rubbish").unwrap();
        assert!(StateStore::load(&checkpoint, 0, 12).is_err());
    }
}
