//! The target assignment: computed for all members at once when something changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millstream_protocol::{Str, TopicId};

use super::member::Member;
use super::{Changes, Consumer, Surroundings};
use crate::catalog::Topics;
use crate::group::assignor::{Assignor, Candidate, Partitions};

impl Consumer {
    /// What the members' patterns match: members mostly have the same one, and each is looked at once.
    pub(super) fn matched<'t>(&self, topics: &'t Topics) -> HashMap<&Str, Vec<&'t Str>> {
        let mut matched = HashMap::new();
        for pattern in self.members.values().filter_map(|member| member.subscribed_regex.as_ref()) {
            matched.entry(&pattern.text).or_insert_with(|| pattern.matches(topics).collect());
        }
        matched
    }

    /// The topics that some member wants, and how many partitions they have.
    pub(super) fn wanted(&self, topics: &Topics) -> BTreeMap<TopicId, i32> {
        let named = self.members.values().flat_map(|member| &member.subscribed_names).filter_map(|name| topics.get(name));
        let matched = self.matched(topics);
        named.chain(matched.values().flatten().filter_map(|name| topics.get(*name))).copied().collect()
    }

    /// The topics of the target, and how many of their partitions it gives out, which is all that there were.
    pub(super) fn given_out(&self) -> BTreeMap<TopicId, i32> {
        let mut counts = BTreeMap::new();
        for (topic, partitions) in self.targets.values().flatten().filter(|(_, partitions)| !partitions.is_empty()) {
            *counts.entry(*topic).or_default() += partitions.len() as i32;
        }
        counts
    }

    /// The names that the members are subscribed to.
    pub(in crate::group) fn subscribed(&self, topics: &Topics) -> BTreeSet<Str> {
        let named = self.members.values().flat_map(|member| &member.subscribed_names);
        named.chain(self.matched(topics).into_values().flatten()).cloned().collect()
    }

    /// The assignor that most members prefer.
    pub(in crate::group) fn assignor(&self, assignors: &[String]) -> Assignor {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        self.members.values().filter_map(|member| member.assignor.as_deref()).for_each(|name| *votes.entry(name).or_default() += 1);
        let preferred = votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name);
        let name = preferred.or(assignors.first().map(String::as_str)).unwrap_or("uniform");
        Assignor::by_name(name).unwrap_or(Assignor::Uniform)
    }

    /// Computes the target assignment, when something changed since it was computed, and not too soon after that. Until then
    /// members go on towards the last target, and the first heartbeat after it computes one for all that has changed.
    pub(in crate::group) fn compute_target(&mut self, world: &Surroundings<'_>, changes: &mut Changes) {
        if self.target_epoch >= self.epoch {
            return;
        }
        let topics = &world.listing.topics;
        let interval_ms = world.settings.assignment_interval_ms;
        if self.target_ms.is_some_and(|target_ms| world.now_ms < target_ms + interval_ms) {
            // The next target knows of them: they are no reason for another one.
            if changes.is_group_changed {
                self.topics = self.wanted(topics);
            }
            return;
        }
        self.topics = self.wanted(topics);
        let matched = self.matched(topics);
        let wishes = |member: &Member| {
            let of_pattern = member.subscribed_regex.as_ref().and_then(|pattern| matched.get(&pattern.text));
            let names = member.subscribed_names.iter().chain(of_pattern.into_iter().flatten().copied());
            names.filter_map(|name| topics.get(name)).map(|(topic, _)| *topic).collect()
        };
        let wishes: BTreeMap<&Str, BTreeSet<TopicId>> = self.members.iter().map(|(id, member)| (id, wishes(member))).collect();
        let nothing = Partitions::new();
        let candidates: Vec<Candidate<'_>> = self
            .members
            .iter()
            .map(|(id, member)| Candidate {
                id,
                instance_id: member.instance_id.as_ref(),
                topics: &wishes[id],
                before: self.targets.get(id).unwrap_or(&nothing),
            })
            .collect();
        let targets = self.assignor(world.assignors).assign(&candidates, &self.topics);
        for (id, target) in &targets {
            if self.targets.get(id) != Some(target) {
                changes.members.insert(id.clone());
            }
        }
        self.targets = targets;
        self.target_epoch = self.epoch;
        self.target_ms = Some(world.now_ms);
        changes.is_group_changed = true;
    }
}
