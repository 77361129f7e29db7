//! CreatePartitions: more partitions for a topic.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::message::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};

use super::Refused;
use crate::broker::Broker;
use crate::journal::is_internal;
use crate::limit;

pub(crate) fn create_partitions(broker: &Arc<Broker>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut times: HashMap<&str, usize> = HashMap::new();
    request.topics.iter().for_each(|topic| *times.entry(topic.name.as_str()).or_default() += 1);
    let mut results = Vec::new();
    let mut left = limit::PARTITIONS_PER_REQUEST_MAX;
    for topic in &request.topics {
        let Some(count) = times.remove(topic.name.as_str()) else { continue };
        let grown = if count > 1 {
            Err(Refused::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name."))
        } else {
            grow(broker, topic, request.validate_only, &mut left)
        };
        let (error_code, error_message) = Refused::told(grown);
        results.push(CreatePartitionsTopicResult { name: topic.name.clone(), error_code, error_message });
    }
    CreatePartitionsResponse { results, ..Default::default() }
}

/// `left`: how many partitions the request may still add.
fn grow(broker: &Broker, asked: &CreatePartitionsTopic, validate_only: bool, left: &mut i64) -> Result<(), Refused> {
    let topic = broker.catalog.get(&asked.name).ok_or_else(|| Refused::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ""))?;
    if is_internal(&topic.name) {
        return Err(Refused::new(ErrorCode::POLICY_VIOLATION, "The coordinators need this topic as it is."));
    }
    let mut check = |present: i32| check(broker.node_id(), asked, present, left);
    if validate_only {
        return check(topic.partitions().len() as i32);
    }
    broker.catalog.grow(&topic, asked.count, broker.clock.now_ms(), check)
}

/// Whether a topic that has `present` partitions may get as many as are asked for.
fn check(node_id: i32, asked: &CreatePartitionsTopic, present: i32, left: &mut i64) -> Result<(), Refused> {
    if asked.count <= present {
        let sentence = if asked.count == present {
            format!("Topic already has {present} partition(s).")
        } else {
            format!("The topic {} currently has {present} partition(s); {} would not be an increase.", asked.name, asked.count)
        };
        return Err(Refused::new(ErrorCode::INVALID_PARTITIONS, sentence));
    }
    let added = asked.count - present;
    if i64::from(added) > *left {
        return Err(Refused::new(ErrorCode::POLICY_VIOLATION, "Excessively large number of partitions per request."));
    }
    if let Some(assignments) = &asked.assignments {
        let fitting = assignments.iter().filter(|assignment| assignment.broker_ids == [node_id]).count();
        if fitting != added as usize || assignments.len() != fitting {
            let sentence = format!(
                "Attempted to add {added} additional partition(s), but only {fitting} assignment(s) that name the one broker were specified."
            );
            return Err(Refused::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, sentence));
        }
    }
    *left -= i64::from(added);
    Ok(())
}
