//! What an earlier process knew: the journal is read once, entry by entry.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use millstream_protocol::Str;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Groups;
use super::classic::Classic;
use super::consumer::Consumer;
use super::entries::forgetting;
use super::properties::Owns;
use super::record::{ConsumerMemberValue, GroupValue, Key, OffsetValue, Value};
use super::share::Share;
use super::shelf::{Group, GroupKind, Shelf};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::GroupSettings;
use crate::durable::DurableError;
use crate::journal::{Journal, Replayed};

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
            if let GroupKind::Consumer(consumer) = &mut group.kind {
                consumer.begin_sessions(now_ms, owns.holding(id, settings.consumer).session_timeout_ms);
                consumer.settle(&listing);
            }
            let places = group.offsets.orphans(|name| listing.topics.get(name.as_bytes()).map(|(topic_id, _)| *topic_id));
            orphans.extend(forgetting(id, &places));
            places.iter().for_each(|place| group.offsets.forget(place));
            !group.is_unused()
        });
        if !orphans.is_empty()
            && let Err(error) = journal.append(&orphans, None, wall_ms)
        {
            tracing::warn!("the offsets of topics that are gone could not be removed, and are left for the next start: {error}");
        }
        let ids: Vec<Str> = shelf.groups.keys().cloned().collect();
        ids.iter().for_each(|id| shelf.note_deadline(id));
        Groups {
            journal,
            catalog,
            clock,
            assignment_interval_ms: AtomicI64::new(settings.consumer.assignment_interval_ms),
            share_assignment_interval_ms: AtomicI64::new(settings.share.assignment_interval_ms),
            settings,
            owns,
            shelf: Mutex::new(shelf),
            woken: Notify::new(),
        }
    }
}

/// Takes an entry of the journal over.
fn restore(
    shelf: &mut Shelf,
    key: Key,
    value: Option<&[u8]>,
    producer_id: Option<i64>,
    (now_ms, wall_ms): (i64, i64),
) -> Result<(), DurableError> {
    let id = Str::from(key.group());
    if let Some(producer_id) = producer_id {
        shelf.note_holder(producer_id, &id);
    }
    let group = shelf.groups.entry(id).or_insert_with(|| Group::new(GroupKind::Classic(Classic::new(wall_ms)), wall_ms));
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
                    *kind = GroupKind::Classic(Classic::restored(value, now_ms));
                }
                (GroupValue::Consumer(value), kind) => {
                    let mut consumer = match std::mem::replace(kind, GroupKind::Classic(Classic::new(wall_ms))) {
                        GroupKind::Consumer(consumer) => consumer,
                        GroupKind::Classic(_) | GroupKind::Share(_) => Consumer::new(),
                    };
                    (consumer.epoch, consumer.target_epoch) = (value.epoch, value.target_epoch);
                    *kind = GroupKind::Consumer(consumer);
                }
                (GroupValue::Share(value), kind) => {
                    *kind = GroupKind::Share(Share::restored(value));
                    group.is_kept = true;
                }
            }
        }
        (Key::Group { .. }, None) => {
            group.is_kept = false;
            group.kind = GroupKind::Classic(Classic::new(wall_ms));
        }
        (Key::Member { member, .. }, Some(value)) => {
            if !matches!(group.kind, GroupKind::Consumer(_)) {
                // The entry of its group follows.
                group.kind = GroupKind::Consumer(Consumer::new());
            }
            if let GroupKind::Consumer(consumer) = &mut group.kind {
                consumer.restore(&member, ConsumerMemberValue::read(value)?, now_ms);
            }
        }
        (Key::Member { member, .. }, None) => {
            if let GroupKind::Consumer(consumer) = &mut group.kind {
                consumer.forget(&member);
            }
        }
        // They are not the group's: see [`Owns`].
        (Key::Properties { .. }, _) => {}
    }
    Ok(())
}
