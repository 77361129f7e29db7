//! DescribeConfigs: properties of topics, of groups and of the broker, and where each value comes from.

use std::sync::Arc;

use millstream_protocol::message::create_topics::CreatableTopicConfigResult;
use millstream_protocol::message::describe_configs::{
    DescribeConfigsEntry, DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, DescribeConfigsResult,
    DescribeConfigsSynonym,
};
use millstream_protocol::{ErrorCode, Str};

use crate::broker::{Broker, NODE_ID};
use crate::catalog::check_name;
use crate::config::{BROKER, GROUP, Kind, Properties, Property, Source, TOPIC, topic_value};

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
                Err((code, sentence)) => (code, sentence, Vec::new()),
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
pub(crate) fn check_broker_name(name: &str) -> Result<(), (ErrorCode, String)> {
    if name.is_empty() || name == NODE_ID.to_string() {
        return Ok(());
    }
    let sentence = match name.parse::<i32>() {
        Ok(_) => format!("Unexpected broker id, expected {NODE_ID} or empty string, but received {name}"),
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    };
    Err((ErrorCode::INVALID_REQUEST, sentence))
}

fn describe(
    broker: &Broker,
    resource: &DescribeConfigsResource,
    request: &DescribeConfigsRequest,
) -> Result<Vec<DescribeConfigsEntry>, (ErrorCode, String)> {
    let wants = |property: &Property| {
        let keys = resource.configuration_keys.as_deref().unwrap_or_default();
        keys.is_empty() || keys.iter().any(|key| *key == property.name)
    };
    match resource.resource_type {
        TOPIC_RESOURCE => {
            check_name(&resource.resource_name).map_err(|sentence| (ErrorCode::INVALID_TOPIC_EXCEPTION, sentence))?;
            let topic = broker.catalog.get(&resource.resource_name).ok_or((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, String::new()))?;
            let properties = topic.properties();
            let levels = Levels { own: Some((&properties, Source::Topic)), broker: &broker.settings.properties };
            Ok(TOPIC.iter().filter(|property| wants(property)).map(|property| levels.entry(property, request)).collect())
        }
        BROKER_RESOURCE => {
            check_broker_name(&resource.resource_name)?;
            let levels = Levels { own: None, broker: &broker.settings.properties };
            let mut entries: Vec<_> =
                BROKER.iter().filter(|property| wants(property)).map(|property| levels.entry(property, request)).collect();
            let keys = resource.configuration_keys.as_deref().unwrap_or_default();
            entries.extend(facts(broker).filter(|entry| keys.is_empty() || keys.contains(&entry.name)));
            Ok(entries)
        }
        GROUP_RESOURCE if resource.resource_name.is_empty() => Err((ErrorCode::INVALID_REQUEST, "Group name must not be empty".into())),
        // Whether or not it is there.
        GROUP_RESOURCE => {
            let properties = broker.groups.properties(&resource.resource_name);
            let levels = Levels { own: Some((&properties, Source::Group)), broker: &broker.settings.properties };
            Ok(GROUP.iter().filter(|property| wants(property)).map(|property| levels.entry(property, request)).collect())
        }
        // There are no loggers whose level could be set one by one.
        BROKER_LOGGER_RESOURCE => check_broker_name(&resource.resource_name).map(|()| Vec::new()),
        other => Err((ErrorCode::INVALID_REQUEST, format!("Unexpected resource type UNKNOWN ({other})"))),
    }
}

/// What this broker is by how it was started, under Kafka's names.
fn facts(broker: &Broker) -> impl Iterator<Item = DescribeConfigsEntry> + use<> {
    let (host, port) = broker.advertised();
    let listener = format!("PLAINTEXT://{host}:{port}");
    let facts = [
        ("advertised.listeners", listener.clone()),
        ("broker.id", NODE_ID.to_string()),
        ("listeners", listener),
        ("log.dirs", broker.data_dir().display().to_string()),
        ("node.id", NODE_ID.to_string()),
    ];
    facts.into_iter().map(|(name, value)| DescribeConfigsEntry {
        name: Str::from_static(name),
        value: Some(value.into()),
        read_only: true,
        config_source: Source::Broker as i8,
        config_type: Kind::Text.number(),
        ..Default::default()
    })
}

/// The places that a value can come from.
struct Levels<'a> {
    /// What is set on the topic or the group.
    own: Option<(&'a Properties, Source)>,
    broker: &'a Properties,
}

impl Levels<'_> {
    /// Every level that has a value, nearest first.
    fn values(&self, property: &'static Property) -> Vec<(&'static str, String, Source)> {
        let mut values = Vec::new();
        if let Some((own, source)) = self.own
            && let Some(value) = own.get(property.name)
        {
            values.push((property.name, value.clone(), source));
        }
        let broker_name = property.broker_name.unwrap_or(property.name);
        if let Some(value) = self.broker.get(broker_name) {
            values.push((broker_name, value.clone(), Source::Broker));
        }
        values.push((broker_name, property.default.to_owned(), Source::Default));
        values
    }

    fn entry(&self, property: &'static Property, request: &DescribeConfigsRequest) -> DescribeConfigsEntry {
        let values = self.values(property);
        let (_, value, source) = values[0].clone();
        let synonyms = values.into_iter().map(|(name, value, source)| DescribeConfigsSynonym {
            name: Str::from_static(name),
            value: Some(value.into()),
            source: source as i8,
        });
        DescribeConfigsEntry {
            name: Str::from_static(property.name),
            value: Some(value.into()),
            // The broker's properties are set when it starts.
            read_only: self.own.is_none(),
            config_source: source as i8,
            synonyms: if request.include_synonyms { synonyms.collect() } else { Vec::new() },
            config_type: property.kind.number(),
            documentation: request.include_documentation.then(|| Str::from_static(property.documentation)),
            ..Default::default()
        }
    }
}

/// The properties of a topic that was just created.
pub(crate) fn created(broker: &Broker, properties: &Properties) -> Vec<CreatableTopicConfigResult> {
    TOPIC
        .iter()
        .map(|property| {
            let (value, source) = topic_value(properties, &broker.settings.properties, property);
            CreatableTopicConfigResult {
                name: Str::from_static(property.name),
                value: Some(value.into()),
                config_source: source as i8,
                ..Default::default()
            }
        })
        .collect()
}
