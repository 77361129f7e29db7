//! What the two ways of altering properties share: which resource, and what became of it.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::message::alter_configs::AlterConfigsResourceResponse;
use millstream_protocol::{ErrorCode, Response, Str};

use super::describe_configs::{BROKER_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE, check_broker_name};
use crate::api::Refused;
use crate::broker::Broker;
use crate::catalog::{Topic, check_name};
use crate::config::{Properties, Property, broker_property, group_property, topic_property};
use crate::dynamic::Whose;
use crate::group::is_group_id;
use crate::journal::{durable, is_internal};

/// Topics' properties are durable when they are set, groups' with what the journal holds.
pub(super) fn when_durable(
    broker: &Arc<Broker>,
    mut responses: Vec<AlterConfigsResourceResponse>,
    answer: impl FnOnce(Vec<AlterConfigsResourceResponse>) -> Response + Send + 'static,
) -> BoxFuture<'static, Response> {
    let is_waiting = |response: &AlterConfigsResourceResponse| response.resource_type == GROUP_RESOURCE && response.error_code.is_none();
    if !responses.iter().any(is_waiting) {
        return ready(answer(responses)).boxed();
    }
    let settled = broker.groups.settled();
    async move {
        if let Err(error) = durable(settled).await {
            responses.iter_mut().filter(|response| is_waiting(response)).for_each(|response| response.error_code = error.code());
        }
        answer(responses)
    }
    .boxed()
}

pub(super) fn count(resources: impl Iterator<Item = (i8, Str)>) -> HashMap<(i8, Str), usize> {
    let mut times = HashMap::new();
    resources.for_each(|resource| *times.entry(resource).or_default() += 1);
    times
}

pub(super) fn check_once(times: &HashMap<(i8, Str), usize>, kind: i8, name: &Str) -> Result<(), Refused> {
    match times.get(&(kind, name.clone())) {
        Some(2..) => Err(Refused::new(ErrorCode::INVALID_REQUEST, "Each resource must appear at most once.")),
        _ => Ok(()),
    }
}

pub(super) fn null_value(name: &str) -> Refused {
    Refused::new(ErrorCode::INVALID_REQUEST, format!("Null value not supported for : {name}"))
}

/// What can be altered.
pub(super) enum Resource {
    Topic(Arc<Topic>),
    Group(Str),
    Broker(Whose),
}

impl Resource {
    pub(super) fn property(&self, name: &str) -> Option<&'static Property> {
        match self {
            Resource::Topic(_) => topic_property(name),
            Resource::Group(_) => group_property(name),
            Resource::Broker(_) => broker_property(name),
        }
    }
}

pub(super) fn find(broker: &Broker, kind: i8, name: &Str) -> Result<Resource, Refused> {
    match kind {
        TOPIC_RESOURCE => {
            if name.is_empty() {
                return Err(Refused::new(ErrorCode::INVALID_REQUEST, "Default topic resources are not allowed."));
            }
            check_name(name)?;
            if is_internal(name) {
                return Err(Refused::new(ErrorCode::POLICY_VIOLATION, "The coordinators need this topic as it is."));
            }
            let unknown = || Refused::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("The topic '{name}' does not exist."));
            broker.catalog.get(name).map(Resource::Topic).ok_or_else(unknown)
        }
        GROUP_RESOURCE if name.is_empty() => Err(Refused::new(ErrorCode::INVALID_REQUEST, "Default group resources are not allowed.")),
        GROUP_RESOURCE if !is_group_id(name) => Err(Refused::new(ErrorCode::INVALID_REQUEST, "The group id is too long.")),
        GROUP_RESOURCE => Ok(Resource::Group(name.clone())),
        BROKER_RESOURCE => {
            check_broker_name(broker.node_id(), name)?;
            Ok(Resource::Broker(if name.is_empty() { Whose::AllBrokers } else { Whose::ThisBroker }))
        }
        other => Err(Refused::new(ErrorCode::INVALID_REQUEST, format!("Unexpected resource type {other}."))),
    }
}

pub(super) fn alter(
    broker: &Broker,
    resource: &Resource,
    validate_only: bool,
    alter: impl FnOnce(&mut Properties) -> Result<(), Refused>,
) -> Result<(), Refused> {
    match resource {
        Resource::Topic(topic) => broker.catalog.alter_properties(topic, validate_only, alter),
        Resource::Group(id) => broker.groups.alter_properties(id, validate_only, alter),
        Resource::Broker(whose) => broker.alter_properties(*whose, validate_only, alter),
    }
}

pub(super) fn response(resource_type: i8, resource_name: Str, altered: Result<(), Refused>) -> AlterConfigsResourceResponse {
    let (error_code, error_message) = Refused::told(altered);
    AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
}
