//! What a heartbeat says: what is refused whatever the group, and what a member takes over from it.

use std::collections::BTreeSet;

use millstream_protocol::message::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, TopicPartitions};
use millstream_protocol::{Str, TopicId};

use super::LEAVE_STATIC;
use super::member::Member;
use super::pattern::Pattern;
use crate::group::assignor::Partitions;
use crate::group::{Client, HeartbeatError};

/// Checks what does not depend on the group.
pub(in crate::group) fn check(request: &ConsumerGroupHeartbeatRequest, version: i16, assignors: &[String]) -> Result<(), HeartbeatError> {
    if request.group_id.trim().is_empty() {
        return Err(HeartbeatError::NoGroupId);
    }
    if request.instance_id.as_ref().is_some_and(|id| id.is_empty()) {
        return Err(HeartbeatError::EmptyInstanceId);
    }
    if request.rack_id.as_ref().is_some_and(|id| id.is_empty()) {
        return Err(HeartbeatError::EmptyRackId);
    }
    // From version 1 on a member makes its own id.
    if request.member_id.is_empty() && (version >= 1 || request.member_epoch != 0) {
        return Err(HeartbeatError::NoMemberId);
    }
    match request.member_epoch {
        0 => {
            if request.rebalance_timeout_ms == -1 {
                return Err(HeartbeatError::NoRebalanceTimeout);
            }
            if request.topic_partitions.as_ref().is_none_or(|partitions| !partitions.is_empty()) {
                return Err(HeartbeatError::JoiningWithPartitions);
            }
            let has_names = request.subscribed_topic_names.is_some();
            let has_regex = request.subscribed_topic_regex.is_some();
            if !has_names && !has_regex {
                return Err(HeartbeatError::NoSubscription);
            }
        }
        LEAVE_STATIC if request.instance_id.is_none() => return Err(HeartbeatError::NoInstanceId),
        epoch if epoch < LEAVE_STATIC => return Err(HeartbeatError::ImpossibleEpoch(epoch)),
        _ => {}
    }
    if let Some(assignor) = &request.server_assignor
        && !assignors.iter().any(|known| *assignor == known.as_str())
    {
        return Err(HeartbeatError::UnsupportedAssignor { asked: assignor.clone(), supported: assignors.join(", ") });
    }
    if let Some(pattern) = request.subscribed_topic_regex.as_ref().filter(|pattern| !pattern.is_empty()) {
        Pattern::new(pattern)?;
    }
    Ok(())
}

/// Takes over what a heartbeat says.
pub(super) fn update(member: &mut Member, request: &ConsumerGroupHeartbeatRequest, client: Client) {
    let taken = |text: &Str| Some(text.detached());
    if let Some(instance_id) = &request.instance_id {
        member.instance_id = taken(instance_id);
    }
    if let Some(rack_id) = &request.rack_id {
        member.rack_id = taken(rack_id);
    }
    if request.rebalance_timeout_ms != -1 {
        member.rebalance_timeout_ms = request.rebalance_timeout_ms.into();
    }
    if let Some(assignor) = &request.server_assignor {
        member.assignor = taken(assignor);
    }
    if let Some(names) = &request.subscribed_topic_names {
        member.subscribed_names = names.iter().map(Str::detached).collect();
    }
    if let Some(pattern) = &request.subscribed_topic_regex
        && member.subscribed_regex.as_ref().is_none_or(|known| known.text != *pattern)
    {
        // It was checked before.
        member.subscribed_regex = Pattern::new(pattern).ok().filter(|_| !pattern.is_empty());
    }
    member.client = client;
    member.classic = None;
}

pub(super) fn to_partitions(asked: &[TopicPartitions]) -> Partitions {
    asked.iter().map(|topic| (topic.topic_id, topic.partitions.iter().copied().collect())).collect()
}

pub(in crate::group) fn from_partitions(partitions: &Partitions) -> Vec<TopicPartitions> {
    let topic = |(topic_id, partitions): (&TopicId, &BTreeSet<i32>)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    };
    partitions.iter().filter(|(_, partitions)| !partitions.is_empty()).map(topic).collect()
}
