//! What a producer knows of its topics: how many partitions each has, and a lane for each partition that it writes to.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream_protocol::ErrorCode;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::NewRecord;
use super::partitioner::{Sticky, partition_of_key};
use super::sender::{Lane, SharedByLanes};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::topic_partition::TopicPartition;

/// One record has an aged topic looked up, and the others go by what is known; after this time another record tries.
const REFRESH_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Topic {
    partitions: i32,
    /// When it was looked up, and for how long that is good enough.
    looked_up: Instant,
    good_for: Duration,
    /// Set by a lane when the broker does not know its partition.
    is_stale: Arc<AtomicBool>,
    sticky: Sticky,
    lanes: HashMap<i32, Arc<Lane>>,
}

impl Topic {
    fn new() -> Self {
        Topic {
            partitions: 0,
            looked_up: Instant::now(),
            good_for: Duration::ZERO,
            is_stale: Arc::default(),
            sticky: Sticky::default(),
            lanes: HashMap::new(),
        }
    }

    fn has(&self, partition: Option<i32>) -> bool {
        partition.is_none_or(|partition| partition < self.partitions)
    }

    fn is_current(&self) -> bool {
        self.looked_up.elapsed() < self.good_for && !self.is_stale.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(super) struct Topics {
    client: Client,
    max_age: Duration,
    known: Mutex<HashMap<String, Topic>>,
}

impl Topics {
    pub(super) fn new(client: Client, max_age: Duration) -> Self {
        Topics { client, max_age, known: Mutex::default() }
    }

    /// Makes sure that the number of partitions is known. A topic is looked up for its first record, again when it was looked up
    /// `max_age` ago or the broker did not know a partition of it, and for a partition beyond its last.
    pub(super) async fn refresh(&self, name: &str, partition: Option<i32>) -> Result<(), Error> {
        let is_known = {
            let mut known = self.known.lock();
            match known.get_mut(name) {
                None => false,
                Some(topic) if topic.has(partition) && topic.is_current() => return Ok(()),
                Some(topic) => {
                    (topic.looked_up, topic.good_for) = (Instant::now(), REFRESH_PAUSE);
                    topic.has(partition)
                }
            }
        };
        match self.client.topic(name).await {
            Ok(found) => {
                let mut known = self.known.lock();
                let topic = known.entry(name.to_owned()).or_insert_with(Topic::new);
                (topic.partitions, topic.looked_up, topic.good_for) = (found.partitions, Instant::now(), self.max_age);
                topic.is_stale.store(false, Ordering::Relaxed);
                Ok(())
            }
            // What is known will do until the broker can be asked again.
            Err(error) if is_known && error.is_retriable() && error.code() != Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The lane that a record goes to.
    pub(super) fn lane(&self, record: &NewRecord, shared: &Arc<SharedByLanes>) -> Result<Arc<Lane>, Error> {
        let mut known = self.known.lock();
        let topic = known.get_mut(&record.topic).ok_or_else(|| {
            let doing = format!("sending to topic {}", record.topic);
            Error::refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, doing, None)
        })?;
        let partitions = topic.partitions;
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) if !(0..partitions).contains(&partition) => {
                let message = format!("topic {} has {partitions} partitions, there is no partition {partition}", record.topic);
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of_key(key, partitions),
            (None, None) => topic.sticky.partition(partitions),
        };
        if let Some(lane) = topic.lanes.get(&partition) {
            return Ok(lane.clone());
        }
        let lane = Lane::start(shared.clone(), TopicPartition::new(record.topic.as_str(), partition), topic.is_stale.clone());
        topic.lanes.insert(partition, lane.clone());
        Ok(lane)
    }

    /// The next records without a key go to another partition.
    pub(super) fn move_on(&self, name: &str) {
        if let Some(topic) = self.known.lock().get_mut(name) {
            topic.sticky.move_on();
        }
    }

    pub(super) fn lanes(&self) -> Vec<Arc<Lane>> {
        let known = self.known.lock();
        known.values().flat_map(|topic| topic.lanes.values().cloned()).collect()
    }
}
