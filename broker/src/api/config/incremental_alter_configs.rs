//! IncrementalAlterConfigs: single properties of a resource are set, removed, or have words added or taken away. A resource's changes
//! hold together or not at all.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use millstream_protocol::message::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, IncrementalAlterableConfig,
};
use millstream_protocol::{ErrorCode, Response};

use super::altered::{alter, check_once, count, find, null_value, response, when_durable};
use crate::api::{Refused, administer_until};
use crate::broker::Broker;
use crate::config::{Kind, Properties, Property};
use crate::served::Served;

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
                return Err(Refused::new(ErrorCode::INVALID_REQUEST, "Error due to duplicate config keys"));
            }
            alter(broker, &found, request.validate_only, |present| {
                resource.configs.iter().try_for_each(|config| change(present, config, found.property(&config.name)))
            })
        });
        responses.push(response(kind, name, altered));
    }
    when_durable(broker, responses, |responses| IncrementalAlterConfigsResponse { responses, ..Default::default() }.into())
}

fn change(properties: &mut Properties, config: &IncrementalAlterableConfig, property: Option<&Property>) -> Result<(), Refused> {
    let name = config.name.to_string();
    match config.config_operation {
        1 => {
            properties.remove(&name);
            return Ok(());
        }
        0 | 2 | 3 => {}
        other => return Err(Refused::new(ErrorCode::UNKNOWN_SERVER_ERROR, format!("Unknown operation {other}"))),
    }
    let value = config.value.as_deref().ok_or_else(|| null_value(&name))?;
    if config.config_operation == 0 {
        properties.insert(name, value.to_owned());
        return Ok(());
    }
    let verb = if config.config_operation == 2 { "APPEND" } else { "SUBTRACT" };
    let Some(Kind::List(_) | Kind::Words | Kind::Replicas) = property.map(|property| property.kind) else {
        return Err(Refused::new(ErrorCode::INVALID_CONFIG, format!("Can't {verb} to key {name} because its type is not LIST.")));
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
