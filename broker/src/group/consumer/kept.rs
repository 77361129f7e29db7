//! The form in which members are kept, and the way back from it after a start.

use std::collections::BTreeMap;

use millstream_protocol::{Str, TopicId};

use super::Consumer;
use super::classic_side::ClassicSide;
use super::member::{Member, MemberState};
use super::partitions::flat;
use super::pattern::Pattern;
use crate::catalog::Listing;
use crate::group::Client;
use crate::group::assignor::Partitions;
use crate::group::record::{ConsumerMemberValue, PartitionsValue, SinceValue};

impl Consumer {
    /// What is kept of a member.
    pub(in crate::group) fn member_value(&self, id: &Str) -> Option<ConsumerMemberValue> {
        let member = self.members.get(id)?;
        let text = |text: &Option<Str>| text.as_ref().map(ToString::to_string);
        Some(ConsumerMemberValue {
            instance_id: text(&member.instance_id),
            rack_id: text(&member.rack_id),
            client_id: member.client.id.to_string(),
            client_host: member.client.host.to_string(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            subscribed_names: member.subscribed_names.iter().map(ToString::to_string).collect(),
            subscribed_regex: member.subscribed_regex.as_ref().map(|pattern| pattern.text.to_string()),
            assignor: text(&member.assignor),
            epoch: member.epoch,
            previous_epoch: member.previous_epoch,
            assigned: to_value(&member.assigned),
            revoking: to_value(&member.revoking),
            target: self.targets.get(id).map(to_value).unwrap_or_default(),
            since: to_since(&member.since),
            classic: member.classic.as_ref().map(ClassicSide::to_value),
        })
    }

    /// Takes a member back as an earlier process kept it, which may have kept it anew later: what follows from all members is for
    /// [`Consumer::begin_sessions`] and [`Consumer::settle`].
    pub(in crate::group) fn restore(&mut self, id: &str, value: ConsumerMemberValue, now_ms: i64) {
        let id = Str::from(id);
        let (assigned, revoking) = (of_value(value.assigned), of_value(value.revoking));
        let target = of_value(value.target);
        let state = if !revoking.is_empty() {
            MemberState::Revoking
        } else if assigned == target {
            MemberState::Stable
        } else {
            MemberState::Waiting
        };
        self.targets.insert(id.clone(), target);
        let member = Member {
            instance_id: value.instance_id.map(Str::from),
            rack_id: value.rack_id.map(Into::into),
            client: Client { id: value.client_id.into(), host: value.client_host.into() },
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            subscribed_names: value.subscribed_names.into_iter().map(Str::from).collect(),
            subscribed_regex: value.subscribed_regex.and_then(|pattern| Pattern::new(&pattern.into()).ok()),
            assignor: value.assignor.map(Into::into),
            epoch: value.epoch,
            previous_epoch: value.previous_epoch,
            state,
            assigned,
            revoke_ends_ms: (!revoking.is_empty()).then_some(now_ms + value.rebalance_timeout_ms),
            revoking,
            since: of_since(value.since),
            session_ends_ms: now_ms,
            classic: value.classic.map(ClassicSide::of_value),
        };
        self.members.insert(id, member);
    }

    /// Members that a start found in the journal have a whole session to show that they are there.
    pub(in crate::group) fn begin_sessions(&mut self, now_ms: i64, session_timeout_ms: i64) {
        for member in self.members.values_mut() {
            member.session_ends_ms = now_ms + member.classic.as_ref().map_or(session_timeout_ms, |classic| classic.session_timeout_ms);
        }
    }

    /// After everything was read back: who has what follows from what the members have in the end. The next heartbeat compares
    /// the topics as they are with those that the target gives out, and sees what changed while nobody looked.
    pub(in crate::group) fn settle(&mut self, listing: &Listing) {
        for (id, member) in &self.members {
            self.by_instance.extend(member.instance_id.iter().map(|instance_id| (instance_id.clone(), id.clone())));
            self.owners.extend(flat(&member.assigned).chain(flat(&member.revoking)).map(|partition| (partition, id.clone())));
        }
        // A target that is too old is computed anew in any case.
        let is_current = self.target_epoch >= self.epoch;
        self.topics = if is_current { self.given_out() } else { self.wanted(&listing.topics) };
        self.look_for_the_soonest();
    }

    /// A member that an earlier process knew had left.
    pub(in crate::group) fn forget(&mut self, id: &str) {
        let id = Str::from(id);
        self.members.remove(&id);
        self.targets.remove(&id);
    }
}

fn to_value(partitions: &Partitions) -> PartitionsValue {
    partitions.iter().map(|(topic, partitions)| (topic.0, partitions.iter().copied().collect())).collect()
}

fn of_value(value: PartitionsValue) -> Partitions {
    value.into_iter().map(|(topic, partitions)| (TopicId(topic), partitions.into_iter().collect())).collect()
}

fn to_since(since: &BTreeMap<(TopicId, i32), i32>) -> SinceValue {
    let mut value = SinceValue::new();
    for ((topic, partition), epoch) in since {
        match value.last_mut() {
            Some((last, epochs)) if *last == topic.0 => epochs.push((*partition, *epoch)),
            _ => value.push((topic.0, vec![(*partition, *epoch)])),
        }
    }
    value
}

fn of_since(value: SinceValue) -> BTreeMap<(TopicId, i32), i32> {
    let topic = |(topic, epochs): ([u8; 16], Vec<(i32, i32)>)| {
        epochs.into_iter().map(move |(partition, epoch)| ((TopicId(topic), partition), epoch))
    };
    value.into_iter().flat_map(topic).collect()
}
