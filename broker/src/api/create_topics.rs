//! CreateTopics.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_protocol::message::create_topics::{CreatableTopic, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse};
use millstream_protocol::{ErrorCode, TopicId};

use super::Refused;
use super::config::describe_configs;
use crate::broker::Broker;
use crate::catalog::check_name;
use crate::config::Properties;
use crate::journal::is_internal;
use crate::limit;

pub(crate) fn create_topics(broker: &Arc<Broker>, request: &CreateTopicsRequest) -> CreateTopicsResponse {
    let mut times: HashMap<&str, usize> = HashMap::new();
    request.topics.iter().for_each(|topic| *times.entry(topic.name.as_str()).or_default() += 1);
    let mut topics = Vec::new();
    let asked = |topic: &CreatableTopic| match topic.num_partitions {
        -1 if topic.assignments.is_empty() => i64::from(broker.settings.num_partitions),
        -1 => topic.assignments.len() as i64,
        count => i64::from(count.max(0)),
    };
    // As in Kafka: it comes before anything else is looked at, and concerns all topics of the request.
    let is_excessive = request.topics.iter().map(asked).sum::<i64>() > limit::PARTITIONS_PER_REQUEST_MAX;
    for topic in &request.topics {
        let Some(count) = times.remove(topic.name.as_str()) else { continue };
        let created = if is_excessive {
            Err(Refused::new(ErrorCode::POLICY_VIOLATION, "Excessively large number of partitions per request."))
        } else if count > 1 {
            Err(Refused::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name."))
        } else {
            create(broker, topic, request.validate_only)
        };
        topics.push(match created {
            Ok((id, partitions, properties)) => CreatableTopicResult {
                name: topic.name.clone(),
                topic_id: id,
                num_partitions: partitions,
                replication_factor: 1,
                configs: Some(describe_configs::created(broker, &properties)),
                ..Default::default()
            },
            Err(Refused { code: error_code, sentence }) => {
                CreatableTopicResult { name: topic.name.clone(), error_code, error_message: Some(sentence.into()), ..Default::default() }
            }
        });
    }
    CreateTopicsResponse { topics, ..Default::default() }
}

fn create(broker: &Broker, topic: &CreatableTopic, validate_only: bool) -> Result<(TopicId, i32, Properties), Refused> {
    let mut properties = Properties::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            return Err(Refused::new(ErrorCode::INVALID_CONFIG, format!("Null value not supported for topic configs: {}", config.name)));
        };
        properties.insert(config.name.to_string(), value.to_string());
    }
    let has_assignments = !topic.assignments.is_empty();
    if has_assignments && (topic.num_partitions != -1 || topic.replication_factor != -1) {
        let sentence = "A manual partition assignment was specified, but numPartitions or replicationFactor was not set to -1.";
        return Err(Refused::new(ErrorCode::INVALID_REQUEST, sentence));
    }
    let partitions = match topic.num_partitions {
        -1 if has_assignments => assigned_partitions(topic, broker.node_id())?,
        -1 => broker.settings.num_partitions,
        count => count,
    };
    // Kafka looks at the name first and at the counts before the properties.
    check_name(&topic.name)?;
    if broker.catalog.get(&topic.name).is_none() && topic.replication_factor != -1 && topic.replication_factor != 1 && partitions > 0 {
        let sentence = match topic.replication_factor {
            ..=0 => "Replication factor must be larger than 0, or -1 to use the default value.".to_owned(),
            asked => format!("Unable to replicate the partition {asked} time(s): only 1 broker is registered."),
        };
        return Err(Refused::new(ErrorCode::INVALID_REPLICATION_FACTOR, sentence));
    }
    if validate_only {
        broker.catalog.check_new(&topic.name, partitions, &properties)?;
        return Ok((TopicId::ZERO, partitions, properties));
    }
    if is_internal(&topic.name) && broker.catalog.get(&topic.name).is_none() {
        return create_journal(broker, &topic.name, partitions, properties);
    }
    let created = broker.catalog.create(&topic.name, partitions, properties.clone(), broker.clock.now_ms())?;
    Ok((created.id, partitions, properties))
}

/// A coordinator's journal is created as the coordinator needs it.
fn create_journal(broker: &Broker, name: &str, partitions: i32, properties: Properties) -> Result<(TopicId, i32, Properties), Refused> {
    broker.catalog.check_new(name, partitions, &properties)?;
    if partitions != 1 || !properties.is_empty() {
        return Err(Refused::new(ErrorCode::POLICY_VIOLATION, "A coordinator's topic has one partition, and properties of its own."));
    }
    let prepared = broker.prepare_journal(name);
    prepared.map_err(|error| error.code())?;
    let made = broker.catalog.get(name).ok_or_else(|| Refused::new(ErrorCode::COORDINATOR_NOT_AVAILABLE, "The topic is not there yet."))?;
    Ok((made.id, partitions, made.properties()))
}

fn assigned_partitions(topic: &CreatableTopic, node_id: i32) -> Result<i32, Refused> {
    let refused = |sentence: &str| Err(Refused::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, sentence));
    let mut indexes: Vec<i32> = topic.assignments.iter().map(|assignment| assignment.partition_index).collect();
    indexes.sort_unstable();
    if indexes.iter().enumerate().any(|(place, &index)| index != place as i32) {
        return refused("partitions should be a consecutive 0-based integer sequence");
    }
    if topic.assignments.iter().any(|assignment| assignment.broker_ids != [node_id]) {
        return refused("The manual partition assignment must name the one broker of this cluster, and it once.");
    }
    Ok(indexes.len() as i32)
}
