//! DescribeConfigs: properties of topics, of groups and of the broker, and where each value comes from.

use std::sync::Arc;

use millstream_protocol::message::create_topics::CreatableTopicConfigResult;
use millstream_protocol::message::describe_configs::{
    DescribeConfigsEntry, DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, DescribeConfigsResult,
    DescribeConfigsSynonym,
};
use millstream_protocol::{ErrorCode, Str};

use crate::api::Refused;
use crate::broker::Broker;
use crate::catalog::check_name;
use crate::config::{GROUP, Kind, Listener, Properties, Property, Source, TOPIC, Update, broker_properties, topic_value, with_other_units};
use crate::dynamic::Whose;

/// The number of a topic in requests about properties.
pub(crate) const TOPIC_RESOURCE: i8 = 2;
/// The number of a broker.
pub(crate) const BROKER_RESOURCE: i8 = 4;
/// Logging of a broker.
pub(crate) const BROKER_LOGGER_RESOURCE: i8 = 8;
/// The number of a group.
pub(crate) const GROUP_RESOURCE: i8 = 32;

pub(crate) fn describe_configs(broker: &Arc<Broker>, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request
        .resources
        .iter()
        .map(|resource| {
            let (error_code, error_message, configs) = match describe(broker, resource, &request) {
                Ok(configs) => (ErrorCode::NONE, String::new(), configs),
                Err(Refused { code, sentence }) => (code, sentence, Vec::new()),
            };
            DescribeConfigsResult {
                error_code,
                error_message: Some(error_message.into()),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                configs,
            }
        })
        .collect();
    DescribeConfigsResponse { results, ..Default::default() }
}

/// Whether a resource names this broker; the error is Kafka's.
pub(crate) fn check_broker_name(node_id: i32, name: &str) -> Result<(), Refused> {
    let sentence = match name.parse::<i32>() {
        _ if name.is_empty() => return Ok(()),
        Ok(id) if id == node_id => return Ok(()),
        Ok(_) => format!("Unexpected broker id, expected {node_id} or empty string, but received {name}"),
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    };
    Err(Refused::new(ErrorCode::INVALID_REQUEST, sentence))
}

fn describe(
    broker: &Broker,
    resource: &DescribeConfigsResource,
    request: &DescribeConfigsRequest,
) -> Result<Vec<DescribeConfigsEntry>, Refused> {
    let wants = |property: &Property| {
        let keys = resource.configuration_keys.as_deref().unwrap_or_default();
        keys.is_empty() || keys.iter().any(|key| *key == property.name)
    };
    match resource.resource_type {
        TOPIC_RESOURCE => {
            check_name(&resource.resource_name)?;
            let unknown = || Refused::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "");
            let topic = broker.catalog.get(&resource.resource_name).ok_or_else(unknown)?;
            let properties = topic.properties();
            let levels = Levels { own: Some((&properties, Source::Topic)), broker };
            Ok(TOPIC.iter().filter(|property| wants(property)).map(|property| levels.entry(property, request)).collect())
        }
        BROKER_RESOURCE => {
            check_broker_name(broker.node_id(), &resource.resource_name)?;
            let levels = Levels { own: None, broker };
            let all = broker_properties().filter(|property| wants(property));
            if resource.resource_name.is_empty() {
                // Of all brokers only what is set on all of them.
                let set = broker.dynamic.changed(Whose::AllBrokers);
                let of_all = all.filter(|property| set.contains_key(property.name));
                let told = |entry: DescribeConfigsEntry| of_all_brokers(entry);
                return Ok(of_all.map(|property| told(levels.entry(property, request))).collect());
            }
            let mut entries: Vec<_> = all.map(|property| levels.entry(property, request)).collect();
            facts(broker, &mut entries);
            entries.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
            Ok(entries)
        }
        GROUP_RESOURCE if resource.resource_name.is_empty() => {
            Err(Refused::new(ErrorCode::INVALID_REQUEST, "Group name must not be empty"))
        }
        // Whether or not it is there.
        GROUP_RESOURCE => {
            let properties = broker.groups.properties(&resource.resource_name);
            let levels = Levels { own: Some((&properties, Source::Group)), broker };
            Ok(GROUP.iter().filter(|property| wants(property)).map(|property| levels.entry(property, request)).collect())
        }
        // There are no loggers whose level could be set one by one.
        BROKER_LOGGER_RESOURCE => check_broker_name(broker.node_id(), &resource.resource_name).map(|()| Vec::new()),
        other => Err(Refused::new(ErrorCode::INVALID_REQUEST, format!("Unexpected resource type UNKNOWN ({other})"))),
    }
}

