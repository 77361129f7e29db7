//! Describing, listing and deleting groups.

use std::collections::BTreeSet;

use millstream_protocol::message::consumer_group_describe::{
    DescribedConsumer, DescribedConsumerGroup, NamedAssignment, NamedTopicPartitions,
};
use millstream_protocol::message::consumer_protocol::Subscription;
use millstream_protocol::message::describe_groups::{DescribedGroup, DescribedMember};
use millstream_protocol::message::share_group_describe::{DescribedShareConsumer, DescribedShareGroup};
use millstream_protocol::{Str, TopicId};

use super::Groups;
use super::assignor::Partitions;
use super::classic::{Classic, ClassicState};
use super::consumer::{Consumer, union};
use super::entries::forgetting;
use super::error::{GroupError, OffsetError};
use super::mixed::CONSUMER;
use super::offsets::Place;
use super::record::Key;
use super::share::{SHARE, SIMPLE, Share};
use super::shelf::{Group, GroupKind};
use crate::catalog::Listing;
use crate::journal::{JournalEntry, JournalError};

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub id: Str,
    pub protocol_type: Str,
    pub state: &'static str,
    /// "classic", "consumer" or "share".
    pub kind: &'static str,
}

impl Groups {
    /// All groups, by id.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let shelf = self.shelf.lock();
        let listed = |(id, group): (&Str, &Group)| match &group.kind {
            GroupKind::Classic(classic) => Listed {
                id: id.clone(),
                protocol_type: classic.protocol_type.clone().unwrap_or_default(),
                state: classic.state.name(),
                kind: "classic",
            },
            GroupKind::Consumer(consumer) => {
                Listed { id: id.clone(), protocol_type: Str::from_static(CONSUMER), state: consumer.state_name(), kind: CONSUMER }
            }
            GroupKind::Share(share) => {
                Listed { id: id.clone(), protocol_type: Str::from_static(SHARE), state: share.state_name(), kind: SHARE }
            }
        };
        let mut all: Vec<Listed> = shelf.groups.iter().map(listed).collect();
        all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// How many there are, and how many members they have together.
    pub(crate) fn count(&self) -> (u64, u64) {
        let shelf = self.shelf.lock();
        let members: usize = shelf.groups.values().map(Group::member_count).sum();
        (shelf.groups.len() as u64, members as u64)
    }

    /// A classic group.
    pub(crate) fn describe_classic(&self, id: &Str) -> Result<DescribedGroup, GroupError> {
        let described = self.look(id, |group, _| match &group.kind {
            GroupKind::Classic(classic) => Ok(described_classic(id, classic)),
            GroupKind::Consumer(_) | GroupKind::Share(_) => Err(GroupError::NotClassic(id.clone())),
        });
        described.unwrap_or_else(|| Err(GroupError::NotFound(id.clone())))
    }

    /// A consumer group.
    pub(crate) fn describe_consumer(&self, id: &Str) -> Result<DescribedConsumerGroup, GroupError> {
        if id.is_empty() {
            return Err(GroupError::NoId);
        }
        let name_of = |topic_id: &TopicId| self.catalog.get_by_id(*topic_id).map(|topic| Str::from(&topic.name));
        let described = self.look(id, |group, _| match &group.kind {
            GroupKind::Consumer(consumer) => Ok(described_consumer(id, consumer, name_of, &self.settings.assignors)),
            GroupKind::Classic(_) | GroupKind::Share(_) => Err(GroupError::NotConsumer(id.clone())),
        });
        described.unwrap_or_else(|| Err(GroupError::NotFound(id.clone())))
    }

    /// A share group.
    pub(crate) fn describe_share(&self, id: &Str) -> Result<DescribedShareGroup, GroupError> {
        if id.is_empty() {
            return Err(GroupError::NoId);
        }
        let name_of = |topic_id: &TopicId| self.catalog.get_by_id(*topic_id).map(|topic| Str::from(&topic.name));
        let described = self.look(id, |group, _| match &group.kind {
            GroupKind::Share(share) => Ok(described_share(id, share, name_of)),
            GroupKind::Classic(_) | GroupKind::Consumer(_) => Err(GroupError::NotShare(id.clone())),
        });
        described.unwrap_or_else(|| Err(GroupError::NotFound(id.clone())))
    }

