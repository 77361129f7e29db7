//! Share groups (KIP-932): members take records of one partition side by side, each record by a lock that ends, and acknowledge them one
//! by one. This is the records' half; who is a member, and of which partitions, is a group's (`group::share`), and neither asks the other:
//! as in Kafka, records are held by share sessions.
//!
//! * [`session`] knows which requests belong together, and who holds records
//! * [`partition`] is a share partition: a [`window`] over a log, which is pure
//! * [`dead_letters`] writes what is given up to a topic
//! * [`keeper`] makes changes durable, many at once; [`record`] is what the journal holds

pub(crate) mod dead_letters;
pub(crate) mod keeper;
pub(crate) mod partition;
pub(crate) mod place;
mod record;
pub(crate) mod session;
pub(crate) mod window;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use millstream_protocol::Str;
use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::share::{DeadLetterTopic, ShareSettings};
use crate::journal::{Journal, JournalEntry, Replayed};
use crate::partition::Partition;
use dead_letters::DeadLetters;
use keeper::{Keeper, Keeping};
use partition::SharePartition;
use place::SharePlace;
use record::ShareEntry;
use session::{EndedSession, ShareSessions};
use window::{ShareLimits, ShareWindow, StoredBlock, WindowCounts, WindowHead};

impl ShareLimits {
    /// Those of a group.
    pub(crate) fn of(settings: &ShareSettings) -> Self {
        ShareLimits {
            locks_max: settings.record_locks_max.max(0) as usize,
            deliveries_max: settings.deliveries_max.max(1) as u16,
            lock_ms: settings.record_lock_ms,
            has_dead_letters: settings.has_dead_letters,
        }
    }
}

/// All share partitions.
#[derive(Debug)]
pub(crate) struct Shares {
    clock: Clock,
    pub keeper: Arc<Keeper>,
    dead_letters: Arc<DeadLetters>,
    pub sessions: ShareSessions,
    partitions: Mutex<HashMap<SharePlace, Arc<SharePartition>>>,
}

/// What the journal says of a share partition.
#[derive(Debug, Default)]
struct Stored {
    head: Option<WindowHead>,
    blocks: BTreeMap<i64, StoredBlock>,
}

impl Stored {
    /// Its window over a log. One that knows more than the log has lost what it knew it of: records come again rather than not at all.
    fn window(self, place: &SharePlace, log: &Partition, wall_minus_now_ms: i64) -> Option<ShareWindow> {
        let head = self.head?;
        let restored = ShareWindow::restore(head, self.blocks.into_iter().collect(), wall_minus_now_ms);
        let end = log.positions().end_offset;
        let (group, topic, partition) = (&place.group, &log.topic, place.partition);
        match restored {
            Ok(window) if window.end() <= end => Some(window),
            Ok(mut window) => {
                tracing::warn!(%group, topic, partition, "the log lost its end: records in flight are delivered again");
                window.reset(head.start.min(end));
                Some(window)
            }
            Err(error) => {
                tracing::error!(%group, topic, partition, "{error}: records from offset {} on are delivered again", head.start);
                Some(ShareWindow::new(head.start.clamp(0, end)))
            }
        }
    }
}

impl Shares {
    /// Reads what an earlier process knew.
    pub(crate) fn open(journal: Journal, catalog: &Arc<Catalog>, clock: Clock) -> Self {
        let keeper = Keeper::new(journal, clock.clone());
        let mut stored: HashMap<SharePlace, Stored> = HashMap::new();
        let mut damaged = 0;
        keeper.replay(|replayed| {
            let Replayed::Entry { key, value, .. } = replayed else { return };
            match record::read(&key, value.as_deref()) {
                Ok(ShareEntry::Head(place, Some(head))) => stored.entry(place).or_default().head = Some(head),
                Ok(ShareEntry::Head(place, None)) => drop(stored.remove(&place)),
                Ok(ShareEntry::Block(place, block, Some(content))) => {
                    stored.entry(place).or_default().blocks.insert(block, content);
                }
                Ok(ShareEntry::Block(place, block, None)) => {
                    if let Some(stored) = stored.get_mut(&place) {
                        stored.blocks.remove(&block);
                    }
                }
                Err(_) => damaged += 1,
            }
        });
        if damaged > 0 {
            tracing::error!("{damaged} entries of the journal of share groups cannot be read: records may be delivered again");
        }
        let wall_minus_now_ms = clock.now_ms() - clock.monotonic_ms();
        let (mut restored, mut orphans) = (HashMap::new(), Vec::new());
        for (place, stored) in stored {
            let log = catalog.get_by_id(place.topic).and_then(|topic| topic.partition(place.partition));
            match log {
                Some(log) => {
                    if let Some(window) = stored.window(&place, &log, wall_minus_now_ms) {
                        restored.insert(place.clone(), SharePartition::new(place, log, window));
                    }
                }
                None => orphans.extend(record::forgetting(&place, stored.blocks.into_keys())),
            }
        }
        if !orphans.is_empty() {
            keeper.forget_orphans(&orphans);
        }
        let dead_letters = DeadLetters::new(catalog.clone(), clock.clone(), keeper.clone());
        Shares { partitions: Mutex::new(restored), clock, keeper, dead_letters, sessions: ShareSessions::default() }
    }

