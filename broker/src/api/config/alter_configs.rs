//! AlterConfigs: all properties of a resource are replaced. A resource's changes hold together or not at all.

use std::sync::Arc;

use futures::future::BoxFuture;
use millstream_protocol::message::alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
use millstream_protocol::{ErrorCode, Response};

use super::altered::{alter, check_once, count, find, null_value, response, when_durable};
use crate::api::{Refused, administer_until};
use crate::broker::Broker;
use crate::config::Properties;
use crate::served::Served;

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
                    return Err(Refused::new(ErrorCode::INVALID_REQUEST, "Error due to duplicate config keys"));
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