    /// Forgets a group without members, and its offsets. Of a share group `forget_share` forgets first how far it has come, while nobody can
    /// join it: if that fails, the group stays.
    pub(crate) fn delete(&self, id: &Str, forget_share: impl FnOnce(&Str) -> Result<(), JournalError>) -> Result<(), GroupError> {
        let mut shelf = self.shelf.lock();
        let group = shelf.groups.get(id).ok_or_else(|| GroupError::NotFound(id.clone()))?;
        if group.has_members() {
            return Err(GroupError::NotEmpty);
        }
        if matches!(group.kind, GroupKind::Share(_)) {
            forget_share(id)?;
        }
        self.take_back(&forgetting_group(id, group), self.clock.now_ms())?;
        shelf.remove(id);
        Ok(())
    }

    /// Forgets offsets of partitions; says of each whether it did.
    pub(crate) fn delete_offsets(&self, id: &Str, places: &[(Str, i32)]) -> Result<Vec<Result<(), OffsetError>>, GroupError> {
        if id.is_empty() {
            return Err(GroupError::NoId);
        }
        let listing = self.catalog.listing();
        let deleted = self.with(id, |group, now, _| {
            if matches!(group.kind, GroupKind::Share(_)) {
                return Err(GroupError::NotConsumer(id.clone()));
            }
            if let GroupKind::Classic(classic) = &group.kind
                && classic.state != ClassicState::Empty
                && classic.protocol_type.as_deref() != Some(CONSUMER)
            {
                return Err(GroupError::NotEmpty);
            }
            let subscribed = subscriptions(group, &listing);
            let check = |(topic, partition): &(Str, i32)| {
                let is_known = listing.topics.get(topic).is_some_and(|(_, count)| (0..*count).contains(partition));
                if !is_known {
                    Err(OffsetError::UnknownPartition)
                } else if subscribed.as_ref().is_none_or(|topics| topics.contains(topic)) {
                    Err(OffsetError::Subscribed)
                } else {
                    Ok(())
                }
            };
            let results: Vec<Result<(), OffsetError>> = places.iter().map(check).collect();
            let deleted = places.iter().zip(&results).filter(|(_, result)| result.is_ok());
            let deleted = deleted.map(|((topic, partition), _)| (topic.to_string(), *partition)).filter(|place| group.offsets.has(place));
            let deleted: Vec<Place> = deleted.collect();
            self.take_back(&forgetting(id, &deleted).collect::<Vec<_>>(), now.wall_ms)?;
            deleted.iter().for_each(|place| group.offsets.forget(place));
            Ok(results)
        });
        deleted.unwrap_or_else(|| Err(GroupError::NotFound(id.clone())))
    }

    /// A topic is gone, and with it how far anybody had come.
    pub(crate) fn forget_topic(&self, name: &str, id: TopicId) {
        let mut shelf = self.shelf.lock();
        let found = shelf.groups.iter().map(|(group_id, group)| (group_id.clone(), group.offsets.places_of(name, id)));
        let found: Vec<(Str, BTreeSet<Place>)> = found.filter(|(_, places)| !places.is_empty()).collect();
        let entries: Vec<JournalEntry> = found.iter().flat_map(|(group_id, places)| forgetting(group_id, places)).collect();
        if let Err(error) = self.take_back(&entries, self.clock.now_ms()) {
            // They are of no topic that exists, so no answer names them, and the next start removes them.
            tracing::warn!(topic = name, "the offsets of a topic that is gone could not be removed: {error}");
            return;
        }
        for (group_id, places) in found {
            if let Some(group) = shelf.groups.get_mut(&group_id) {
                places.iter().for_each(|place| group.offsets.forget(place));
            }
        }
    }

