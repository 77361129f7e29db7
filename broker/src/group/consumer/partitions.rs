//! Sets of partitions.

use millstream_protocol::TopicId;

use crate::group::assignor::Partitions;

pub(in crate::group) fn flat(partitions: &Partitions) -> impl Iterator<Item = (TopicId, i32)> + '_ {
    partitions.iter().flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
}

pub(super) fn intersects(a: &Partitions, b: &Partitions) -> bool {
    flat(a).any(|(topic, partition)| b.get(&topic).is_some_and(|partitions| partitions.contains(&partition)))
}

fn collect(partitions: impl Iterator<Item = (TopicId, i32)>) -> Partitions {
    let mut collected = Partitions::new();
    partitions.for_each(|(topic, partition)| {
        collected.entry(topic).or_default().insert(partition);
    });
    collected
}

pub(super) fn has(partitions: &Partitions, (topic, partition): &(TopicId, i32)) -> bool {
    partitions.get(topic).is_some_and(|partitions| partitions.contains(partition))
}

/// Everything that is in either.
pub(in crate::group) fn union(a: &Partitions, b: &Partitions) -> Partitions {
    collect(flat(a).chain(flat(b)))
}

pub(super) fn both(a: &Partitions, b: &Partitions) -> Partitions {
    collect(flat(a).filter(|place| has(b, place)))
}

pub(in crate::group) fn without(a: &Partitions, b: &Partitions) -> Partitions {
    collect(flat(a).filter(|place| !has(b, place)))
}
