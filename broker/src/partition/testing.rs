//! A partition for tests, on a simulated disk.

use std::path::PathBuf;
use std::sync::Arc;

use millstream_protocol::record::{BatchBuilder, Codec, NewRecord, RecordBatch};

use super::flush::Flusher;
use super::tail::TailBudget;
use super::{Env, Partition, ProcessStart};
use crate::config::{Properties, TopicSettings};
use crate::disk::simulated::SimulatedDisk;

pub(super) const DIR: &str = "/data/0";

/// A partition of a topic with these properties, nothing of which is kept in memory.
pub(super) fn open(properties: &[(&str, &str)]) -> Arc<Partition> {
    open_on(&SimulatedDisk::new(), properties)
}

/// The same on a disk that the test has a hand on; its folder is [`DIR`].
pub(super) fn open_on(disk: &SimulatedDisk, properties: &[(&str, &str)]) -> Arc<Partition> {
    let properties: Properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = Arc::new(TopicSettings::new(&properties, &Properties::new()));
    let env = Env { disk: Arc::new(disk.clone()), flusher: Flusher::new(), tail_budget: TailBudget::new(0) };
    let start = ProcessStart { now_ms: 1, is_clean: true };
    let partition = Partition::open(&env, "t".into(), 0, settings, PathBuf::from(DIR), &start).unwrap();
    partition.sync_recovered().unwrap();
    Arc::new(partition)
}

/// A batch of one record, as a producer's first in a transaction if one is given.
pub(super) fn batch(key: &str, value: &[u8], attributes: i16, producer_id: Option<i64>) -> RecordBatch {
    let mut builder = BatchBuilder::new(Codec::None);
    if let Some(producer_id) = producer_id {
        builder.set_producer(producer_id, 0, 0);
    }
    builder.set_attributes(attributes);
    builder.push(NewRecord { key: Some(key.as_bytes()), value: Some(value), ..Default::default() });
    builder.build().unwrap()
}
