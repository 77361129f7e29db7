//! Metadata: the one broker, and the topics asked for.

use std::collections::HashSet;
use std::sync::Arc;

use millstream_protocol::message::metadata::{
    MetadataBroker, MetadataPartition, MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataTopic,
};
use millstream_protocol::{Endpoint, ErrorCode, Str, TopicId};

use super::{CLUSTER_OPERATIONS, Context, TOPIC_OPERATIONS};
use crate::broker::Broker;
use crate::catalog::{Topic, TopicError, check_name};
use crate::config::Properties;
use crate::journal::is_internal;

/// Whether the request may make a topic, which waits for the disk.
pub(crate) fn may_create(broker: &Broker, context: &Context, request: &MetadataRequest) -> bool {
    let is_allowed = request.allow_auto_topic_creation || context.version < 4;
    let is_missing = |topic: &MetadataRequestTopic| topic.name.as_ref().is_some_and(|name| broker.catalog.get(name).is_none());
    is_allowed && broker.settings.is_auto_create_enabled && request.topics.iter().flatten().any(is_missing)
}

pub(crate) fn metadata(broker: &Arc<Broker>, context: &Context, request: MetadataRequest) -> MetadataResponse {
    let version = context.version;
    let wants_operations = request.include_topic_authorized_operations;
    let by_id = request.topics.iter().flatten().any(|topic| !topic.topic_id.is_zero());
    if by_id && version < 12 {
        return MetadataResponse { topics: request.topics.unwrap_or_default().iter().map(refused).collect(), ..Default::default() };
    }
    let topics = match request.topics {
        None => broker.catalog.all().iter().map(|topic| described(topic, broker.node_id(), wants_operations)).collect(),
        Some(topics) if topics.is_empty() && version == 0 => {
            broker.catalog.all().iter().map(|topic| described(topic, broker.node_id(), wants_operations)).collect()
        }
        Some(topics) => {
            let mut seen: HashSet<(Option<Str>, TopicId)> = HashSet::new();
            let mut found = Vec::new();
            // Where one topic is named by its id, names are not looked at.
            for topic in topics.into_iter().filter(|topic| !by_id || !topic.topic_id.is_zero()) {
                if !seen.insert((topic.name.clone().filter(|_| topic.topic_id.is_zero()), topic.topic_id)) {
                    continue;
                }
                found.push(one(broker, &topic, by_id, request.allow_auto_topic_creation || version < 4, wants_operations));
            }
            found
        }
    };
    let node_id = broker.node_id();
    let Endpoint { host, port } = context.endpoint.clone();
    MetadataResponse {
        brokers: vec![MetadataBroker { node_id, host, port: port.into(), rack: None }],
        cluster_id: Some(broker.cluster_id().into()),
        controller_id: node_id,
        topics,
        cluster_authorized_operations: if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { i32::MIN },
        ..Default::default()
    }
}

fn refused(topic: &MetadataRequestTopic) -> MetadataTopic {
    MetadataTopic {
        error_code: ErrorCode::INVALID_REQUEST,
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..Default::default()
    }
}

fn one(broker: &Arc<Broker>, asked: &MetadataRequestTopic, by_id: bool, may_create: bool, wants_operations: bool) -> MetadataTopic {
    let failed = |error_code| MetadataTopic { error_code, name: asked.name.clone(), topic_id: asked.topic_id, ..Default::default() };
    if by_id {
        return match broker.catalog.get_by_id(asked.topic_id) {
            Some(topic) => described(&topic, broker.node_id(), wants_operations),
            None => MetadataTopic { error_code: ErrorCode::UNKNOWN_TOPIC_ID, topic_id: asked.topic_id, ..Default::default() },
        };
    }
    let Some(name) = &asked.name else {
        return failed(ErrorCode::UNKNOWN_SERVER_ERROR);
    };
    if let Some(topic) = broker.catalog.get(name) {
        return described(&topic, broker.node_id(), wants_operations);
    }
    if let Err(error) = check_name(name) {
        return failed(error.code());
    }
    if !(may_create && broker.settings.is_auto_create_enabled) {
        return failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    if is_internal(name) {
        let prepared = broker.prepare_journal(name);
        return match (prepared, broker.catalog.get(name)) {
            (Ok(()), Some(topic)) => described(&topic, broker.node_id(), wants_operations),
            (Err(error), _) => failed(error.code()),
            (Ok(()), None) => failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        };
    }
    // Kafka creates in the background and has the client ask again; here the topic is there at once.
    match broker.catalog.create(name, broker.settings.num_partitions, Properties::new(), broker.clock.now_ms()) {
        Ok(topic) => described(&topic, broker.node_id(), wants_operations),
        Err(TopicError::Exists(_)) => broker
            .catalog
            .get(name)
            .map_or_else(|| failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), |topic| described(&topic, broker.node_id(), wants_operations)),
        Err(error) => failed(error.code()),
    }
}

fn described(topic: &Topic, node_id: i32, wants_operations: bool) -> MetadataTopic {
    let partitions = topic.partitions();
    MetadataTopic {
        name: Some(topic.name.as_str().into()),
        topic_id: topic.id,
        is_internal: is_internal(&topic.name),
        partitions: partitions
            .iter()
            .map(|partition| MetadataPartition {
                partition_index: partition.index,
                leader_id: node_id,
                leader_epoch: partition.positions().leader_epoch,
                replica_nodes: vec![node_id],
                isr_nodes: vec![node_id],
                ..Default::default()
            })
            .collect(),
        topic_authorized_operations: if wants_operations { TOPIC_OPERATIONS } else { i32::MIN },
        ..Default::default()
    }
}
