//! The coordinator of groups: who is a member, who reads what, and how far everybody has come.
//!
//! A request takes the lock, a pure state machine ([`classic`], [`consumer`], [`share`], [`offsets`]) says what changes, and that goes
//! into the journal before the lock is released: the journal has the order in which things happened. An answer that
//! promises something waits until the journal has it on stable storage.
//!
//! * [`membership`] joins, leaves and assigns; * [`mixed`] has both protocols in one group; * [`sharing`] does it for share groups;
//! * [`commit`] keeps offsets; * [`describe`] tells and deletes; * [`properties`] are those of single groups;
//! * [`error`] says why not;
//! * [`shelf`] is what there is in memory; * [`replay`] makes it from the journal

mod assignor;
mod classic;
mod commit;
mod consumer;
mod describe;
mod entries;
mod error;
mod member_id;
mod membership;
mod mixed;
mod offsets;
mod properties;
mod record;
mod replay;
mod share;
mod sharing;
mod shelf;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use millstream_protocol::Str;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::GroupSettings;
use crate::config::group::ConsumerSettings;
use crate::config::share::ShareSettings;
use crate::journal::{Journal, JournalEntry, JournalError};
use crate::limit;
use crate::partition::Acknowledged;
use classic::Now;
use entries::{classic_entry, share_entry};
use properties::Owns;
use record::Key;
use shelf::{Group, GroupKind, Shelf, Unkept};

pub(crate) use commit::{Asked, Commit, Committer, ToldOffset, WantedOffsets};
pub(crate) use describe::Listed;
pub(crate) use error::{CommitError, GroupError, HeartbeatError, JoinRefused, MemberError, OffsetError, ShareHeartbeatError};
pub(crate) use properties::PropertiesError;

/// What descriptions of a group tell of a member's client.
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

/// Whether a group may have this id.
pub(crate) fn is_group_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= limit::GROUP_ID_BYTES_MAX
}

/// Whether a member of a share group may have this id, which it makes by itself.
pub(crate) fn is_share_member_id(id: &str) -> bool {
    // Counted in letters, as Kafka does; a letter has no more than three bytes.
    let has_room = id.len() <= 3 * limit::SHARE_MEMBER_ID_LETTERS_MAX;
    !id.is_empty() && has_room && id.encode_utf16().count() <= limit::SHARE_MEMBER_ID_LETTERS_MAX
}

/// Appends that failed are tried again no sooner than this, unless there is more to be kept.
const RETRY_MS: i64 = 1000;

/// The coordinator.
#[derive(Debug)]
pub(crate) struct Groups {
    journal: Journal,
    catalog: Arc<Catalog>,
    clock: Clock,
    settings: GroupSettings,
    /// The least time between two assignments, of groups that have none of their own: it can change while the broker runs.
    assignment_interval_ms: AtomicI64,
    /// The same for share groups.
    share_assignment_interval_ms: AtomicI64,
    owns: Owns,
    shelf: Mutex<Shelf>,
    woken: Notify,
}

impl Groups {
    /// Takes over what can change while the broker runs.
    pub(crate) fn set_assignment_intervals(&self, settings: &GroupSettings) {
        self.assignment_interval_ms.store(settings.consumer.assignment_interval_ms, Ordering::Relaxed);
        self.share_assignment_interval_ms.store(settings.share.assignment_interval_ms, Ordering::Relaxed);
    }

    /// What holds for consumer groups that have no properties of their own.
    fn of_all(&self) -> ConsumerSettings {
        ConsumerSettings { assignment_interval_ms: self.assignment_interval_ms.load(Ordering::Relaxed), ..self.settings.consumer }
    }

    /// The same for share groups.
    fn of_all_shared(&self) -> ShareSettings {
        ShareSettings { assignment_interval_ms: self.share_assignment_interval_ms.load(Ordering::Relaxed), ..self.settings.share }
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
    fn take_back(&self, entries: &[JournalEntry], wall_ms: i64) -> Result<(), JournalError> {
        if entries.is_empty() { Ok(()) } else { self.journal.append(entries, None, wall_ms).map(drop) }
    }

    /// Makes the journal's topic, so that a client that looks for the coordinator finds it ready.
    pub(crate) fn prepare(&self) -> Result<(), JournalError> {
        self.journal.partition(self.clock.now_ms()).map(|_| ())
    }

    /// Resolves when everything that was kept until now is durable.
    pub(crate) fn settled(&self) -> Acknowledged {
        self.journal.settled()
    }

    /// Does something to a group that is there, and keeps what that changes.
    fn with<R>(&self, id: &Str, act: impl FnOnce(&mut Group, &Now, &mut Vec<JournalEntry>) -> R) -> Option<R> {
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
    fn with_new<R>(
        &self,
        id: &Str,
        kind: impl FnOnce(&Now) -> GroupKind,
        act: impl FnOnce(&mut Group, &Now, &mut Vec<JournalEntry>) -> R,
    ) -> R {
        let mut shelf = self.shelf.lock();
        self.with_new_locked(&mut shelf, id, kind, act)
    }

    fn with_new_locked<R>(
        &self,
        shelf: &mut Shelf,
        id: &Str,
        kind: impl FnOnce(&Now) -> GroupKind,
        act: impl FnOnce(&mut Group, &Now, &mut Vec<JournalEntry>) -> R,
    ) -> R {
        let now = self.now();
        let id = id.detached();
        shelf.groups.entry(id.clone()).or_insert_with(|| Group::new(kind(&now), now.wall_ms));
        self.with_locked(shelf, &id, act).expect("it was made above")
    }

    fn with_locked<R>(&self, shelf: &mut Shelf, id: &Str, act: impl FnOnce(&mut Group, &Now, &mut Vec<JournalEntry>) -> R) -> Option<R> {
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
    fn keep(&self, id: &Str, group: &mut Group, mut entries: Vec<JournalEntry>, now: &Now) {
        if let Some(unkept) = &group.unkept {
            if entries.is_empty() && now.ms < unkept.retry_ms {
                return;
            }
            entries = group.members_anew(id, unkept);
        }
        if entries.is_empty() {
            return;
        }
        let Err(error) = self.journal.append(&entries, None, now.wall_ms) else {
            group.unkept = None;
            return;
        };
        tracing::warn!("the members of a group could not be kept: {error}");
        let retry_ms = now.ms + RETRY_MS;
        match &mut group.unkept {
            Some(unkept) => unkept.retry_ms = retry_ms,
            None => {
                let mut members: BTreeSet<Str> = entries.iter().filter_map(|entry| Key::read(&entry.key).ok()?.member()).collect();
                if let GroupKind::Consumer(consumer) = &group.kind {
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
                GroupKind::Classic(classic) => {
                    let change = classic.tick(now);
                    entries.extend(classic_entry(&id, classic, change));
                }
                GroupKind::Consumer(_) => self.take_members(&id, group, now, entries, |consumer, changes| consumer.tick(now.ms, changes)),
                GroupKind::Share(share) => {
                    let before = share.to_value();
                    share.tick(now.ms);
                    entries.extend((share.to_value() != before).then(|| share_entry(&id, share)));
                }
            });
        }
    }
}
