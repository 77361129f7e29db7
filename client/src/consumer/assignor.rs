//! Who gets which partitions in a classic group, where the members assign: pure, and done by the one that the broker made the leader.

use std::collections::{BTreeMap, BTreeSet};

use millstream_protocol::Str;

use crate::topic_partition::TopicPartition;

/// How a member assigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Each member gets a stretch of every topic. Everything is given up for a rebalance.
    Range,
    /// Spreads partitions evenly and moves as few as it can; what stays is read on through a rebalance (KIP-429).
    CooperativeSticky,
}

/// A member, as the leader sees it.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub id: Str,
    pub instance_id: Option<Str>,
    pub topics: BTreeSet<Str>,
    pub owned: BTreeSet<TopicPartition>,
    pub generation: i32,
}

pub(super) type Shares = BTreeMap<Str, BTreeSet<TopicPartition>>;

impl Assignor {
    pub(super) fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }

    pub(super) fn is_cooperative(self) -> bool {
        self == Assignor::CooperativeSticky
    }

    /// What each member is to have.
    pub(super) fn assign(self, members: &[Candidate], counts: &BTreeMap<Str, i32>) -> Shares {
        let shares = match self {
            Assignor::Range => range(members, counts),
            Assignor::CooperativeSticky => handed_over(members, sticky(members, counts)),
        };
        members.iter().map(|member| member.id.clone()).zip(shares).collect()
    }
}

fn range(members: &[Candidate], counts: &BTreeMap<Str, i32>) -> Vec<BTreeSet<TopicPartition>> {
    let mut shares = vec![BTreeSet::new(); members.len()];
    let mut order: Vec<usize> = (0..members.len()).collect();
    // By lasting name first: a restart does not move anything.
    order.sort_by_key(|place| (members[*place].instance_id.is_none(), &members[*place].instance_id, &members[*place].id));
    for (topic, count) in counts {
        let takers: Vec<usize> = order.iter().copied().filter(|place| members[*place].topics.contains(topic)).collect();
        if takers.is_empty() {
            continue;
        }
        let (quota, surplus) = (*count as usize / takers.len(), *count as usize % takers.len());
        let mut next = 0;
        for (rank, place) in takers.into_iter().enumerate() {
            let size = (quota + usize::from(rank < surplus)) as i32;
            shares[place].extend((next..next + size).map(|partition| TopicPartition::new(topic.clone(), partition)));
            next += size;
        }
    }
    shares
}

/// Lets everybody keep up to an equal share, deals the rest to the members with the fewest, and evens out where not all read the same.
fn sticky(members: &[Candidate], counts: &BTreeMap<Str, i32>) -> Vec<BTreeSet<TopicPartition>> {
    let mut shares = vec![BTreeSet::new(); members.len()];
    if members.is_empty() {
        return shares;
    }
    let is_wanted = |topic: &Str| members.iter().any(|member| member.topics.contains(topic));
    let topics = counts.iter().filter(|(topic, _)| is_wanted(topic));
    let mut free: BTreeSet<TopicPartition> =
        topics.flat_map(|(topic, count)| (0..*count).map(|partition| TopicPartition::new(topic.clone(), partition))).collect();
    let is_homogeneous = members.windows(2).all(|pair| pair[0].topics == pair[1].topics);
    let (quota, mut larger) = (free.len() / members.len(), free.len() % members.len());
    // The newest generation has the better claim: a member that comes back may believe it owns what others have now.
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(members[*place].generation));
    for place in order {
        for partition in &members[place].owned {
            let size = shares[place].len();
            let is_full = is_homogeneous && size >= quota && (size > quota || larger == 0);
            if !is_full && members[place].topics.contains(&partition.topic) && free.remove(partition) {
                larger -= usize::from(is_homogeneous && size == quota);
                shares[place].insert(partition.clone());
            }
        }
    }
    for partition in free {
        let takers = (0..members.len()).filter(|place| members[*place].topics.contains(&partition.topic));
        if let Some(place) = takers.min_by_key(|place| shares[*place].len()) {
            shares[place].insert(partition);
        }
    }
    while !is_homogeneous && let Some((from, to, partition)) = next_move(members, &shares) {
        shares[from].remove(&partition);
        shares[to].insert(partition);
    }
    shares
}

