//! Who gets which partitions of a share group: as KIP-932's simple assignor, every partition goes to at least one member, every member
//! gets something if there is anything that it wants, and nobody gets much more than another. Members keep what they have as far as that goes.

use std::collections::{BTreeMap, BTreeSet};

use millstream_protocol::{Str, TopicId};

use super::ShareMember;
use crate::catalog::Topics;
use crate::group::assignor::{Assignor, Candidate, Partitions};
use crate::group::consumer::flat;

/// A partition that members may have together.
type Shared = (TopicId, i32);

/// What each member is to have. Each partition goes to one member first, as in a consumer group; who has none then, has one together
/// with others.
pub(super) fn assign(
    members: &BTreeMap<Str, ShareMember>,
    before: &BTreeMap<Str, Partitions>,
    topics: &Topics,
    counts: &BTreeMap<TopicId, i32>,
) -> BTreeMap<Str, Partitions> {
    let wishes =
        |member: &ShareMember| member.subscribed_names.iter().filter_map(|name| topics.get(name)).map(|(topic, _)| *topic).collect();
    let wishes: BTreeMap<&Str, BTreeSet<TopicId>> = members.iter().map(|(id, member)| (id, wishes(member))).collect();
    let nothing = Partitions::new();
    let had = |id: &Str| before.get(id).unwrap_or(&nothing);
    let candidates: Vec<Candidate<'_>> =
        wishes.iter().map(|(id, topics)| Candidate { id, instance_id: None, topics, before: had(id) }).collect();
    let mut shares = Assignor::Uniform.assign(&candidates, counts);
    let all = |topics: &BTreeSet<TopicId>| -> Vec<Shared> {
        let counted = topics.iter().filter_map(|topic| counts.get(topic).map(|count| (*topic, *count)));
        counted.flat_map(|(topic, count)| (0..count).map(move |partition| (topic, partition))).collect()
    };
    // Those who have none, with everything that they may have.
    let mut sharers: Vec<(&Str, Vec<Shared>)> = Vec::new();
    let mut held: BTreeMap<Shared, usize> = BTreeMap::new();
    for (id, topics) in &wishes {
        let share = shares.get(*id).unwrap_or(&nothing);
        flat(share).for_each(|place| *held.entry(place).or_default() += 1);
        if flat(share).next().is_none() {
            sharers.push((id, all(topics)));
        }
    }
    sharers.retain(|(_, wanted)| !wanted.is_empty());
    for (id, place) in share_out(&sharers, &mut held, |id, place| flat(had(id)).any(|kept| kept == *place)) {
        shares.entry(id.clone()).or_default().entry(place.0).or_default().insert(place.1);
    }
    shares
}

