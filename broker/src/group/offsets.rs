//! How far a group has come: committed offsets, and those that a transaction holds back until it ends. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millstream_protocol::TopicId;

use super::record::OffsetValue;

/// Topic and partition.
pub(super) type Place = (String, i32);

/// The offsets of one group.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    committed: BTreeMap<Place, Kept>,
    /// By producer id, what its open transaction will commit.
    held: HashMap<i64, BTreeMap<Place, Kept>>,
    count: u64,
}

/// An offset and its sequence number: the newest wins, whenever its transaction ends.
#[derive(Debug)]
struct Kept {
    value: OffsetValue,
    order: u64,
}

impl Offsets {
    pub(super) fn commit(&mut self, place: Place, value: OffsetValue) {
        let kept = self.keep(value);
        self.committed.insert(place, kept);
    }

    fn keep(&mut self, value: OffsetValue) -> Kept {
        self.count += 1;
        Kept { value, order: self.count }
    }

    /// Takes a commit of a transaction in, which counts when that is committed.
    pub(super) fn hold(&mut self, producer_id: i64, place: Place, value: OffsetValue) {
        let kept = self.keep(value);
        self.held.entry(producer_id).or_default().insert(place, kept);
    }

    /// A transaction ends; says whether it had anything here.
    pub(super) fn end(&mut self, producer_id: i64, is_commit: bool) -> bool {
        let Some(held) = self.held.remove(&producer_id) else { return false };
        if is_commit {
            for (place, kept) in held {
                if self.committed.get(&place).is_none_or(|newer| newer.order < kept.order) {
                    self.committed.insert(place, kept);
                }
            }
        }
        true
    }

    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<&OffsetValue> {
        self.committed.get(&(topic.to_owned(), partition)).map(|kept| &kept.value)
    }

    /// The producers whose open transactions hold something here.
    pub(super) fn holders(&self) -> impl Iterator<Item = i64> {
        self.held.keys().copied()
    }

    /// Whether an open transaction may change it.
    pub(super) fn is_held(&self, topic: &str, partition: i32) -> bool {
        let place = (topic.to_owned(), partition);
        self.held.values().any(|held| held.contains_key(&place))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Place, &OffsetValue)> {
        self.committed.iter().map(|(place, kept)| (place, &kept.value))
    }

    /// Everything that is committed or held.
    pub(super) fn every_place(&self) -> BTreeSet<Place> {
        self.committed.keys().chain(self.held.values().flat_map(BTreeMap::keys)).cloned().collect()
    }

    /// Forgets an offset, and what a transaction would make of it.
    pub(super) fn forget(&mut self, place: &Place) {
        self.committed.remove(place);
        self.held.values_mut().for_each(|held| drop(held.remove(place)));
        self.held.retain(|_, held| !held.is_empty());
    }

    /// The places with an offset for which `is_old` says so, and that no open transaction may change.
    pub(super) fn places(&self, mut is_old: impl FnMut(&OffsetValue) -> bool) -> Vec<Place> {
        let old = self.committed.iter().filter(|(_, kept)| is_old(&kept.value)).map(|(place, _)| place);
        old.filter(|(topic, partition)| !self.is_held(topic, *partition)).cloned().collect()
    }

    /// The places of a topic that is gone: those of one that had its name before or has it now are others.
    pub(super) fn places_of(&self, name: &str, id: TopicId) -> BTreeSet<Place> {
        let all = || (name.to_owned(), i32::MIN)..=(name.to_owned(), i32::MAX);
        let found = self.committed.range(all()).chain(self.held.values().flat_map(|held| held.range(all())));
        found.filter(|(_, kept)| kept.value.is_of(Some(id))).map(|(place, _)| place.clone()).collect()
    }

    /// The places of topics that do not exist, which `id_of` looks up.
    pub(super) fn orphans(&self, id_of: impl Fn(&str) -> Option<TopicId>) -> BTreeSet<Place> {
        let all = self.committed.iter().chain(self.held.values().flatten());
        all.filter(|((topic, _), kept)| !kept.value.is_of(id_of(topic))).map(|(place, _)| place.clone()).collect()
    }

    pub(super) fn has(&self, place: &Place) -> bool {
        self.committed.contains_key(place) || self.held.values().any(|held| held.contains_key(place))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.held.is_empty()
    }

    /// Whether nothing would be left without so many of the committed ones.
    pub(super) fn is_empty_without(&self, count: usize) -> bool {
        self.committed.len() == count && self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(offset: i64) -> OffsetValue {
        OffsetValue { offset, leader_epoch: -1, metadata: String::new(), commit_ms: 0, expire_ms: None, topic_id: None }
    }

    #[test]
    fn what_a_transaction_commits_counts_when_it_is_committed() {
        let mut offsets = Offsets::default();
        let place = ("t".to_owned(), 0);
        offsets.commit(place.clone(), value(1));
        offsets.hold(7, place.clone(), value(5));
        assert!(offsets.is_held("t", 0));
        assert_eq!(offsets.get("t", 0).unwrap().offset, 1);
        assert!(offsets.end(7, false));
        assert_eq!(offsets.get("t", 0).unwrap().offset, 1, "aborted");
        offsets.hold(8, place, value(6));
        assert!(offsets.end(8, true) && !offsets.end(8, true));
        assert_eq!(offsets.get("t", 0).unwrap().offset, 6);
        assert!(!offsets.is_held("t", 0));
        offsets.hold(9, ("t".to_owned(), 0), value(7));
        offsets.commit(("t".to_owned(), 0), value(8));
        offsets.end(9, true);
        assert_eq!(offsets.get("t", 0).unwrap().offset, 8, "the newer commit stays");
    }
}
