//! All groups, and what the coordinator knows of each: its members by one protocol or another, its offsets, and whether the journal
//! has all of it.

use std::collections::{BTreeSet, HashMap};

use millstream_protocol::Str;

use super::classic::{Classic, ClassicState};
use super::consumer::{Changes, Consumer};
use super::entries::{consumer_entries, share_entry};
use super::offsets::Offsets;
use super::record::{GroupValue, Key};
use super::share::Share;
use crate::journal::JournalEntry;

#[derive(Debug)]
pub(super) enum GroupKind {
    Classic(Classic),
    Consumer(Consumer),
    Share(Share),
}

#[derive(Debug)]
pub(super) struct Group {
    pub kind: GroupKind,
    pub offsets: Offsets,
    /// As it stands among the deadlines.
    pub deadline_ms: Option<i64>,
    /// Of a classic group: when its last member left, as far as is known; wall clock.
    pub emptied_ms: i64,
    /// Somebody has kept something in it: it stays until it is deleted or its time is over.
    pub is_kept: bool,
    pub unkept: Option<Unkept>,
}

/// What the journal says of a group's members is not how it is: an append failed.
#[derive(Debug)]
pub(super) struct Unkept {
    /// Members that the journal may know.
    pub members: BTreeSet<Str>,
    pub retry_ms: i64,
}

impl Group {
    pub(super) fn new(kind: GroupKind, wall_ms: i64) -> Self {
        Group { kind, offsets: Offsets::default(), deadline_ms: None, emptied_ms: wall_ms, is_kept: false, unkept: None }
    }

    pub(super) fn member_count(&self) -> usize {
        match &self.kind {
            GroupKind::Classic(classic) => classic.members.len(),
            GroupKind::Consumer(consumer) => consumer.members.len(),
            GroupKind::Share(share) => share.members.len(),
        }
    }

    pub(super) fn has_members(&self) -> bool {
        self.member_count() > 0
    }

    /// Nothing but a name: nobody would miss it.
    pub(super) fn is_unused(&self) -> bool {
        let is_unused = match &self.kind {
            GroupKind::Classic(classic) => classic.is_unused() && classic.generation == 0,
            GroupKind::Consumer(consumer) => consumer.is_unused(),
            GroupKind::Share(share) => share.is_unused(),
        };
        is_unused && self.offsets.is_empty() && !self.is_kept && self.unkept.is_none()
    }

    pub(super) fn next_deadline_ms(&self) -> Option<i64> {
        match &self.kind {
            GroupKind::Classic(classic) => classic.next_deadline_ms(),
            GroupKind::Consumer(consumer) => consumer.next_deadline_ms(),
            GroupKind::Share(share) => share.next_deadline_ms(),
        }
    }

    /// Everything that is to be kept of its members, after appends that failed; nothing while it is between two generations.
    pub(super) fn members_anew(&self, id: &str, unkept: &Unkept) -> Vec<JournalEntry> {
        let member = |member: &Str| Key::Member { group: id.to_owned(), member: member.to_string() }.forget();
        match &self.kind {
            GroupKind::Classic(classic) if matches!(classic.state, ClassicState::Preparing | ClassicState::Completing) => Vec::new(),
            GroupKind::Classic(classic) => {
                let key = Key::Group { group: id.to_owned() };
                let is_known = classic.generation > 0;
                let group = if is_known { key.set(&GroupValue::Classic(classic.to_value())) } else { key.forget() };
                unkept.members.iter().map(member).chain([group]).collect()
            }
            GroupKind::Consumer(consumer) => {
                let members = unkept.members.iter().chain(consumer.members.keys()).cloned().collect();
                consumer_entries(id, consumer, Changes { is_group_changed: true, members })
            }
            GroupKind::Share(share) => unkept.members.iter().map(member).chain([share_entry(id, share)]).collect(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub groups: HashMap<Str, Group>,
    /// When something is due in which group.
    pub deadlines: BTreeSet<(i64, Str)>,
    /// The groups in which a producer's open transaction holds offsets.
    pub holding: HashMap<i64, BTreeSet<Str>>,
}

impl Shelf {
    pub(super) fn note_deadline(&mut self, id: &Str) {
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

    pub(super) fn note_holder(&mut self, producer_id: i64, id: &Str) {
        self.holding.entry(producer_id).or_default().insert(id.detached());
    }

    pub(super) fn end_transaction(&mut self, producer_id: i64, is_commit: bool) {
        for id in self.holding.remove(&producer_id).unwrap_or_default() {
            if let Some(group) = self.groups.get_mut(&id) {
                group.offsets.end(producer_id, is_commit);
            }
        }
    }

    pub(super) fn remove(&mut self, id: &Str) {
        let Some(group) = self.groups.remove(id) else { return };
        if let Some(deadline_ms) = group.deadline_ms {
            self.deadlines.remove(&(deadline_ms, id.clone()));
        }
        for producer_id in group.offsets.holders() {
            if let Some(groups) = self.holding.get_mut(&producer_id) {
                groups.remove(id);
            }
        }
        self.holding.retain(|_, groups| !groups.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::OffsetValue;
    use super::*;

    #[test]
    fn a_group_that_is_removed_is_held_by_nobody() {
        let mut shelf = Shelf::default();
        let mut group = Group::new(GroupKind::Classic(Classic::new(0)), 0);
        let value = OffsetValue { offset: 1, leader_epoch: -1, metadata: String::new(), commit_ms: 0, expire_ms: None, topic_id: None };
        group.offsets.hold(7, ("t".into(), 0), value);
        let id = Str::from("g");
        shelf.groups.insert(id.clone(), group);
        shelf.note_holder(7, &id);
        shelf.remove(&id);
        assert!(shelf.holding.is_empty());
    }
}
