//! The coordinator of groups: who is a member, who reads what, and how far everybody has come.
//!
//! A request takes the lock, a pure state machine ([`classic`], [`consumer`], [`offsets`]) says what changes, and that goes
//! into the journal before the lock is released: the journal has the order in which things happened. An answer that
//! promises something waits until the journal has it on stable storage.
//!
//! * [`membership`] joins, leaves and assigns; * [`mixed`] has both protocols in one group;
//! * [`commit`] keeps offsets; * [`describe`] tells and deletes; * [`properties`] are those of single groups

mod assignor;
mod classic;
mod commit;
mod consumer;
mod describe;
mod membership;
mod mixed;
mod offsets;
mod pace;
mod properties;
mod record;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use millstream_protocol::{ErrorCode, Str};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::GroupSettings;
use crate::journal::{Entry, Journal, Replayed};
use crate::partition::Acknowledged;
use classic::{Change, Classic, Now, State};
use consumer::{Changes, Consumer};
use offsets::{Offsets, Place};
use properties::Owns;
use record::{ConsumerMemberValue, GroupValue, Key, OffsetValue, Value};

pub(crate) use commit::{Asked, Commit, Committer, Told, Wanted};
pub(crate) use describe::Listed;

/// Who a member is, for those who look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Client {
    pub id: Str,
    pub host: Str,
}

impl Client {
    pub(crate) fn new(id: Option<&Str>, peer: Option<IpAddr>) -> Self {
        let host = peer.map(|address| format!("/{address}")).unwrap_or_default();
        Client { id: id.map(Str::detached).unwrap_or_default(), host: host.into() }
    }
}

/// No client has a reason for a longer one, and each is kept.
const GROUP_ID_BYTES_MAX: usize = 32_767;

/// Whether a group may have this id.
pub(crate) fn is_group_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= GROUP_ID_BYTES_MAX
}

#[derive(Debug)]
enum Kind {
    Classic(Classic),
    Consumer(Consumer),
}

#[derive(Debug)]
struct Group {
    kind: Kind,
    offsets: Offsets,
    /// As it stands among the deadlines.
    deadline_ms: Option<i64>,
    /// Of a classic group: when its last member left, as far as is known; wall clock.
    emptied_ms: i64,
    /// Somebody has kept something in it: it stays until it is deleted or its time is over.
    is_kept: bool,
    unkept: Option<Unkept>,
}

/// What the journal says of a group's members is not how it is: an append failed.
#[derive(Debug)]
struct Unkept {
    /// Members that the journal may know.
    members: BTreeSet<Str>,
    retry_ms: i64,
}

/// Appends that failed are tried again no sooner than this, unless there is more to be kept.
const RETRY_MS: i64 = 1000;

impl Group {
    fn new(kind: Kind, wall_ms: i64) -> Self {
        Group { kind, offsets: Offsets::default(), deadline_ms: None, emptied_ms: wall_ms, is_kept: false, unkept: None }
    }

    fn has_members(&self) -> bool {
        match &self.kind {
            Kind::Classic(classic) => !classic.members.is_empty(),
            Kind::Consumer(consumer) => !consumer.members.is_empty(),
        }
    }

    /// Nothing but a name: nobody would miss it.
    fn is_unused(&self) -> bool {
        let is_unused = match &self.kind {
            Kind::Classic(classic) => classic.is_unused() && classic.generation == 0,
            Kind::Consumer(consumer) => consumer.is_unused(),
        };
        is_unused && self.offsets.is_empty() && !self.is_kept && self.unkept.is_none()
    }

    fn next_deadline_ms(&self) -> Option<i64> {
        match &self.kind {
            Kind::Classic(classic) => classic.next_deadline_ms(),
            Kind::Consumer(consumer) => consumer.next_deadline_ms(),
        }
    }

    /// Everything that is to be kept of its members, after appends that failed; nothing while it is between two generations.
    fn members_anew(&self, id: &str, unkept: &Unkept) -> Vec<Entry> {
        let member = |member: &Str| Key::Member { group: id.to_owned(), member: member.to_string() }.forget();
        match &self.kind {
            Kind::Classic(classic) if matches!(classic.state, State::Preparing | State::Completing) => Vec::new(),
            Kind::Classic(classic) => {
                let key = Key::Group { group: id.to_owned() };
                let is_known = classic.generation > 0;
                let group = if is_known { key.set(&GroupValue::Classic(classic.to_value())) } else { key.forget() };
                unkept.members.iter().map(member).chain([group]).collect()
            }
            Kind::Consumer(consumer) => {
                let members = unkept.members.iter().chain(consumer.members.keys()).cloned().collect();
                consumer_entries(id, consumer, Changes { is_group_changed: true, members })
            }
        }
    }
}

