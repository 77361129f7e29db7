//! AlterConfigs and IncrementalAlterConfigs: a resource's changes hold together or not at all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::message::alter_configs::{AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse};
use millstream_protocol::message::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, IncrementalAlterableConfig,
};
use millstream_protocol::{ErrorCode, Response, Str};

use super::administer_until;
use super::describe_configs::{BROKER_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE, check_broker_name};
use crate::broker::Broker;
use crate::catalog::{Refused, Topic, check_name};
use crate::config::{Kind, Properties, Property, broker_property, group_property, topic_property};
use crate::dispatch::Served;
use crate::dynamic::Whose;
use crate::group::is_group_id;
use crate::journal::{durable, is_internal};

pub(crate) fn alter_configs(broker: &Arc<Broker>, request: AlterConfigsRequest) -> Served {
    administer_until(broker, |broker| alter_all(broker, request))
}

fn alter_all(broker: &Arc<Broker>, request: AlterConfigsRequest) -> BoxFuture<'static, Response> {
    let times = count(request.resources.iter().map(|resource| (resource.resource_type, resource.resource_name.clone())));
    let mut responses = Vec::new();
    for resource in request.resources {
        let (kind, name) = (resource.resource_type, resource.resource_name.clone());
        let altered = check_once(&times, kind, &name).and_then(|()| find(broker, kind, &name)).and_then(|found| {
            let mut properties = Properties::new();
            for config in &resource.configs {
                let value = config.value.as_deref().ok_or_else(|| null_value(&config.name))?;
                if properties.insert(config.name.to_string(), value.to_owned()).is_some() {
                    return Err((ErrorCode::INVALID_REQUEST, "Error due to duplicate config keys".into()));
                }
            }
            alter(broker, &found, request.validate_only, |present| {
                *present = properties;
                Ok(())
            })
        });
        responses.push(response(kind, name, altered));
    }
    when_durable(broker, responses, |responses| AlterConfigsResponse { responses, ..Default::default() }.into())
}

pub(crate) fn incremental_alter_configs(broker: &Arc<Broker>, request: IncrementalAlterConfigsRequest) -> Served {
    administer_until(broker, |broker| alter_some(broker, request))
}

fn alter_some(broker: &Arc<Broker>, request: IncrementalAlterConfigsRequest) -> BoxFuture<'static, Response> {
    let times = count(request.resources.iter().map(|resource| (resource.resource_type, resource.resource_name.clone())));
    let mut responses = Vec::new();
    for resource in request.resources {
        let (kind, name) = (resource.resource_type, resource.resource_name.clone());
        let altered = check_once(&times, kind, &name).and_then(|()| find(broker, kind, &name)).and_then(|found| {
            let mut seen = HashSet::new();
            if !resource.configs.iter().all(|config| seen.insert(config.name.as_str())) {
                return Err((ErrorCode::INVALID_REQUEST, "Error due to duplicate config keys".into()));
            }
            alter(broker, &found, request.validate_only, |present| {
                resource.configs.iter().try_for_each(|config| change(present, config, found.property(&config.name)))
            })
        });
        responses.push(response(kind, name, altered));
    }
    when_durable(broker, responses, |responses| IncrementalAlterConfigsResponse { responses, ..Default::default() }.into())
}

/// Topics' properties are durable when they are set, groups' with what the journal holds.
fn when_durable(
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
        if let Err(code) = durable(settled).await {
            responses.iter_mut().filter(|response| is_waiting(response)).for_each(|response| response.error_code = code);
        }
        answer(responses)
    }
    .boxed()
}

fn count(resources: impl Iterator<Item = (i8, Str)>) -> HashMap<(i8, Str), usize> {
    let mut times = HashMap::new();
    resources.for_each(|resource| *times.entry(resource).or_default() += 1);
    times
}