/// A partition that makes two members' shares more equal when it moves.
fn next_move(members: &[Candidate], shares: &[BTreeSet<TopicPartition>]) -> Option<(usize, usize, TopicPartition)> {
    let mut by_size: Vec<usize> = (0..members.len()).collect();
    by_size.sort_by_key(|place| shares[*place].len());
    by_size.iter().find_map(|&to| {
        by_size.iter().rev().take_while(|&&from| shares[from].len() >= shares[to].len() + 2).find_map(|&from| {
            let partition = shares[from].iter().rev().find(|partition| members[to].topics.contains(&partition.topic));
            partition.map(|partition| (from, to, partition.clone()))
        })
    })
}

/// What another member still has is not assigned yet: that member revokes it first, and joins again.
fn handed_over(members: &[Candidate], mut shares: Vec<BTreeSet<TopicPartition>>) -> Vec<BTreeSet<TopicPartition>> {
    let newest = members.iter().map(|member| member.generation).max().unwrap_or(-1);
    for (place, share) in shares.iter_mut().enumerate() {
        share.retain(|partition| {
            let mut others = members.iter().enumerate().filter(|(other, member)| *other != place && member.generation == newest);
            !others.any(|(_, member)| member.owned.contains(partition))
        });
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, topics: &[&str], owned: &[(&str, i32)], generation: i32) -> Candidate {
        Candidate {
            id: id.into(),
            instance_id: None,
            topics: topics.iter().map(|topic| Str::from(*topic)).collect(),
            owned: owned.iter().map(|(topic, partition)| TopicPartition::new(*topic, *partition)).collect(),
            generation,
        }
    }

    fn shown(shares: &Shares) -> Vec<String> {
        let show = |share: &BTreeSet<TopicPartition>| share.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        shares.iter().map(|(id, share)| format!("{id}: {}", show(share))).collect()
    }

    fn counts(topics: &[(&str, i32)]) -> BTreeMap<Str, i32> {
        topics.iter().map(|(topic, count)| (Str::from(*topic), *count)).collect()
    }

    #[test]
    fn range_gives_stretches_and_the_surplus_to_the_first() {
        let members = [member("a", &["t", "u"], &[], -1), member("b", &["t"], &[], -1)];
        let shares = Assignor::Range.assign(&members, &counts(&[("t", 3), ("u", 2)]));
        assert_eq!(shown(&shares), ["a: t-0 t-1 u-0 u-1", "b: t-2"]);
    }

    /// Two steps: what `a` has to give up goes to nobody at first, and to `b` when `a` has joined without it.
    #[test]
    fn a_cooperative_rebalance_takes_two_steps() {
        let counts = counts(&[("t", 4)]);
        let before = [member("a", &["t"], &[("t", 0), ("t", 1), ("t", 2), ("t", 3)], 7), member("b", &["t"], &[], -1)];
        let first = Assignor::CooperativeSticky.assign(&before, &counts);
        assert_eq!(shown(&first), ["a: t-0 t-1", "b: "]);
        let after = [member("a", &["t"], &[("t", 0), ("t", 1)], 8), member("b", &["t"], &[], 8)];
        let second = Assignor::CooperativeSticky.assign(&after, &counts);
        assert_eq!(shown(&second), ["a: t-0 t-1", "b: t-2 t-3"]);
    }

    /// A member of an older generation believes that it owns what another one has since.
    #[test]
    fn the_newer_generation_keeps_what_two_claim() {
        let members = [member("a", &["t"], &[("t", 0)], 3), member("b", &["t"], &[("t", 0)], 5)];
        let shares = Assignor::CooperativeSticky.assign(&members, &counts(&[("t", 2)]));
        assert_eq!(shown(&shares), ["a: t-1", "b: t-0"]);
    }

    #[test]
    fn shares_are_evened_out_where_members_read_different_topics() {
        let members = [member("a", &["t", "u"], &[("t", 0), ("t", 1), ("u", 0), ("u", 1)], 1), member("b", &["t"], &[], 1)];
        let shares = sticky(&members, &counts(&[("t", 2), ("u", 2)]));
        assert_eq!(shares.iter().map(BTreeSet::len).collect::<Vec<_>>(), [2, 2]);
        assert!(shares[1].iter().all(|partition| partition.topic == "t"));
    }
}
