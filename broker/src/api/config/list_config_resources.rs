//! ListConfigResources: the names of what has properties.

use millstream_protocol::message::list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse, ListedConfigResource};
use millstream_protocol::{ErrorCode, Str};

use super::describe_configs::{BROKER_LOGGER_RESOURCE, BROKER_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE};
use crate::broker::Broker;

/// What can have client metrics, which there are none of here.
const CLIENT_METRICS_RESOURCE: i8 = 16;

/// Version 0 asks for client metrics alone (KIP-714), version 1 for any type (KIP-1142); one that is asked for twice is listed once.
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