/// An entry with nothing but what is set on all brokers.
fn of_all_brokers(mut entry: DescribeConfigsEntry) -> DescribeConfigsEntry {
    entry.synonyms.retain(|synonym| synonym.source == Source::DynamicDefault as i8);
    if let Some(set) = entry.synonyms.first() {
        (entry.value, entry.config_source) = (set.value.clone(), Source::DynamicDefault as i8);
    }
    entry
}

/// Puts in what this broker is by how it was started, where the properties leave it open.
fn facts(broker: &Broker, entries: &mut [DescribeConfigsEntry]) {
    let listeners = broker.listeners();
    let list = |of: &dyn Fn(&Listener) -> String| listeners.iter().map(of).collect::<Vec<_>>().join(",");
    let advertised = |listener: &Listener| listener.advertised.as_ref().unwrap_or(&listener.address).to_string();
    let node_id = broker.node_id().to_string();
    let data_dir = broker.data_dir().display().to_string();
    let facts = [
        ("advertised.listeners", list(&|listener| format!("{}://{}", listener.name, advertised(listener)))),
        ("broker.id", node_id.clone()),
        ("cluster.id", broker.cluster_id().to_owned()),
        ("listener.security.protocol.map", list(&|listener| format!("{}:PLAINTEXT", listener.name))),
        ("listeners", list(&|listener| format!("{}://{}", listener.name, listener.address))),
        ("log.dir", data_dir.clone()),
        ("log.dirs", data_dir),
        ("node.id", node_id),
    ];
    for (name, value) in facts {
        if let Some(entry) = entries.iter_mut().find(|entry| entry.name == name) {
            (entry.value, entry.config_source) = (Some(value.into()), Source::Broker as i8);
        }
    }
}

/// The places that a value can come from.
struct Levels<'a> {
    /// What is set on the topic or the group.
    own: Option<(&'a Properties, Source)>,
    broker: &'a Broker,
}

impl Levels<'_> {
    /// Every level that has a value, nearest first.
    fn values(&self, property: &'static Property) -> Vec<(&'static str, Option<String>, Source)> {
        let mut values = Vec::new();
        if let Some((own, source)) = self.own
            && let Some(value) = own.get(property.name)
        {
            values.push((property.name, Some(value.clone()), source));
        }
        let of_broker = if self.own.is_some() { property.broker_name } else { Some(property.name) };
        for name in of_broker.into_iter().flat_map(with_other_units) {
            values.extend(self.broker.dynamic.values(name).into_iter().map(|(value, source)| (name, Some(value), source)));
        }
        let default = property.default.map(str::to_owned);
        values.push((of_broker.unwrap_or(property.name), default, Source::Default));
        values
    }

    fn entry(&self, property: &'static Property, request: &DescribeConfigsRequest) -> DescribeConfigsEntry {
        let values = self.values(property);
        let source = values.first().map_or(Source::Default, |(_, _, source)| *source);
        let value = match self.own {
            // In the topic's unit, whatever the broker's was.
            Some((own, Source::Topic)) => Some(topic_value(own, &self.broker.dynamic.settings().properties, property)),
            _ => values.first().and_then(|(_, value, _)| value.clone()),
        };
        let is_sensitive = property.kind == Kind::Password;
        let synonyms = values.into_iter().filter(|(_, value, _)| value.is_some()).map(|(name, value, source)| DescribeConfigsSynonym {
            name: Str::from_static(name),
            value: value.filter(|_| !is_sensitive).map(Into::into),
            source: source as i8,
        });
        DescribeConfigsEntry {
            name: Str::from_static(property.name),
            value: value.filter(|_| !is_sensitive).map(Into::into),
            read_only: self.own.is_none() && property.update == Update::ReadOnly,
            config_source: source as i8,
            is_sensitive,
            synonyms: if request.include_synonyms { synonyms.collect() } else { Vec::new() },
            config_type: property.kind.number(),
            documentation: request.include_documentation.then(|| Str::from_static(property.documentation)),
        }
    }
}

/// The properties of a topic that was just created.
pub(crate) fn created(broker: &Broker, properties: &Properties) -> Vec<CreatableTopicConfigResult> {
    TOPIC
        .iter()
        .map(|property| {
            let levels = Levels { own: Some((properties, Source::Topic)), broker };
            let entry = levels.entry(property, &DescribeConfigsRequest::default());
            CreatableTopicConfigResult { name: entry.name, value: entry.value, config_source: entry.config_source, ..Default::default() }
        })
        .collect()
}