    pub(crate) fn get(&self, place: &SharePlace) -> Option<Arc<SharePartition>> {
        self.partitions.lock().get(place).cloned()
    }

    /// The share partition, made at an offset if it is not there; `Some` of the second if its beginning has to be durable first.
    pub(crate) fn get_or_begin(&self, place: &SharePlace, log: Arc<Partition>, start: i64) -> (Arc<SharePartition>, Option<Keeping>) {
        let mut partitions = self.partitions.lock();
        if let Some(there) = partitions.get(place) {
            return (there.clone(), None);
        }
        let place = SharePlace { group: place.group.detached(), ..*place };
        let made = SharePartition::new(place.clone(), log, ShareWindow::new(start));
        partitions.insert(place, made.clone());
        drop(partitions);
        let kept = self.keeper.keep([made.clone()]);
        (made, Some(kept))
    }

    /// What lies in all windows.
    pub(crate) fn counts(&self) -> WindowCounts {
        let all: Vec<_> = self.partitions.lock().values().cloned().collect();
        all.iter().map(|partition| partition.describe().2).fold(WindowCounts::default(), WindowCounts::plus)
    }

    /// The share partitions of a group.
    pub(crate) fn of_group(&self, group: &str) -> Vec<Arc<SharePartition>> {
        let partitions = self.partitions.lock();
        partitions.values().filter(|partition| *partition.place.group == *group).cloned().collect()
    }

    /// Ends the locks of a session that is over.
    pub(crate) fn release(&self, ended: &EndedSession, limits: &ShareLimits) {
        let released = ended.touched.iter().filter_map(|(topic, partition)| {
            let place = SharePlace { group: ended.group.clone(), topic: *topic, partition: *partition };
            self.get(&place).filter(|partition| partition.release(ended.owner, limits))
        });
        let released: Vec<_> = released.collect();
        if !released.is_empty() {
            // Delivery counts: nobody waits for them.
            drop(self.keeper.keep(released));
        }
    }

    /// Forgets share partitions; their records are delivered to nobody.
    pub(crate) fn forget(&self, which: impl Fn(&SharePlace) -> bool) -> Option<Keeping> {
        let gone: Vec<Arc<SharePartition>> =
            self.partitions.lock().extract_if(|place, _| which(place)).map(|(_, partition)| partition).collect();
        let entries: Vec<JournalEntry> = gone.iter().flat_map(|partition| record::forgetting(&partition.place, partition.end())).collect();
        (!gone.is_empty()).then(|| self.keeper.forget(entries))
    }

    /// Writes the dead letters of a share partition, if it has to write any.
    pub(crate) fn write_dead_letters(&self, partition: &Arc<SharePartition>, topic: impl FnOnce(&Str) -> Option<DeadLetterTopic>) {
        if partition.has_dead_letters() {
            self.dead_letters.write(partition.clone(), topic(&partition.place.group));
        }
    }

    /// Ends locks whose time is over although nobody asks for records, and writes the dead letters that nobody's acknowledgement wrote.
    pub(crate) fn tend(&self, limits: impl Fn(&Str) -> ShareLimits, topic: impl Fn(&Str) -> Option<DeadLetterTopic>) {
        let all: Vec<_> = self.partitions.lock().values().cloned().collect();
        all.iter().for_each(|partition| self.write_dead_letters(partition, &topic));
        let now_ms = self.clock.monotonic_ms();
        let changed: Vec<_> = all.into_iter().filter(|partition| partition.catch_up(&limits(&partition.place.group), now_ms)).collect();
        if !changed.is_empty() {
            drop(self.keeper.keep(changed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::session::ShareSessionKey;
    use super::window::{AcquireMode, Readable};
    use super::*;
    use crate::broker::Broker;
    use crate::config::BrokerSettings;
    use crate::disk::simulated::SimulatedDisk;

    /// A worker that dies gives back what it holds with its connection, and not only when its locks end.
    #[tokio::test]
    async fn what_a_connection_holds_ends_with_it() {
        let settings = BrokerSettings::new(Default::default()).unwrap();
        let broker = Broker::open_on(Path::new("/data"), settings, Arc::new(SimulatedDisk::new()), Clock::manual(1_000_000)).unwrap();
        let topic = broker.catalog.create("t", 1, Default::default(), 1).unwrap();
        let place = SharePlace { group: "g".into(), topic: topic.id, partition: 0 };
        let (partition, _) = broker.shares.get_or_begin(&place, topic.partition(0).unwrap(), 0);
        let limits = ShareLimits::of(&broker.groups.share_settings("g"));
        let take = |owner| {
            let readable = Readable { from: 0, until: 3, batches: &[0..=2] };
            partition.acquire(owner, &readable, (AcquireMode::RecordLimit, 10), &limits, 1).acquired
        };
        let key = |member: &str| ShareSessionKey { group: "g".into(), member: member.into() };
        let open = |member, connection| broker.shares.sessions.open(&key(member), connection, vec![(topic.id, 0)], 10).unwrap().0.owner;
        let (dying, other) = (open("dying", 7), open("other", 8));
        assert_eq!(take(dying).len(), 1);
        broker.disconnected(9);
        assert!(take(other).is_empty());
        broker.disconnected(7);
        assert_eq!(take(other)[0].delivery_count, 2);
        assert!(broker.shares.sessions.owner(&key("dying")).is_err());
    }
}