    /// Forgets offsets whose time is over, and groups that have nothing left.
    pub(crate) fn expire(&self) {
        let listing = self.catalog.listing();
        let ids: Vec<Str> = self.shelf.lock().groups.keys().cloned().collect();
        for id in ids {
            let mut shelf = self.shelf.lock();
            let Some(group) = shelf.groups.get_mut(&id) else { continue };
            let wall_ms = self.clock.now_ms();
            let old = expired(group, wall_ms, self.settings.offsets_retention_ms, &listing);
            // Share groups are there until somebody deletes them.
            let is_over = !matches!(group.kind, GroupKind::Share(_)) && !group.has_members() && group.offsets.is_empty_without(old.len());
            let entries = if is_over { forgetting_group(&id, group) } else { forgetting(&id, &old).collect() };
            if let Err(error) = self.take_back(&entries, wall_ms) {
                tracing::warn!(group = %id, "offsets whose time is over could not be removed: {error}");
                return;
            }
            old.iter().for_each(|place| group.offsets.forget(place));
            if is_over {
                shelf.remove(&id);
            }
        }
    }
}

/// The offsets of a group whose time is over.
fn expired(group: &Group, wall_ms: i64, retention_ms: i64, listing: &Listing) -> Vec<Place> {
    // Of a classic group that had members the time since the last one left counts, else each offset's own.
    let emptied_ms = match &group.kind {
        GroupKind::Consumer(_) => None,
        GroupKind::Classic(classic) if classic.protocol_type.is_none() => None,
        GroupKind::Classic(classic) if classic.members.is_empty() => Some(group.emptied_ms),
        GroupKind::Classic(classic) if classic.protocol_type.as_deref() == Some(CONSUMER) && classic.state == ClassicState::Stable => None,
        // Nobody can tell what is read, or what will be in a moment. A share group has none.
        GroupKind::Classic(_) | GroupKind::Share(_) => return Vec::new(),
    };
    let mut old = group.offsets.places(|value| match value.expire_ms {
        Some(expire_ms) => wall_ms >= expire_ms,
        None => wall_ms.saturating_sub(emptied_ms.map_or(value.commit_ms, |ms| ms.max(value.commit_ms))) >= retention_ms,
    });
    if !old.is_empty() {
        let subscribed = subscriptions(group, listing);
        old.retain(|(topic, _)| subscribed.as_ref().is_some_and(|topics| !topics.contains(&Str::from(topic))));
    }
    old
}

/// The entries that forget a group, its members that the journal may know, and its offsets.
fn forgetting_group(id: &str, group: &Group) -> Vec<JournalEntry> {
    let members = group.unkept.iter().flat_map(|unkept| &unkept.members);
    let members = members.map(|member| Key::Member { group: id.to_owned(), member: member.to_string() }.forget());
    let places = group.offsets.every_place();
    forgetting(id, &places).chain(members).chain([Key::Group { group: id.to_owned() }.forget()]).collect()
}

/// What the members are subscribed to, if they are consumers; `None` if nobody can tell.
fn subscriptions(group: &Group, listing: &Listing) -> Option<BTreeSet<Str>> {
    match &group.kind {
        GroupKind::Consumer(consumer) => Some(consumer.subscribed(&listing.topics)),
        GroupKind::Share(share) => Some(share.subscribed()),
        GroupKind::Classic(classic) if classic.protocol_type.as_deref() != Some(CONSUMER) || classic.members.is_empty() => {
            Some(BTreeSet::new())
        }
        GroupKind::Classic(classic) => {
            let protocol = classic.protocol_name.as_ref()?;
            let mut topics = BTreeSet::new();
            for member in classic.members.values() {
                topics.extend(subscribed_topics(&member.metadata(protocol))?);
            }
            Some(topics)
        }
    }
}