/// A partition for each of these members, among those that it wants: what it had before, if not many more have that than another.
fn share_out<'a>(
    sharers: &[(&'a Str, Vec<Shared>)],
    held: &mut BTreeMap<Shared, usize>,
    has_had: impl Fn(&Str, &Shared) -> bool,
) -> Vec<(&'a Str, Shared)> {
    let least = |wanted: &[Shared], held: &BTreeMap<Shared, usize>| wanted.iter().copied().min_by_key(|place| held.get(place).copied());
    let kept: Vec<Option<Shared>> = sharers.iter().map(|(id, wanted)| wanted.iter().copied().find(|place| has_had(id, place))).collect();
    kept.iter().flatten().for_each(|place| *held.entry(*place).or_default() += 1);
    let mut given = Vec::with_capacity(sharers.len());
    for ((id, wanted), kept) in sharers.iter().zip(&kept) {
        if let Some(place) = kept.or_else(|| least(wanted, held)) {
            if kept.is_none() {
                *held.entry(place).or_default() += 1;
            }
            given.push((*id, place));
        }
    }
    for ((_, wanted), (_, place)) in sharers.iter().zip(&mut given) {
        let Some(fewer) = least(wanted, held) else { continue };
        if held.get(place) > held.get(&fewer).map(|count| count + 1).as_ref() {
            held.entry(*place).and_modify(|count| *count -= 1);
            *held.entry(fewer).or_default() += 1;
            *place = fewer;
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members and what they want, and what they have got.
    struct World {
        topics: Topics,
        members: BTreeMap<Str, ShareMember>,
        shares: BTreeMap<Str, Partitions>,
    }

    impl World {
        fn new(topics: &[(&str, i32)]) -> Self {
            let topic = |(n, (name, count)): (usize, &(&str, i32))| (Str::from(*name), (TopicId([n as u8 + 1; 16]), *count));
            World { topics: topics.iter().enumerate().map(topic).collect(), members: BTreeMap::new(), shares: BTreeMap::new() }
        }

        fn join(&mut self, id: &str, names: &[&str]) {
            let subscribed_names = names.iter().map(|name| Str::from(*name)).collect();
            self.members.insert(id.into(), ShareMember { subscribed_names, ..Default::default() });
        }

        /// Assigns; every partition that is wanted has somebody, and every member that wants something has something. Says how many members
        /// each partition has, and how many partitions went to somebody who did not have them.
        fn assign(&mut self) -> (Vec<usize>, usize) {
            let wanted: BTreeSet<&Str> = self.members.values().flat_map(|member| &member.subscribed_names).collect();
            let counts: BTreeMap<TopicId, i32> = wanted.into_iter().filter_map(|name| self.topics.get(name)).copied().collect();
            let shares = assign(&self.members, &self.shares, &self.topics, &counts);
            let mut held: BTreeMap<Shared, usize> =
                counts.iter().flat_map(|(topic, count)| (0..*count).map(|partition| ((*topic, partition), 0))).collect();
            let mut moved = 0;
            for (id, member) in &self.members {
                let share: Vec<Shared> = flat(&shares[id]).collect();
                let is_any_wanted = member.subscribed_names.iter().any(|name| self.topics.get(name).is_some_and(|(_, count)| *count > 0));
                assert_eq!(!share.is_empty(), is_any_wanted, "{id}");
                let had: BTreeSet<Shared> = self.shares.get(id).into_iter().flat_map(flat).collect();
                for place in share {
                    let is_wanted =
                        self.topics.iter().any(|(name, (topic, _))| *topic == place.0 && member.subscribed_names.contains(name));
                    assert!(is_wanted, "{id} does not want it");
                    *held.get_mut(&place).expect("there is such a partition") += 1;
                    moved += usize::from(!had.contains(&place));
                }
            }
            assert!(held.values().all(|count| *count > 0), "nobody has it");
            self.shares = shares;
            (held.into_values().collect(), moved)
        }

        fn sizes(&self) -> Vec<usize> {
            let mut sizes: Vec<usize> = self.shares.values().map(|share| flat(share).count()).collect();
            sizes.sort_unstable();
            sizes
        }
    }

    #[test]
    fn partitions_are_spread_and_stay_where_they_are() {
        let mut world = World::new(&[("a", 5), ("b", 2)]);
        for id in ["A", "B", "C"] {
            world.join(id, &["a", "b"]);
            world.assign();
        }
        assert_eq!(world.sizes(), [2, 2, 3]);
        assert_eq!(world.assign(), (vec![1; 7], 0), "nothing changed");
        world.members.remove(b"B".as_slice());
        let (held, moved) = world.assign();
        assert_eq!(held, [1; 7]);
        assert!(moved <= 3, "only what the one had that left: {moved}");
    }

    #[test]
    fn members_beyond_the_partitions_are_spread_over_them() {
        let mut world = World::new(&[("a", 3)]);
        for n in 0..8 {
            world.join(&format!("m{n}"), &["a"]);
            let (held, moved) = world.assign();
            assert!(moved <= if n == 0 { 3 } else { 1 }, "one joins, {moved} move");
            assert!(held.iter().max().unwrap() - held.iter().min().unwrap() <= 1, "{held:?}");
        }
        assert_eq!(world.sizes(), [1; 8]);
        assert_eq!(world.assign().1, 0);
        for n in 0..7 {
            world.members.remove(format!("m{n}").as_bytes());
            let (held, _) = world.assign();
            assert!(held.iter().max().unwrap() - held.iter().min().unwrap() <= 1, "{held:?}");
        }
        assert_eq!(world.sizes(), [3], "the last one has all");
    }

    #[test]
    fn members_that_want_different_topics_get_what_they_want() {
        let mut world = World::new(&[("a", 1), ("b", 6), ("c", 0)]);
        world.join("A", &["a"]);
        world.join("B", &["a", "unknown"]);
        world.join("C", &["b", "a"]);
        world.join("D", &["c", "unknown"]);
        world.join("E", &["b"]);
        let (held, _) = world.assign();
        assert_eq!(held, [2, 1, 1, 1, 1, 1, 1]);
        assert_eq!(world.sizes(), [0, 1, 1, 3, 3]);
        assert_eq!(world.assign().1, 0);
    }
}
