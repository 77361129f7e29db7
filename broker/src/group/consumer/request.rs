//! What a heartbeat says: what is refused whatever the group, and what a member takes over from it.

use std::collections::BTreeSet;

use millstream_protocol::message::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, TopicPartitions};
use millstream_protocol::{ErrorCode, Str, TopicId};

use super::member::Member;
use super::pattern::Pattern;
use super::{LEAVE_STATIC, RefusedHeartbeat, refused};
use crate::group::Client;
use crate::group::assignor::Partitions;

/// Checks what does not depend on the group.
pub(in crate::group) fn check(request: &ConsumerGroupHeartbeatRequest, version: i16, assignors: &[String]) -> Result<(), RefusedHeartbeat> {
    let invalid = |sentence: &str| Err(refused(ErrorCode::INVALID_REQUEST, sentence));
    if request.group_id.trim().is_empty() {
        return invalid("GroupId can't be empty.");
    }
    if request.instance_id.as_ref().is_some_and(|id| id.is_empty()) {
        return invalid("InstanceId can't be empty.");
    }
    if request.rack_id.as_ref().is_some_and(|id| id.is_empty()) {
        return invalid("RackId can't be empty.");
    }
    // From version 1 on a member makes its own id.
    if request.member_id.is_empty() && (version >= 1 || request.member_epoch != 0) {
        return invalid("MemberId can't be empty.");
    }
    match request.member_epoch {
        0 => {
            if request.rebalance_timeout_ms == -1 {
                return invalid("RebalanceTimeoutMs must be provided in first request.");
            }
            if request.topic_partitions.as_ref().is_none_or(|partitions| !partitions.is_empty()) {
                return invalid("TopicPartitions must be empty when (re-)joining.");
            }
            let has_names = request.subscribed_topic_names.is_some();
            let has_regex = request.subscribed_topic_regex.is_some();
            if !has_names && !has_regex {
                return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
            }
        }
        LEAVE_STATIC if request.instance_id.is_none() => return invalid("InstanceId can't be null."),
        epoch if epoch < LEAVE_STATIC => return invalid(&format!("MemberEpoch is {epoch}, but must be greater than or equal to -2.")),
        _ => {}
    }
    if let Some(assignor) = &request.server_assignor
        && !assignors.iter().any(|known| *assignor == known.as_str())
    {
        let sentence = format!("ServerAssignor {assignor} is not supported. Supported assignors: {}.", assignors.join(", "));
        return Err(refused(ErrorCode::UNSUPPORTED_ASSIGNOR, sentence));
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
