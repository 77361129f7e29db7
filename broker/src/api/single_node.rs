//! What only a cluster can do, answered as one node answers it: ElectLeaders, AlterPartitionReassignments,
//! ListPartitionReassignments; and ListConfigResources.

use std::sync::Arc;

use millstream_protocol::message::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignPartitionResult, ReassignTopicResult,
};
use millstream_protocol::message::elect_leaders::{
    ElectLeadersPartitionResult, ElectLeadersRequest, ElectLeadersResponse, ElectLeadersTopicResult,
};
use millstream_protocol::message::list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse, ListedConfigResource};
use millstream_protocol::message::list_partition_reassignments::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
use millstream_protocol::{ErrorCode, Str};

use super::describe_configs::{BROKER_LOGGER_RESOURCE, BROKER_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE};
use super::partition;
use crate::broker::Broker;
use crate::catalog::Topic;

/// The two kinds of election.
const PREFERRED: i8 = 0;
const ANY: i8 = 1;

/// The one broker leads every partition, and is the one that everybody prefers.
pub(crate) fn elect_leaders(broker: &Broker, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let is_known = matches!(request.election_type, PREFERRED | ANY);
    let Some(topics) = request.topic_partitions else {
        // Only where something would change is there something to say.
        let nothing = |topic: &Arc<Topic>| ElectLeadersTopicResult { topic: Str::from(&topic.name), partition_result: Vec::new() };
        let replica_election_results = broker.catalog.all().iter().map(nothing).collect();
        return ElectLeadersResponse { replica_election_results, ..Default::default() };
    };
    let results = topics.into_iter().map(|topic| ElectLeadersTopicResult {
        partition_result: topic
            .partitions
            .into_iter()
            .map(|partition_id| {
                let error_code = match partition(broker, &topic.topic, partition_id) {
                    _ if !is_known => ErrorCode::INVALID_REQUEST,
                    Ok(_) => ErrorCode::ELECTION_NOT_NEEDED,
                    Err(code) => code,
                };
                let error_message = Some(Str::from_static(error_code.sentence()));
                ElectLeadersPartitionResult { partition_id, error_code, error_message }
            })
            .collect(),
        topic: topic.topic,
    });
    let error_code = if is_known { ErrorCode::NONE } else { ErrorCode::INVALID_REQUEST };
    ElectLeadersResponse { error_code, replica_election_results: results.collect(), ..Default::default() }
}

/// A partition is where it is: moving it to the one broker is done already, and there is no other.
pub(crate) fn alter_partition_reassignments(
    broker: &Broker,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let reassign = |topic: &str, index: i32, replicas: Option<Vec<i32>>| match replicas {
        _ if partition(broker, topic, index).is_err() => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        None => ErrorCode::NO_REASSIGNMENT_IN_PROGRESS,
        Some(replicas) if replicas == [broker.node_id()] => ErrorCode::NONE,
        Some(_) => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
    };
    let responses = request.topics.into_iter().map(|topic| ReassignTopicResult {
        partitions: topic
            .partitions
            .into_iter()
            .map(|asked| {
                let error_code = reassign(&topic.name, asked.partition_index, asked.replicas);
                let error_message = (!error_code.is_none()).then(|| Str::from_static(error_code.sentence()));
                ReassignPartitionResult { partition_index: asked.partition_index, error_code, error_message }
            })
            .collect(),
        name: topic.name,
    });
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        responses: responses.collect(),
        ..Default::default()
    }
}

/// Nothing ever moves.
pub(crate) fn list_partition_reassignments(_: &ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}

/// What can have client metrics, which there are none of here.
const CLIENT_METRICS_RESOURCE: i8 = 16;

/// Version 0 asks for client metrics alone (KIP-714), version 1 for any type (KIP-1142); one that is asked for twice is told once.
pub(crate) fn list_config_resources(broker: &Broker, version: i16, request: &ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    if version == 0 {
        return ListConfigResourcesResponse::default();
    }
    let all = [GROUP_RESOURCE, CLIENT_METRICS_RESOURCE, BROKER_LOGGER_RESOURCE, BROKER_RESOURCE, TOPIC_RESOURCE];
    let wanted = &request.resource_types;
    if !wanted.iter().all(|resource_type| all.contains(resource_type)) {
        return ListConfigResourcesResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, ..Default::default() };
    }
    let mut config_resources = Vec::new();
    for resource_type in all.into_iter().filter(|resource_type| wanted.is_empty() || wanted.contains(resource_type)) {
        let names: Vec<Str> = match resource_type {
            TOPIC_RESOURCE => broker.catalog.all().iter().map(|topic| Str::from(&topic.name)).collect(),
            BROKER_RESOURCE | BROKER_LOGGER_RESOURCE => vec![broker.node_id().to_string().into()],
            GROUP_RESOURCE => broker.groups.with_properties(),
            _ => Vec::new(),
        };
        config_resources.extend(names.into_iter().map(|resource_name| ListedConfigResource { resource_name, resource_type }));
    }
    ListConfigResourcesResponse { config_resources, ..Default::default() }
}