fn check_once(times: &HashMap<(i8, Str), usize>, kind: i8, name: &Str) -> Result<(), Refused> {
    match times.get(&(kind, name.clone())) {
        Some(2..) => Err((ErrorCode::INVALID_REQUEST, "Each resource must appear at most once.".into())),
        _ => Ok(()),
    }
}

fn null_value(name: &str) -> Refused {
    (ErrorCode::INVALID_REQUEST, format!("Null value not supported for : {name}"))
}

/// What can be altered.
enum Resource {
    Topic(Arc<Topic>),
    Group(Str),
    Broker(Whose),
}

impl Resource {
    fn property(&self, name: &str) -> Option<&'static Property> {
        match self {
            Resource::Topic(_) => topic_property(name),
            Resource::Group(_) => group_property(name),
            Resource::Broker(_) => broker_property(name),
        }
    }
}

fn find(broker: &Broker, kind: i8, name: &Str) -> Result<Resource, Refused> {
    match kind {
        TOPIC_RESOURCE => {
            if name.is_empty() {
                return Err((ErrorCode::INVALID_REQUEST, "Default topic resources are not allowed.".into()));
            }
            check_name(name).map_err(|sentence| (ErrorCode::INVALID_TOPIC_EXCEPTION, sentence))?;
            if is_internal(name) {
                return Err((ErrorCode::POLICY_VIOLATION, "The coordinators need this topic as it is.".into()));
            }
            let topic = broker.catalog.get(name);
            topic.map(Resource::Topic).ok_or_else(|| (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("The topic '{name}' does not exist.")))
        }
        GROUP_RESOURCE if name.is_empty() => Err((ErrorCode::INVALID_REQUEST, "Default group resources are not allowed.".into())),
        GROUP_RESOURCE if !is_group_id(name) => Err((ErrorCode::INVALID_REQUEST, "The group id is too long.".into())),
        GROUP_RESOURCE => Ok(Resource::Group(name.clone())),
        BROKER_RESOURCE => {
            check_broker_name(broker.node_id(), name)?;
            Ok(Resource::Broker(if name.is_empty() { Whose::AllBrokers } else { Whose::ThisBroker }))
        }
        other => Err((ErrorCode::INVALID_REQUEST, format!("Unexpected resource type {other}."))),
    }
}

fn change(properties: &mut Properties, config: &IncrementalAlterableConfig, property: Option<&Property>) -> Result<(), Refused> {
    let name = config.name.to_string();
    match config.config_operation {
        1 => {
            properties.remove(&name);
            return Ok(());
        }
        0 | 2 | 3 => {}
        other => return Err((ErrorCode::UNKNOWN_SERVER_ERROR, format!("Unknown operation {other}"))),
    }
    let value = config.value.as_deref().ok_or_else(|| null_value(&name))?;
    if config.config_operation == 0 {
        properties.insert(name, value.to_owned());
        return Ok(());
    }
    let verb = if config.config_operation == 2 { "APPEND" } else { "SUBTRACT" };
    let Some(Kind::List(_) | Kind::Words | Kind::Replicas) = property.map(|property| property.kind) else {
        return Err((ErrorCode::INVALID_CONFIG, format!("Can't {verb} to key {name} because its type is not LIST.")));
    };
    let present = properties.get(&name).cloned().unwrap_or_else(|| property.map_or("", Property::default_text).to_owned());
    let mut words: Vec<&str> = present.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    for word in value.split(',').map(str::trim) {
        words.retain(|present| *present != word);
        if config.config_operation == 2 {
            words.push(word);
        }
    }
    properties.insert(name, words.join(","));
    Ok(())
}

fn alter(
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

fn response(resource_type: i8, resource_name: Str, altered: Result<(), Refused>) -> AlterConfigsResourceResponse {
    let (error_code, error_message) = match altered {
        Ok(()) => (ErrorCode::NONE, None),
        Err((code, sentence)) => (code, Some(sentence.into())),
    };
    AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
}
