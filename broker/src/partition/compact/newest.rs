//! The newest offset of each key, as far as one pass can note them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use millstream_protocol::record::Record;

/// Keys are kept as 128 bits of hash, seeded anew with each pass.
pub(super) struct Newest {
    seeds: (RandomState, RandomState),
    offsets: HashMap<(u64, u64), i64>,
    /// What is noted goes up to here: what is behind it stays as it is.
    pub end_offset: i64,
}

impl Newest {
    pub(super) fn new(end_offset: i64) -> Self {
        Newest { seeds: (RandomState::new(), RandomState::new()), offsets: HashMap::new(), end_offset }
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.seeds.0.hash_one(key), self.seeds.1.hash_one(key))
    }

    pub(super) fn note(&mut self, key: &[u8], offset: i64) {
        self.offsets.insert(self.hash(key), offset);
    }

    pub(super) fn keys(&self) -> usize {
        self.offsets.len()
    }

    pub(super) fn is_newest(&self, record: &Record) -> bool {
        let Some(key) = &record.key else { return false };
        self.offsets.get(&self.hash(key)).is_none_or(|newest| *newest <= record.offset)
    }
}