#[derive(Debug, Default)]
struct Shelf {
    groups: HashMap<Str, Group>,
    /// When something is due in which group.
    deadlines: BTreeSet<(i64, Str)>,
    /// The groups in which a producer's open transaction holds offsets.
    holding: HashMap<i64, BTreeSet<Str>>,
}

impl Shelf {
    fn note_deadline(&mut self, id: &Str) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let next = group.next_deadline_ms();
        if next != group.deadline_ms {
            if let Some(before) = group.deadline_ms {
                self.deadlines.remove(&(before, id.clone()));
            }
            group.deadline_ms = next;
            self.deadlines.extend(next.map(|next| (next, id.clone())));
        }
    }

    fn note_holder(&mut self, producer_id: i64, id: &Str) {
        self.holding.entry(producer_id).or_default().insert(id.detached());
    }

    fn end_transaction(&mut self, producer_id: i64, is_commit: bool) {
        for id in self.holding.remove(&producer_id).unwrap_or_default() {
            if let Some(group) = self.groups.get_mut(&id) {
                group.offsets.end(producer_id, is_commit);
            }
        }
    }

    fn remove(&mut self, id: &Str) {
        if let Some(deadline_ms) = self.groups.remove(id).and_then(|group| group.deadline_ms) {
            self.deadlines.remove(&(deadline_ms, id.clone()));
        }
    }
}

/// The coordinator.
#[derive(Debug)]
pub(crate) struct Groups {
    journal: Journal,
    catalog: Arc<Catalog>,
    clock: Clock,
    settings: GroupSettings,
    owns: Owns,
    shelf: Mutex<Shelf>,
    woken: Notify,
}

impl Groups {
    /// Reads what an earlier process knew.
    pub(crate) fn open(journal: Journal, catalog: Arc<Catalog>, clock: Clock, settings: GroupSettings) -> Self {
        let (now_ms, wall_ms) = (clock.monotonic_ms(), clock.now_ms());
        let (mut shelf, owns) = (Shelf::default(), Owns::default());
        let mut damaged = 0;
        journal.replay(|replayed| match replayed {
            Replayed::Ended { producer_id, is_commit } => shelf.end_transaction(producer_id, is_commit),
            Replayed::Entry { key, value, producer_id } => match Key::read(&key) {
                Ok(key) => {
                    let restored = match &key {
                        Key::Properties { group } => owns.restore(group, value.as_deref(), &settings),
                        _ => restore(&mut shelf, key, value.as_deref(), producer_id, (now_ms, wall_ms)),
                    };
                    damaged += u64::from(restored.is_err());
                }
                Err(_) => damaged += 1,
            },
        });
        if damaged > 0 {
            tracing::error!("{damaged} entries of the journal of groups cannot be read: offsets or members may be missing");
        }
        let listing = catalog.listing();
        // Of topics that are gone, whose own end the journal did not see.
        let mut orphans = Vec::new();
        shelf.groups.retain(|id, group| {
            if let Kind::Consumer(consumer) = &mut group.kind {
                consumer.begin_sessions(now_ms, owns.holding(id, &settings).session_timeout_ms);
                consumer.settle(&listing);
            }
            let places = group.offsets.orphans(|name| listing.topics.get(name.as_bytes()).map(|(topic_id, _)| *topic_id));
            orphans.extend(forgetting(id, &places));
            places.iter().for_each(|place| group.offsets.forget(place));
            !group.is_unused()
        });
        if !orphans.is_empty()
            && let Err(code) = journal.append(&orphans, None, wall_ms)
        {
            tracing::warn!("the offsets of topics that are gone could not be removed, and are left for the next start: {code}");
        }
        let ids: Vec<Str> = shelf.groups.keys().cloned().collect();
        ids.iter().for_each(|id| shelf.note_deadline(id));
        Groups { journal, catalog, clock, settings, owns, shelf: Mutex::new(shelf), woken: Notify::new() }
    }

    fn now(&self) -> Now {
        Now {
            ms: self.clock.monotonic_ms(),
            wall_ms: self.clock.now_ms(),
            initial_delay_ms: self.settings.initial_rebalance_delay_ms,
            size_max: self.settings.size_max,
        }
    }

    /// Forgets what the journal holds; what it does not take is still there after a restart, and so it has to stay here, too.
    fn take_back(&self, entries: &[Entry], wall_ms: i64) -> Result<(), ErrorCode> {
        if entries.is_empty() { Ok(()) } else { self.journal.append(entries, None, wall_ms).map(drop) }
    }

    /// Makes the journal's topic, so that whoever looks for the coordinator finds it ready.
    pub(crate) fn prepare(&self) -> Result<(), ErrorCode> {
        self.journal.partition(self.clock.now_ms()).map(|_| ())
    }

