//! What is told of groups, and forgetting them.

use std::collections::BTreeSet;

use millstream_protocol::message::consumer_group_describe::{
    DescribedConsumer, DescribedConsumerGroup, NamedAssignment, NamedTopicPartitions,
};
use millstream_protocol::message::consumer_protocol::Subscription;
use millstream_protocol::message::describe_groups::{DescribedGroup, DescribedMember};
use millstream_protocol::{ErrorCode, Str};

use super::assignor::Partitions;
use super::classic::{Classic, State};
use super::consumer::{Consumer, union};
use super::record::Key;
use super::{Group, Groups, Kind};
use crate::catalog::Listing;
use crate::journal::Entry;

/// The kind of group that consumers are in.
const CONSUMER: &str = "consumer";

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub id: Str,
    pub protocol_type: Str,
    pub state: &'static str,
    /// "classic" or "consumer".
    pub kind: &'static str,
}

impl Groups {
    /// All groups, by id.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let shelf = self.shelf.lock();
        let listed = |(id, group): (&Str, &Group)| match &group.kind {
            Kind::Classic(classic) => Listed {
                id: id.clone(),
                protocol_type: classic.protocol_type.clone().unwrap_or_default(),
                state: classic.state.name(),
                kind: "classic",
            },
            Kind::Consumer(consumer) => {
                Listed { id: id.clone(), protocol_type: Str::from_static(CONSUMER), state: consumer.state_name(), kind: CONSUMER }
            }
        };
        let mut all: Vec<Listed> = shelf.groups.iter().map(listed).collect();
        all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// A classic group. One that is not known is dead, and from version 6 on an error.
    pub(crate) fn describe_classic(&self, id: &Str, version: i16) -> DescribedGroup {
        let described = self.with(id, |group, _, _| match &group.kind {
            Kind::Classic(classic) => Ok(described_classic(id, classic)),
            Kind::Consumer(_) => Err("is not a classic group"),
        });
        described.unwrap_or(Err("not found")).unwrap_or_else(|sentence| {
            let is_error = version >= 6;
            DescribedGroup {
                error_code: if is_error { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::NONE },
                error_message: is_error.then(|| format!("Group {id} {sentence}.").into()),
                group_id: id.clone(),
                group_state: Str::from_static("Dead"),
                ..Default::default()
            }
        })
    }

    /// A consumer group.
    pub(crate) fn describe_consumer(&self, id: &Str) -> DescribedConsumerGroup {
        if id.is_empty() {
            return DescribedConsumerGroup { error_code: ErrorCode::INVALID_GROUP_ID, ..Default::default() };
        }
        let listing = self.catalog.listing();
        let failed = |sentence: String| DescribedConsumerGroup {
            error_code: ErrorCode::GROUP_ID_NOT_FOUND,
            error_message: Some(sentence.into()),
            group_id: id.clone(),
            ..Default::default()
        };
        let described = self.with(id, |group, _, _| match &group.kind {
            Kind::Consumer(consumer) => described_consumer(id, consumer, &listing, &self.settings.assignors),
            Kind::Classic(_) => failed(format!("Group {id} is not a consumer group.")),
        });
        described.unwrap_or_else(|| failed(format!("Group {id} not found.")))
    }

    /// Forgets a group without members, and its offsets.
    pub(crate) fn delete(&self, id: &Str) -> ErrorCode {
        let mut shelf = self.shelf.lock();
        match shelf.groups.get(id) {
            None => return ErrorCode::GROUP_ID_NOT_FOUND,
            Some(group) if group.has_members() => return ErrorCode::NON_EMPTY_GROUP,
            Some(group) => {
                let places = group.offsets.every_place().into_iter();
                let offsets = places.map(|(topic, partition)| Key::Offset { group: id.to_string(), topic, partition }.forget());
                let entries: Vec<Entry> = offsets.chain([Key::Group { group: id.to_string() }.forget()]).collect();
                if let Err(code) = self.journal.append(&entries, None, self.clock.now_ms()) {
                    return code;
                }
            }
        }
        shelf.remove(id);
        ErrorCode::NONE
    }