/// Version 0 is how all others begin, those to come as well.
fn subscribed_topics(metadata: &[u8]) -> Option<Vec<Str>> {
    let (version, rest) = metadata.split_first_chunk()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let first = [&[0, 0], rest].concat();
    Subscription::read(first.into()).ok().map(|subscription| subscription.topics)
}

fn described_classic(id: &Str, classic: &Classic) -> DescribedGroup {
    let is_stable = classic.state == ClassicState::Stable;
    let protocol = classic.protocol_name.clone().filter(|_| is_stable).unwrap_or_default();
    let members = classic.members.iter().map(|(id, member)| DescribedMember {
        member_id: id.clone(),
        group_instance_id: member.instance_id.clone(),
        client_id: member.client.id.clone(),
        client_host: member.client.host.clone(),
        member_metadata: if is_stable { member.metadata(&protocol) } else { Default::default() },
        // Of the last generation that settled.
        member_assignment: member.assignment.clone(),
    });
    DescribedGroup {
        group_id: id.clone(),
        group_state: Str::from_static(classic.state.name()),
        protocol_type: classic.protocol_type.clone().unwrap_or_default(),
        protocol_data: protocol.clone(),
        members: members.collect(),
        ..Default::default()
    }
}

fn described_consumer(
    id: &Str,
    consumer: &Consumer,
    name_of: impl Fn(&TopicId) -> Option<Str>,
    assignors: &[String],
) -> DescribedConsumerGroup {
    let named = |partitions: &Partitions| named_assignment(partitions, &name_of);
    let members = consumer.members.iter().map(|(id, member)| DescribedConsumer {
        member_id: id.clone(),
        instance_id: member.instance_id.clone(),
        rack_id: member.rack_id.clone(),
        member_epoch: member.epoch,
        client_id: member.client.id.clone(),
        client_host: member.client.host.clone(),
        subscribed_topic_names: member.subscribed_names.iter().cloned().collect(),
        subscribed_topic_regex: Some(member.subscribed_regex.as_ref().map(|pattern| pattern.text.clone()).unwrap_or_default()),
        // What it has to revoke is its own until it says that it did.
        assignment: named(&union(&member.assigned, &member.revoking)),
        target_assignment: consumer.targets.get(id).map(named).unwrap_or_default(),
        member_type: i8::from(member.classic.is_none()),
    });
    DescribedConsumerGroup {
        group_id: id.clone(),
        group_state: Str::from_static(consumer.state_name()),
        group_epoch: consumer.epoch,
        assignment_epoch: consumer.target_epoch,
        assignor_name: Str::from_static(consumer.assignor(assignors).name()),
        members: members.collect(),
        ..Default::default()
    }
}

fn described_share(id: &Str, share: &Share, name_of: impl Fn(&TopicId) -> Option<Str>) -> DescribedShareGroup {
    let members = share.members.iter().map(|(id, member)| DescribedShareConsumer {
        member_id: id.clone(),
        rack_id: member.rack_id.clone(),
        member_epoch: member.epoch,
        client_id: member.client.id.clone(),
        client_host: member.client.host.clone(),
        subscribed_topic_names: member.subscribed_names.iter().cloned().collect(),
        assignment: named_assignment(&member.assigned, &name_of),
    });
    DescribedShareGroup {
        group_id: id.clone(),
        group_state: Str::from_static(share.state_name()),
        group_epoch: share.epoch,
        assignment_epoch: share.target_epoch,
        assignor_name: Str::from_static(SIMPLE),
        members: members.collect(),
        ..Default::default()
    }
}

/// Partitions with the names of their topics, as far as these are there.
fn named_assignment(partitions: &Partitions, name_of: impl Fn(&TopicId) -> Option<Str>) -> NamedAssignment {
    let named = partitions.iter().filter(|(_, partitions)| !partitions.is_empty()).filter_map(|(topic_id, partitions)| {
        let topic_name = name_of(topic_id)?;
        Some(NamedTopicPartitions { topic_id: *topic_id, topic_name, partitions: partitions.iter().copied().collect() })
    });
    NamedAssignment { topic_partitions: named.collect() }
}
