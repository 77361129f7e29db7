//! CreatePartitions: more partitions for a topic.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::message::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};

use crate::broker::{Broker, NODE_ID};
use crate::catalog::{PARTITIONS_PER_REQUEST_MAX, Refused};
use crate::journal::is_internal;

pub(crate) fn create_partitions(broker: &Arc<Broker>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut times: HashMap<&str, usize> = HashMap::new();
    request.topics.iter().for_each(|topic| *times.entry(topic.name.as_str()).or_default() += 1);
    let mut results = Vec::new();
    for topic in &request.topics {
        let Some(count) = times.remove(topic.name.as_str()) else { continue };
        let grown = if count > 1 {
            Err((ErrorCode::INVALID_REQUEST, Some("Duplicate topic name.".to_owned())))
        } else {
            grow(broker, topic, request.validate_only)
        };
        let (error_code, error_message) = grown.err().unwrap_or_default();
        results.push(CreatePartitionsTopicResult { name: topic.name.clone(), error_code, error_message: error_message.map(Into::into) });
    }
    CreatePartitionsResponse { results, ..Default::default() }
}

fn grow(broker: &Broker, asked: &CreatePartitionsTopic, validate_only: bool) -> Result<(), (ErrorCode, Option<String>)> {
    let topic = broker.catalog.get(&asked.name).ok_or((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None))?;
    if is_internal(&topic.name) {
        return Err((ErrorCode::POLICY_VIOLATION, Some("The coordinators need this topic as it is.".into())));
    }
    let present = topic.partitions().len() as i32;
    if asked.count <= present {
        let sentence = if asked.count == present {
            format!("Topic already has {present} partition(s).")
        } else {
            format!("The topic {} currently has {present} partition(s); {} would not be an increase.", asked.name, asked.count)
        };
        return Err((ErrorCode::INVALID_PARTITIONS, Some(sentence)));
    }
    if asked.count - present > PARTITIONS_PER_REQUEST_MAX {
        return Err((ErrorCode::INVALID_PARTITIONS, Some("Excessively large number of partitions per request.".into())));
    }
    if let Some(assignments) = &asked.assignments {
        let fits = assignments.len() as i32 == asked.count - present && assignments.iter().all(|a| a.broker_ids == [NODE_ID]);
        if !fits {
            let sentence = format!(
                "Attempted to add {} additional partition(s), but only {} assignment(s) that name the one broker were specified.",
                asked.count - present,
                assignments.iter().filter(|a| a.broker_ids == [NODE_ID]).count()
            );
            return Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, Some(sentence)));
        }
    }
    if validate_only {
        return Ok(());
    }
    broker.catalog.grow(&topic, asked.count, broker.clock.now_ms()).map_err(|(code, sentence): Refused| (code, Some(sentence)))
}