    /// Resolves when everything that was kept until now is durable.
    pub(crate) fn settled(&self) -> Acknowledged {
        self.journal.settled()
    }

    /// Does something to a group that is there, and keeps what that changes.
    fn with<R>(&self, id: &Str, act: impl FnOnce(&mut Group, &Now, &mut Vec<Entry>) -> R) -> Option<R> {
        let mut shelf = self.shelf.lock();
        self.with_locked(&mut shelf, id, act)
    }

    /// Does something to a group that is there, which neither changes what is kept of its members nor brings anything due nearer.
    fn look<R>(&self, id: &Str, act: impl FnOnce(&mut Group, &Now) -> R) -> Option<R> {
        let mut shelf = self.shelf.lock();
        self.look_locked(&mut shelf, id, act)
    }

    fn look_locked<R>(&self, shelf: &mut Shelf, id: &Str, act: impl FnOnce(&mut Group, &Now) -> R) -> Option<R> {
        let now = self.now();
        let group = shelf.groups.get_mut(id)?;
        let result = act(group, &now);
        self.keep(id, group, Vec::new(), &now);
        Some(result)
    }

    /// Does something to a group that is made if it is not there.
    fn with_new<R>(&self, id: &Str, kind: impl FnOnce(&Now) -> Kind, act: impl FnOnce(&mut Group, &Now, &mut Vec<Entry>) -> R) -> R {
        let mut shelf = self.shelf.lock();
        self.with_new_locked(&mut shelf, id, kind, act)
    }

    fn with_new_locked<R>(
        &self,
        shelf: &mut Shelf,
        id: &Str,
        kind: impl FnOnce(&Now) -> Kind,
        act: impl FnOnce(&mut Group, &Now, &mut Vec<Entry>) -> R,
    ) -> R {
        let now = self.now();
        let id = id.detached();
        shelf.groups.entry(id.clone()).or_insert_with(|| Group::new(kind(&now), now.wall_ms));
        self.with_locked(shelf, &id, act).expect("it was made above")
    }

    fn with_locked<R>(&self, shelf: &mut Shelf, id: &Str, act: impl FnOnce(&mut Group, &Now, &mut Vec<Entry>) -> R) -> Option<R> {
        let now = self.now();
        let group = shelf.groups.get_mut(id)?;
        let mut entries = Vec::new();
        let had_members = group.has_members();
        let result = act(group, &now, &mut entries);
        if had_members && !group.has_members() {
            group.emptied_ms = now.wall_ms;
        }
        self.keep(id, group, entries, &now);
        let is_unused = group.is_unused();
        let earliest = shelf.deadlines.first().map(|(ms, _)| *ms);
        if is_unused {
            shelf.remove(id);
        } else {
            let id = id.detached();
            shelf.note_deadline(&id);
        }
        if shelf.deadlines.first().map(|(ms, _)| *ms) != earliest {
            self.woken.notify_one();
        }
        Some(result)
    }

    /// Membership that cannot be kept goes on in memory: it is not promised. The journal gets it as a whole as soon as it takes
    /// something, since with some of it two members would have the same partition after a restart.
    fn keep(&self, id: &Str, group: &mut Group, mut entries: Vec<Entry>, now: &Now) {
        if let Some(unkept) = &group.unkept {
            if entries.is_empty() && now.ms < unkept.retry_ms {
                return;
            }
            entries = group.members_anew(id, unkept);
        }
        if entries.is_empty() {
            return;
        }
        let Err(code) = self.journal.append(&entries, None, now.wall_ms) else {
            group.unkept = None;
            return;
        };
        tracing::warn!("the members of a group could not be kept: {code}");
        let retry_ms = now.ms + RETRY_MS;
        match &mut group.unkept {
            Some(unkept) => unkept.retry_ms = retry_ms,
            None => {
                let mut members: BTreeSet<Str> = entries.iter().filter_map(|entry| Key::read(&entry.key).ok()?.member()).collect();
                if let Kind::Consumer(consumer) = &group.kind {
                    members.extend(consumer.members.keys().cloned());
                }
                group.unkept = Some(Unkept { members, retry_ms });
            }
        }
    }

    /// Ends sessions and rebalances when their time has come, for as long as the broker lives.
    pub(crate) async fn tend(self: Arc<Self>) {
        loop {
            let first_ms = { self.shelf.lock().deadlines.first().map(|(ms, _)| *ms) };
            match first_ms.map(|ms| ms - self.clock.monotonic_ms()) {
                None => self.woken.notified().await,
                Some(wait_ms) if wait_ms > 0 => {
                    let wait = std::time::Duration::from_millis(wait_ms as u64);
                    // Either is a reason to look again.
                    let _ = tokio::time::timeout(wait, self.woken.notified()).await;
                }
                Some(_) => self.tick(),
            }
        }
    }