    /// Forgets offsets of partitions; a code for each.
    pub(crate) fn delete_offsets(&self, id: &Str, places: &[(Str, i32)]) -> Result<Vec<ErrorCode>, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let listing = self.catalog.listing();
        let deleted = self.with(id, |group, _, entries| {
            if let Kind::Classic(classic) = &group.kind
                && classic.state != State::Empty
                && classic.protocol_type.as_deref() != Some(CONSUMER)
            {
                return Err(ErrorCode::NON_EMPTY_GROUP);
            }
            let mut codes = Vec::new();
            for (topic, partition) in places {
                let is_known = listing.topics.get(topic).is_some_and(|(_, count)| (0..*count).contains(partition));
                codes.push(if !is_known {
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                } else if is_subscribed(group, topic, &listing) {
                    ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
                } else {
                    forget(group, id, topic, *partition, entries);
                    ErrorCode::NONE
                });
            }
            Ok(codes)
        });
        deleted.unwrap_or(Err(ErrorCode::GROUP_ID_NOT_FOUND))
    }

    /// A topic is gone, and with it how far anybody had come.
    pub(crate) fn forget_topic(&self, topic: &str) {
        let ids: Vec<Str> = self.shelf.lock().groups.keys().cloned().collect();
        for id in ids {
            self.with(&id, |group, _, entries| {
                for (topic, partition) in group.offsets.every_place().into_iter().filter(|(name, _)| name == topic) {
                    forget(group, &id, &topic, partition, entries);
                }
            });
        }
    }

    /// Forgets offsets whose time is over, and groups that have nothing left.
    pub(crate) fn expire(&self) {
        let listing = self.catalog.listing();
        let ids: Vec<Str> = self.shelf.lock().groups.keys().cloned().collect();
        for id in ids {
            let is_gone = self.with(&id, |group, now, entries| {
                let retention_ms = self.settings.offsets_retention_ms;
                // Of a group that had members the time since the last one left counts, else each offset's own.
                let is_simple = matches!(&group.kind, Kind::Classic(classic) if classic.protocol_type.is_none());
                let (has_members, emptied_ms) = (group.has_members(), group.emptied_ms);
                let subscribed: BTreeSet<String> = group
                    .offsets
                    .all()
                    .map(|((topic, _), _)| topic)
                    .filter(|topic| has_members && may_be_read(group, topic, &listing))
                    .cloned()
                    .collect();
                let old = group.offsets.places(|topic, value| {
                    let since_ms = match value.expire_ms {
                        Some(expire_ms) => return now.wall_ms >= expire_ms,
                        None if has_members && subscribed.contains(topic) => return false,
                        None if has_members || is_simple => value.commit_ms,
                        None => value.commit_ms.max(emptied_ms),
                    };
                    now.wall_ms.saturating_sub(since_ms) >= retention_ms
                });
                for (topic, partition) in old {
                    forget(group, &id, &topic, partition, entries);
                }
                !group.has_members() && group.offsets.is_empty()
            });
            if is_gone == Some(true) {
                let code = self.delete(&id);
                if !code.is_none() {
                    tracing::warn!(group = %id, "cannot forget a group that is empty: {code}");
                }
            }
        }
    }
}

fn forget(group: &mut Group, id: &str, topic: &str, partition: i32, entries: &mut Vec<Entry>) {
    if group.offsets.forget(topic, partition) {
        entries.push(Key::Offset { group: id.to_owned(), topic: topic.to_owned(), partition }.forget());
    }
}

/// Whether a member's subscription names the topic.
fn is_subscribed(group: &Group, topic: &str, listing: &Listing) -> bool {
    match &group.kind {
        Kind::Consumer(consumer) => consumer.is_subscribed(topic, &listing.topics),
        Kind::Classic(classic) => subscriptions(classic).is_some_and(|topics| topics.contains(topic)),
    }
}

/// The same, where not knowing means that it may be.
fn may_be_read(group: &Group, topic: &str, listing: &Listing) -> bool {
    match &group.kind {
        Kind::Classic(classic) => subscriptions(classic).is_none_or(|topics| topics.contains(topic)),
        Kind::Consumer(_) => is_subscribed(group, topic, listing),
    }
}

/// What the members of a classic group of consumers are subscribed to; `None` if nobody can tell.
fn subscriptions(classic: &Classic) -> Option<BTreeSet<String>> {
    if classic.protocol_type.as_deref() != Some(CONSUMER) {
        return None;
    }
    let mut topics = BTreeSet::new();
    for member in classic.members.values() {
        let Some((_, metadata)) = member.protocols.first() else { continue };
        // Who cannot be understood is subscribed to nothing.
        let Ok(subscription) = Subscription::read(metadata.clone()) else { continue };
        topics.extend(subscription.topics.iter().map(ToString::to_string));
    }
    Some(topics)
}

fn described_classic(id: &Str, classic: &Classic) -> DescribedGroup {
    let is_stable = classic.state == State::Stable;
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

fn described_consumer(id: &Str, consumer: &Consumer, listing: &Listing, assignors: &[String]) -> DescribedConsumerGroup {
    let named = |partitions: &Partitions| NamedAssignment {
        topic_partitions: partitions
            .iter()
            .filter(|(_, partitions)| !partitions.is_empty())
            .filter_map(|(topic_id, partitions)| {
                let (topic_name, _) = listing.topics.iter().find(|(_, (id, _))| id == topic_id)?;
                let partitions = partitions.iter().copied().collect();
                Some(NamedTopicPartitions { topic_id: *topic_id, topic_name: topic_name.clone(), partitions })
            })
            .collect(),
    };
    let members = consumer.members.iter().map(|(id, member)| DescribedConsumer {
        member_id: id.clone(),
        instance_id: member.instance_id.clone(),
        rack_id: member.rack_id.clone(),
        member_epoch: member.epoch,
        client_id: member.client.id.clone(),
        client_host: member.client.host.clone(),
        subscribed_topic_names: member.subscribed_names.iter().cloned().collect(),
        subscribed_topic_regex: Some(member.subscribed_regex.clone().unwrap_or_default()),
        // What it has to give up is its own until it says that it did.
        assignment: named(&union(&member.assigned, &member.revoking)),
        target_assignment: consumer.targets.get(id).map(named).unwrap_or_default(),
        member_type: 1,
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
