//! Who gets which partitions: the assignors of consumer groups (KIP-848). Pure, and the same for the same members.
//!
//! * `uniform` spreads partitions evenly and moves as few of them as it can;
//! * `range` gives each member a stretch of every topic, so that equal partitions of several topics stay together.

use std::collections::{BTreeMap, BTreeSet};

use millstream_protocol::{Str, TopicId};

/// Partitions by topic.
pub(super) type Partitions = BTreeMap<TopicId, BTreeSet<i32>>;

/// What an assignor knows of a member.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'a> {
    pub id: &'a Str,
    pub instance_id: Option<&'a Str>,
    pub topics: &'a BTreeSet<TopicId>,
    /// What it was to have until now.
    pub before: &'a Partitions,
}

/// An assignor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assignor {
    Uniform,
    Range,
}

impl Assignor {
    pub(super) fn by_name(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(Assignor::Uniform),
            "range" => Some(Assignor::Range),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// What each member is to have, by member.
    pub(super) fn assign(self, members: &[Candidate<'_>], counts: &BTreeMap<TopicId, i32>) -> BTreeMap<Str, Partitions> {
        let shares = match self {
            Assignor::Uniform => uniform(members, counts),
            Assignor::Range => range(members, counts),
        };
        members.iter().map(|member| member.id.clone()).zip(shares).collect()
    }
}

/// Keeps what may stay, deals the rest to the members with the fewest, and then evens out.
fn uniform(members: &[Candidate<'_>], counts: &BTreeMap<TopicId, i32>) -> Vec<Partitions> {
    let mut shares: Vec<Partitions> = vec![Partitions::new(); members.len()];
    let mut sizes = vec![0usize; members.len()];
    if members.is_empty() {
        return shares;
    }
    let wanted = |topic: &TopicId| members.iter().any(|member| member.topics.contains(topic));
    let mut free: BTreeSet<(TopicId, i32)> = counts
        .iter()
        .filter(|(topic, _)| wanted(topic))
        .flat_map(|(topic, count)| (0..*count).map(move |partition| (*topic, partition)))
        .collect();
    // Nobody keeps more than an equal share where all want the same; elsewhere the evening out at the end decides.
    let is_homogeneous = members.windows(2).all(|pair| pair[0].topics == pair[1].topics);
    let (quota, surplus) = (free.len() / members.len(), free.len() % members.len());
    let mut larger = surplus;
    for (place, member) in members.iter().enumerate() {
        let kept = member.before.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |partition| (*topic, *partition)));
        for (topic, partition) in kept {
            let is_full = is_homogeneous && sizes[place] >= quota && (sizes[place] > quota || larger == 0);
            if !is_full && member.topics.contains(&topic) && free.remove(&(topic, partition)) {
                larger -= usize::from(is_homogeneous && sizes[place] == quota);
                shares[place].entry(topic).or_default().insert(partition);
                sizes[place] += 1;
            }
        }
    }
    for (topic, partition) in free {
        let least = (0..members.len()).filter(|place| members[*place].topics.contains(&topic)).min_by_key(|place| sizes[*place]);
        if let Some(place) = least {
            shares[place].entry(topic).or_default().insert(partition);
            sizes[place] += 1;
        }
    }
    if !is_homogeneous {
        even_out(members, &mut shares, &mut sizes);
    }
    shares
}

/// Moves single partitions from a member to one that has at least two fewer, until none can be moved.
fn even_out(members: &[Candidate<'_>], shares: &mut [Partitions], sizes: &mut [usize]) {
    loop {
        let mut by_size: Vec<usize> = (0..members.len()).collect();
        by_size.sort_by_key(|place| sizes[*place]);
        let moved = by_size.iter().find_map(|&to| {
            by_size.iter().rev().take_while(|&&from| sizes[from] >= sizes[to] + 2).find_map(|&from| {
                let topic = shares[from].iter().find(|(topic, partitions)| members[to].topics.contains(topic) && !partitions.is_empty());
                topic.map(|(topic, _)| (from, to, *topic))
            })
        });
        let Some((from, to, topic)) = moved else { return };
        let partition = shares[from].get_mut(&topic).and_then(BTreeSet::pop_last);
        if shares[from].get(&topic).is_some_and(BTreeSet::is_empty) {
            shares[from].remove(&topic);
        }
        if let Some(partition) = partition {
            shares[to].entry(topic).or_default().insert(partition);
            sizes[from] -= 1;
            sizes[to] += 1;
        }
    }
}

fn range(members: &[Candidate<'_>], counts: &BTreeMap<TopicId, i32>) -> Vec<Partitions> {
    let mut shares: Vec<Partitions> = vec![Partitions::new(); members.len()];
    let mut order: Vec<usize> = (0..members.len()).collect();
    // By lasting name first: a restart does not move anything.
    order.sort_by_key(|place| (members[*place].instance_id.is_none(), members[*place].instance_id, members[*place].id));
    for (topic, count) in counts {
        let takers: Vec<usize> = order.iter().copied().filter(|place| members[*place].topics.contains(topic)).collect();
        if takers.is_empty() {
            continue;
        }
        let (quota, surplus) = (*count as usize / takers.len(), *count as usize % takers.len());
        let mut next = 0;
        for (rank, place) in takers.into_iter().enumerate() {
            let size = (quota + usize::from(rank < surplus)) as i32;
            if size > 0 {
                shares[place].insert(*topic, (next..next + size).collect());
            }
            next += size;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        topics: BTreeMap<TopicId, i32>,
        members: Vec<(Str, BTreeSet<TopicId>, Partitions)>,
    }

    fn topic(n: u8) -> TopicId {
        TopicId([n; 16])
    }

    impl World {
        fn new(topics: &[(u8, i32)]) -> Self {
            World { topics: topics.iter().map(|(n, count)| (topic(*n), *count)).collect(), members: Vec::new() }
        }

        fn join(&mut self, name: &str, topics: &[u8]) {
            self.members.push((name.into(), topics.iter().map(|n| topic(*n)).collect(), Partitions::new()));
        }

        /// Assigns, checks that everything is given once, and says how many partitions moved to somebody else.
        fn assign(&mut self, assignor: Assignor) -> usize {
            let candidates: Vec<_> =
                self.members.iter().map(|(id, topics, before)| Candidate { id, instance_id: None, topics, before }).collect();
            let shares = assignor.assign(&candidates, &self.topics);
            let mut given = BTreeSet::new();
            let mut moved = 0;
            for (id, wanted, before) in &mut self.members {
                for (topic, partitions) in &shares[id] {
                    assert!(wanted.contains(topic), "{id} does not want it");
                    for partition in partitions {
                        assert!(given.insert((*topic, *partition)), "given twice");
                        moved += usize::from(!before.get(topic).is_some_and(|had| had.contains(partition)));
                    }
                }
                *before = shares[id].clone();
            }
            let wanted: BTreeSet<TopicId> = self.members.iter().flat_map(|(_, topics, _)| topics.iter().copied()).collect();
            let all: i32 = self.topics.iter().filter(|(topic, _)| wanted.contains(topic)).map(|(_, count)| *count).sum();
            assert_eq!(given.len(), all as usize, "all are given");
            moved
        }

        fn sizes(&self) -> Vec<usize> {
            self.members.iter().map(|(_, _, before)| before.values().map(BTreeSet::len).sum()).collect()
        }
    }

    #[test]
    fn uniform_is_even_and_moves_no_more_than_it_must() {
        let mut world = World::new(&[(1, 16), (2, 3)]);
        world.join("a", &[1, 2]);
        assert_eq!(world.assign(Assignor::Uniform), 19);
        world.join("b", &[1, 2]);
        assert_eq!(world.assign(Assignor::Uniform), 9);
        world.join("c", &[1, 2]);
        assert_eq!(world.assign(Assignor::Uniform), 6);
        assert_eq!(world.assign(Assignor::Uniform), 0, "nothing changed");
        let mut sizes = world.sizes();
        sizes.sort_unstable();
        assert_eq!(sizes, [6, 6, 7]);
        world.members.remove(1);
        let moved = world.assign(Assignor::Uniform);
        assert!(moved <= 7, "only what the one had that left: {moved}");
    }

    #[test]
    fn uniform_serves_members_that_want_different_topics() {
        let mut world = World::new(&[(1, 4), (2, 6), (3, 1)]);
        world.join("a", &[1]);
        world.join("b", &[1, 2]);
        world.join("c", &[2, 3]);
        world.assign(Assignor::Uniform);
        let mut sizes = world.sizes();
        sizes.sort_unstable();
        assert_eq!(sizes, [3, 4, 4], "as even as their wishes allow");
        assert_eq!(world.assign(Assignor::Uniform), 0);
    }

    #[test]
    fn range_keeps_equal_partitions_of_topics_together() {
        let mut world = World::new(&[(1, 5), (2, 5)]);
        world.join("b", &[1, 2]);
        world.join("a", &[1, 2]);
        world.assign(Assignor::Range);
        let share = |name: &str| world.members.iter().find(|(id, _, _)| *id == name).unwrap().2.clone();
        assert_eq!(share("a")[&topic(1)], BTreeSet::from([0, 1, 2]));
        assert_eq!(share("a")[&topic(1)], share("a")[&topic(2)]);
        assert_eq!(share("b")[&topic(1)], BTreeSet::from([3, 4]));
    }

    #[test]
    fn more_members_than_partitions_leave_some_without() {
        for assignor in [Assignor::Uniform, Assignor::Range] {
            let mut world = World::new(&[(1, 2)]);
            ["a", "b", "c"].iter().for_each(|name| world.join(name, &[1]));
            world.assign(assignor);
            let mut sizes = world.sizes();
            sizes.sort_unstable();
            assert_eq!(sizes, [0, 1, 1]);
        }
    }
}