    /// Does what is due now.
    pub(crate) fn tick(&self) {
        let now_ms = self.clock.monotonic_ms();
        let mut shelf = self.shelf.lock();
        let due: Vec<Str> = shelf.deadlines.iter().take_while(|(ms, _)| *ms <= now_ms).map(|(_, id)| id.clone()).collect();
        for id in due {
            self.with_locked(&mut shelf, &id, |group, now, entries| match &mut group.kind {
                Kind::Classic(classic) => {
                    let change = classic.tick(now);
                    entries.extend(classic_entry(&id, classic, change));
                }
                Kind::Consumer(_) => self.take_members(&id, group, now, entries, |consumer, changes| consumer.tick(now.ms, changes)),
            });
        }
    }
}

fn classic_entry(id: &str, classic: &Classic, change: Change) -> Option<Entry> {
    (change == Change::Settled).then(|| Key::Group { group: id.to_owned() }.set(&GroupValue::Classic(classic.to_value())))
}

fn consumer_entries(id: &str, consumer: &Consumer, changes: Changes) -> Vec<Entry> {
    let mut entries = Vec::new();
    for member in changes.members {
        let key = Key::Member { group: id.to_owned(), member: member.to_string() };
        entries.push(consumer.member_value(&member).map_or_else(|| key.forget(), |value| key.set(&value)));
    }
    if changes.is_group_changed {
        let value = record::ConsumerValue { epoch: consumer.epoch, target_epoch: consumer.target_epoch };
        entries.push(Key::Group { group: id.to_owned() }.set(&GroupValue::Consumer(value)));
    }
    entries
}

/// The entries that forget offsets.
fn forgetting<'a>(group: &'a str, places: impl IntoIterator<Item = &'a Place>) -> impl Iterator<Item = Entry> {
    let key = |(topic, partition): &Place| Key::Offset { group: group.to_owned(), topic: topic.clone(), partition: *partition };
    places.into_iter().map(move |place| key(place).forget())
}

/// Takes an entry of the journal over.
fn restore(
    shelf: &mut Shelf,
    key: Key,
    value: Option<&[u8]>,
    producer_id: Option<i64>,
    (now_ms, wall_ms): (i64, i64),
) -> Result<(), crate::durable::DurableError> {
    let id = Str::from(key.group());
    if let Some(producer_id) = producer_id {
        shelf.note_holder(producer_id, &id);
    }
    let group = shelf.groups.entry(id).or_insert_with(|| Group::new(Kind::Classic(Classic::new(wall_ms)), wall_ms));
    match (key, value) {
        (Key::Offset { topic, partition, .. }, Some(value)) => {
            let value = OffsetValue::read(value)?;
            match producer_id {
                None => group.offsets.commit((topic, partition), value),
                Some(producer_id) => group.offsets.hold(producer_id, (topic, partition), value),
            }
        }
        (Key::Offset { topic, partition, .. }, None) => group.offsets.forget(&(topic, partition)),
        (Key::Group { .. }, Some(value)) => {
            let restored = GroupValue::read(value)?;
            match (restored, &mut group.kind) {
                (GroupValue::Classic(value), kind) => {
                    group.emptied_ms = value.changed_ms;
                    *kind = Kind::Classic(Classic::restored(value, now_ms));
                }
                (GroupValue::Consumer(value), kind) => {
                    let mut consumer = match std::mem::replace(kind, Kind::Classic(Classic::new(wall_ms))) {
                        Kind::Consumer(consumer) => consumer,
                        Kind::Classic(_) => Consumer::new(),
                    };
                    (consumer.epoch, consumer.target_epoch) = (value.epoch, value.target_epoch);
                    *kind = Kind::Consumer(consumer);
                }
            }
        }
        (Key::Group { .. }, None) => {
            group.kind = Kind::Classic(Classic::new(wall_ms));
        }
        (Key::Member { member, .. }, Some(value)) => {
            if !matches!(group.kind, Kind::Consumer(_)) {
                // The entry of its group follows.
                group.kind = Kind::Consumer(Consumer::new());
            }
            if let Kind::Consumer(consumer) = &mut group.kind {
                consumer.restore(&member, ConsumerMemberValue::read(value)?, now_ms);
            }
        }
        (Key::Member { member, .. }, None) => {
            if let Kind::Consumer(consumer) = &mut group.kind {
                consumer.forget(&member);
            }
        }
        // They are not the group's: see [`Owns`].
        (Key::Properties { .. }, _) => {}
    }
    Ok(())
}
