//! Every property that can be set, by Kafka's name: its type, range, default and what it does.
//!
//! `property` says what a property is; `topic`, `broker` and `idle` are the tables. [`Properties`] is a checked set of values;
//! [`BrokerSettings`], [`TopicSettings`], `ConsumerSettings` and `ShareSettings` are what the code reads. A name that is in no table is an error with a
//! suggestion, never ignored.

mod broker;
pub(crate) mod group;
mod idle;
mod listener;
mod property;
pub(crate) mod share;
mod topic;

use std::collections::BTreeMap;

use millstream_protocol::Endpoint;
use millstream_protocol::record::Codec;
use thiserror::Error;

pub use broker::{BROKER, GROUP};
use group::{Bounds, ConsumerSettings};
pub use idle::IDLE;
pub use listener::Listener;
pub use property::{Kind, Property, Update, broker_properties, broker_property, group_property, topic_property};
use share::ShareSettings;
pub use topic::TOPIC;

/// Why a property cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// No such property.
    #[error("Unknown {scope} config name: {name}{}", suggestion.as_ref().map(|s| format!(" (did you mean {s}?)")).unwrap_or_default())]
    Unknown {
        /// "topic", "broker" or "group".
        scope: &'static str,
        /// The name.
        name: String,
        /// The nearest name of the table.
        suggestion: Option<&'static str>,
    },
    /// Not a value of its type, or out of range.
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Invalid {
        /// The property.
        name: String,
        /// The value.
        value: String,
        /// Why not.
        reason: String,
    },
    /// A value by itself, but not beside that of another property.
    #[error("{name} must be {relation} {other}")]
    Beside {
        /// The property.
        name: &'static str,
        /// How it has to be.
        relation: &'static str,
        /// The other one.
        other: &'static str,
    },
}

const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
const ONE_REPLICA: &str = "one node has one replica, and acks=all could not wait for more";

/// Values by name. Only what differs from the defaults.
pub type Properties = BTreeMap<String, String>;

/// Checks one value for a topic.
pub fn check_topic_property(name: &str, value: &str) -> Result<(), ConfigError> {
    check(topic_property(name), TOPIC.iter(), "topic", name, value)?;
    let refuse =
        |reason: &str| Err(ConfigError::Invalid { name: name.to_owned(), value: value.trim().to_owned(), reason: reason.to_owned() });
    match (name, value.trim()) {
        ("remote.storage.enable", on) if on.eq_ignore_ascii_case("true") => {
            refuse("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.")
        }
        (MIN_INSYNC_REPLICAS, more) if more != "1" => refuse(ONE_REPLICA),
        _ => Ok(()),
    }
}

/// Checks what is set on a topic: each value, and all beside one another and those of the broker.
pub(crate) fn check_topic_properties(topic: &Properties, broker: &Properties) -> Result<(), ConfigError> {
    topic.iter().try_for_each(|(name, value)| check_topic_property(name, value))?;
    let settings = TopicSettings::new(topic, broker);
    if settings.min_compaction_lag_ms > settings.max_compaction_lag_ms {
        let (name, other) = ("max.compaction.lag.ms", "min.compaction.lag.ms");
        return Err(ConfigError::Beside { name, relation: "greater than or equal to", other });
    }
    Ok(())
}

/// A topic's properties as they are kept and told.
pub(crate) fn plain(properties: Properties) -> Properties {
    let plain = |(name, value): (String, String)| {
        let plain = topic_property(&name).map_or_else(|| value.clone(), |property| property.kind.plain(&value));
        (name, plain)
    };
    properties.into_iter().map(plain).collect()
}

/// Checks one value for the broker.
pub fn check_broker_property(name: &str, value: &str) -> Result<(), ConfigError> {
    let property = broker_property(name);
    check(property, broker_properties(), "broker", name, value)?;
    let refuse = |reason: &str| Err(ConfigError::Invalid { name: name.to_owned(), value: value.to_owned(), reason: reason.to_owned() });
    match property {
        Some(property) if property.default == Some(value.trim()) => Ok(()),
        Some(property) if idle::is_promise(property) => {
            refuse("there is neither encryption nor authentication yet, and the setting would promise one")
        }
        Some(property) if property.name == MIN_INSYNC_REPLICAS => refuse(ONE_REPLICA),
        _ => Ok(()),
    }
}

fn check(
    found: Option<&'static Property>,
    table: impl Iterator<Item = &'static Property>,
    scope: &'static str,
    name: &str,
    value: &str,
) -> Result<(), ConfigError> {
    let Some(property) = found else {
        let suggestion = table.map(|p| p.name).min_by_key(|known| distance(name, known)).filter(|known| distance(name, known) <= 4);
        return Err(ConfigError::Unknown { scope, name: name.to_owned(), suggestion });
    };
    property.kind.check(value).map_err(|reason| ConfigError::Invalid { name: name.to_owned(), value: value.trim().to_owned(), reason })
}

/// How many letters differ.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn broker_value<'a>(broker: &'a Properties, name: &str) -> &'a str {
    broker.get(name).map(String::as_str).unwrap_or_else(|| broker_property(name).map_or("", Property::default_text))
}

fn long(text: &str) -> i64 {
    text.trim().parse().unwrap_or_default()
}

/// The broker's properties that stand for another one when that is not set, nearest first, each with the milliseconds of its unit.
const IN_OTHER_UNITS: &[(&str, &[(&str, i64)])] = &[
    ("log.retention.ms", &[("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)]),
    ("log.roll.ms", &[("log.roll.hours", 3_600_000)]),
];

/// A property of the broker and those that stand for it in another unit, nearest first.
pub(crate) fn with_other_units(name: &'static str) -> impl Iterator<Item = &'static str> {
    let others = IN_OTHER_UNITS.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, others)| others);
    [name].into_iter().chain(others.iter().map(|(other, _)| *other))
}

/// What the broker's properties say of one, in its unit, if they say anything.
fn broker_says(broker: &Properties, name: &str) -> Option<String> {
    if let Some(value) = broker.get(name) {
        return Some(value.clone());
    }
    let (_, others) = IN_OTHER_UNITS.iter().find(|(of, _)| *of == name)?;
    let (value, unit_ms) = others.iter().find_map(|(other, unit_ms)| Some((long(broker.get(*other)?), *unit_ms)))?;
    Some(if value < 0 { value } else { value.saturating_mul(unit_ms) }.to_string())
}

/// A topic's value of a property: its own, else the broker's, else the default.
pub fn topic_value(topic: &Properties, broker: &Properties, property: &'static Property) -> String {
    let of_broker = || property.broker_name.and_then(|name| broker_says(broker, name));
    topic.get(property.name).cloned().or_else(of_broker).unwrap_or_else(|| property.default_text().to_owned())
}

/// Where a value comes from, by the numbers of DescribeConfigs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    /// Set on the topic.
    Topic = 1,
    /// Set on this broker at runtime.
    DynamicBroker = 2,
    /// Set on all brokers at runtime.
    DynamicDefault = 3,
    /// Set when the broker was started.
    Broker = 4,
    /// Nobody set it.
    Default = 5,
    /// Set on the group.
    Group = 8,
}

/// What a partition needs to know of its topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicSettings {
    pub(crate) max_message_bytes: u64,
    pub(crate) is_compacted: bool,
    pub(crate) is_deleted_by_age: bool,
    pub(crate) has_log_append_time: bool,
    /// The codec that the broker gives to every batch; `None`: as by the producer.
    pub(crate) codec: Option<Codec>,
    pub(crate) codec_level: Option<i32>,
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) timestamp_after_max_ms: i64,
    pub(crate) retention_ms: i64,
    pub(crate) retention_bytes: i64,
    /// Share groups may write dead letters to it.
    pub(crate) takes_dead_letters: bool,
    pub(crate) flush_messages: i64,
    pub(crate) flush_ms: i64,
    pub(crate) delete_retention_ms: i64,
    pub(crate) min_cleanable_ratio: f64,
    pub(crate) min_compaction_lag_ms: i64,
    pub(crate) max_compaction_lag_ms: i64,
    pub(crate) log: crate::log::LogSettings,
}

impl TopicSettings {
    /// Resolves all levels.
    pub fn new(topic: &Properties, broker: &Properties) -> Self {
        let value = |name: &str| topic_property(name).map(|property| topic_value(topic, broker, property)).unwrap_or_default();
        let number = |name: &str| long(&value(name));
        let policies = value("cleanup.policy");
        let policy: Vec<&str> = policies.split(',').map(str::trim).collect();
        let codec = Codec::from_name(&value("compression.type").trim().replace("uncompressed", "none"));
        TopicSettings {
            max_message_bytes: number("max.message.bytes").max(0) as u64,
            is_compacted: policy.contains(&"compact"),
            is_deleted_by_age: policy.contains(&"delete"),
            takes_dead_letters: value("errors.deadletterqueue.group.enable").trim().eq_ignore_ascii_case("true"),
            has_log_append_time: value("message.timestamp.type") == "LogAppendTime",
            codec_level: match codec {
                Some(Codec::Gzip) => Some(number("compression.gzip.level") as i32).filter(|level| *level > 0),
                Some(Codec::Zstd) => Some(number("compression.zstd.level") as i32),
                _ => None,
            },
            codec,
            timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
            retention_ms: number("retention.ms"),
            retention_bytes: number("retention.bytes"),
            flush_messages: number("flush.messages"),
            flush_ms: number("flush.ms"),
            delete_retention_ms: number("delete.retention.ms"),
            min_cleanable_ratio: value("min.cleanable.dirty.ratio").trim().parse().unwrap_or(0.5),
            min_compaction_lag_ms: number("min.compaction.lag.ms"),
            max_compaction_lag_ms: number("max.compaction.lag.ms"),
            log: crate::log::LogSettings {
                segment_bytes: number("segment.bytes").max(1) as u64,
                segment_ms: number("segment.ms"),
                index_interval_bytes: number("index.interval.bytes").max(0) as u64,
            },
        }
    }

    /// Whether `acks=all` waits for stable storage: it does unless somebody has said otherwise.
    pub(crate) fn is_synced_before_ack(&self) -> bool {
        self.flush_messages <= 1
    }
}

/// What the coordinator of groups reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupSettings {
    pub initial_rebalance_delay_ms: i64,
    pub session_timeout_ms: std::ops::RangeInclusive<i64>,
    pub size_max: usize,
    pub metadata_max: usize,
    pub offsets_retention_ms: i64,
    pub offsets_check_ms: i64,
    /// Of consumer groups that ask for nothing else.
    pub consumer: ConsumerSettings,
    pub consumer_size_max: usize,
    /// Of share groups that ask for nothing else.
    pub share: ShareSettings,
    /// How the names of topics for dead letters begin.
    pub dead_letter_prefix: String,
    pub share_size_max: usize,
    /// Share sessions of this broker.
    pub share_sessions_max: usize,
    /// What single groups may ask for.
    pub bounds: Bounds,
    /// Whether classic groups with members become consumer groups when a consumer joins.
    pub is_upgrade_allowed: bool,
    /// Whether consumer groups become classic ones when the last consumer has gone.
    pub is_downgrade_allowed: bool,
    pub assignors: Vec<String>,
}

/// What the coordinator of transactions reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TransactionSettings {
    pub timeout_ms_max: i64,
    pub expiration_ms: i64,
    pub check_ms: i64,
}

/// What the broker itself reads.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerSettings {
    pub(crate) properties: Properties,
    pub(crate) node_id: i32,
    pub(crate) cluster_id: Option<String>,
    pub(crate) listeners: Vec<Listener>,
    /// The advertised address of a listener that is no property.
    pub(crate) advertised: Option<Endpoint>,
    pub(crate) num_partitions: i32,
    pub(crate) is_auto_create_enabled: bool,
    pub(crate) request_bytes_max: usize,
    pub(crate) queued_bytes_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) idle_ms_max: u64,
    /// `None`: the system's own.
    pub(crate) send_buffer_bytes: Option<usize>,
    pub(crate) fetch_bytes_max: usize,
    pub(crate) fetch_sessions_max: usize,
    pub(crate) retention_check_ms: u64,
    pub(crate) producer_expiration_ms: i64,
    pub(crate) tail_bytes_max: usize,
    pub(crate) is_delete_enabled: bool,
    pub(crate) cleaner_backoff_ms: u64,
    pub(crate) groups: GroupSettings,
    pub(crate) transactions: TransactionSettings,
}

impl BrokerSettings {
    /// The listeners that the properties name; none if they do not.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// The advertised address of a listener that the properties do not name.
    pub fn advertised(&self) -> Option<&Endpoint> {
        self.advertised.as_ref()
    }

    /// Checks all properties and resolves them.
    pub fn new(properties: Properties) -> Result<Self, ConfigError> {
        for (name, value) in &properties {
            check_broker_property(name, value)?;
        }
        if let Some(name) = ["log.dir", "log.dirs"].into_iter().find(|name| properties.contains_key(*name)) {
            let reason = "the directory is given with --data-dir".to_owned();
            return Err(ConfigError::Invalid { name: name.to_owned(), value: properties[name].clone(), reason });
        }
        let text = |name: &str| broker_value(&properties, name);
        let number = |name: &str| long(text(name));
        let is_above = |name: &'static str, other: &'static str, least: i64, relation: &'static str| {
            if number(name) < number(other) + least { Err(ConfigError::Beside { name, relation, other }) } else { Ok(()) }
        };
        is_above("group.consumer.session.timeout.ms", "group.consumer.heartbeat.interval.ms", 1, "greater than")?;
        is_above("group.share.session.timeout.ms", "group.share.heartbeat.interval.ms", 1, "greater than")?;
        is_above("group.max.session.timeout.ms", "group.min.session.timeout.ms", 0, "greater than or equal to")?;
        let node_id = properties.get("node.id").or_else(|| properties.get("broker.id")).map_or(1, |id| long(id) as i32);
        if properties.get("broker.id").is_some_and(|id| long(id) != i64::from(node_id)) {
            return Err(ConfigError::Beside { name: "broker.id", relation: "the same as", other: "node.id" });
        }
        Ok(BrokerSettings {
            node_id,
            cluster_id: properties.get("cluster.id").map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()),
            listeners: listener::listeners(&properties)?,
            advertised: listener::advertised_of_one(&properties)?,
            num_partitions: number("num.partitions") as i32,
            is_auto_create_enabled: text("auto.create.topics.enable") == "true",
            request_bytes_max: number("socket.request.max.bytes") as usize,
            queued_bytes_max: number("queued.max.request.bytes") as usize,
            connections_max: number("max.connections") as usize,
            idle_ms_max: number("connections.max.idle.ms") as u64,
            send_buffer_bytes: usize::try_from(number("socket.send.buffer.bytes")).ok(),
            fetch_bytes_max: number("fetch.max.bytes") as usize,
            fetch_sessions_max: number("max.incremental.fetch.session.cache.slots") as usize,
            retention_check_ms: number("log.retention.check.interval.ms") as u64,
            producer_expiration_ms: number("producer.id.expiration.ms"),
            tail_bytes_max: number("millstream.tail.max.bytes") as usize,
            is_delete_enabled: text("delete.topic.enable") == "true",
            cleaner_backoff_ms: number("log.cleaner.backoff.ms") as u64,
            groups: GroupSettings {
                initial_rebalance_delay_ms: number("group.initial.rebalance.delay.ms"),
                session_timeout_ms: number("group.min.session.timeout.ms")..=number("group.max.session.timeout.ms"),
                size_max: number("group.max.size") as usize,
                metadata_max: number("offset.metadata.max.bytes") as usize,
                offsets_retention_ms: number("offsets.retention.minutes") * 60_000,
                offsets_check_ms: number("offsets.retention.check.interval.ms"),
                consumer: ConsumerSettings {
                    session_timeout_ms: number("group.consumer.session.timeout.ms"),
                    heartbeat_ms: number("group.consumer.heartbeat.interval.ms"),
                    assignment_interval_ms: number("group.consumer.assignment.interval.ms"),
                },
                consumer_size_max: number("group.consumer.max.size") as usize,
                share: ShareSettings::of_broker(number),
                dead_letter_prefix: text("errors.deadletterqueue.topic.name.prefix").trim().to_owned(),
                share_size_max: number("group.share.max.size") as usize,
                share_sessions_max: number("group.share.max.share.sessions") as usize,
                bounds: Bounds::new(number)?,
                is_upgrade_allowed: matches!(text("group.consumer.migration.policy"), "bidirectional" | "upgrade"),
                is_downgrade_allowed: matches!(text("group.consumer.migration.policy"), "bidirectional" | "downgrade"),
                assignors: text("group.consumer.assignors").split(',').map(|name| name.trim().to_owned()).collect(),
            },
            transactions: TransactionSettings {
                timeout_ms_max: number("transaction.max.timeout.ms"),
                expiration_ms: number("transactional.id.expiration.ms"),
                check_ms: number("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            },
            properties,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_gets_a_suggestion_and_a_bad_value_a_reason() {
        let error = check_topic_property("retention.m", "1").unwrap_err();
        assert!(error.to_string().contains("did you mean retention.ms?"), "{error}");
        let error = check_topic_property("retention.ms", "abc").unwrap_err();
        assert_eq!(error.to_string(), "Invalid value abc for configuration retention.ms: Not a number of type LONG");
        assert!(check_broker_property("num.partitions", "0").is_err());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refusal = |values: &[(&str, &str)]| {
            let properties = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            BrokerSettings::new(properties).unwrap_err().to_string()
        };
        let sentence = "group.consumer.session.timeout.ms must be greater than group.consumer.heartbeat.interval.ms";
        assert_eq!(refusal(&[("group.consumer.heartbeat.interval.ms", "45000")]), sentence);
        let sentence = "group.max.session.timeout.ms must be greater than or equal to group.min.session.timeout.ms";
        assert_eq!(refusal(&[("group.min.session.timeout.ms", "1800001")]), sentence);
    }

    #[test]
    fn what_means_nothing_here_is_taken_and_what_would_promise_something_is_not() {
        for (name, value) in [
            ("file.delete.delay.ms", "0"),
            ("segment.jitter.ms", "604800001"),
            ("preallocate", "TRUE"),
            ("unclean.leader.election.enable", "true"),
            ("leader.replication.throttled.replicas", "*"),
            ("follower.replication.throttled.replicas", "0:0,1:0"),
            ("local.retention.ms", "1"),
            ("remote.log.copy.disable", "true"),
            ("segment.index.bytes", "4"),
            ("compression.lz4.level", "17"),
            ("cleanup.policy", ""),
        ] {
            assert_eq!(check_topic_property(name, value), Ok(()), "{name}");
        }
        for (name, value, reason) in [
            ("remote.storage.enable", "true", "Tiered Storage functionality is disabled in the broker."),
            ("min.insync.replicas", "2", "one node has one replica"),
            ("leader.replication.throttled.replicas", "none", "must be the literal '*'"),
            ("segment.index.bytes", "3", "Value must be at least 4"),
            ("compression.gzip.level", "0", "Value must be between 1 and 9 or equal to -1"),
            ("compression.lz4.level", "18", "Value must be no more than 17"),
            ("cleanup.policy", "compact,", "values must not be empty"),
            ("local.retention.ms", "-3", "Value must be at least -2"),
        ] {
            let error = check_topic_property(name, value).unwrap_err().to_string();
            assert!(error.contains(reason), "{name}: {error}");
        }
        let error = check_broker_property("ssl.keystore.location", "/tmp/x").unwrap_err().to_string();
        assert!(error.contains("neither encryption nor authentication"), "{error}");
        assert_eq!(check_broker_property("num.io.threads", "16"), Ok(()));
        let error = check_broker_property("min.insync.replicas", "2").unwrap_err().to_string();
        assert!(error.contains("one node has one replica"), "{error}");
        assert_eq!(check_broker_property("min.insync.replicas", "1"), Ok(()));
        assert!(check_broker_property("offsets.topic.replication.factor", "3").is_err());
    }

    #[test]
    fn values_are_kept_in_their_plain_form() {
        let of = |name: &str, value: &str| plain(Properties::from([(name.to_owned(), value.to_owned())]))[name].clone();
        assert_eq!(of("preallocate", " TRUE "), "true");
        assert_eq!(of("retention.ms", " 7000 "), "7000");
        assert_eq!(of("min.cleanable.dirty.ratio", ".5"), "0.5");
        assert_eq!(of("min.cleanable.dirty.ratio", "0"), "0.0");
        assert_eq!(of("cleanup.policy", "compact, delete,compact"), "compact,delete");
    }

    #[test]
    fn every_default_is_a_legal_value_and_every_name_stands_once() {
        for property in TOPIC.iter().chain(broker_properties()).chain(GROUP) {
            assert_eq!(property.default.map_or(Ok(()), |default| property.kind.check(default)), Ok(()), "{}", property.name);
        }
        for table in [TOPIC, GROUP] {
            assert!(table.is_sorted_by(|one, other| one.name < other.name));
        }
        let names: std::collections::BTreeSet<&str> = broker_properties().map(|property| property.name).collect();
        assert_eq!(names.len(), broker_properties().count());
        for property in TOPIC {
            assert!(property.broker_name.is_none_or(|name| names.contains(name)), "{}", property.name);
        }
    }

    #[test]
    fn ages_may_be_given_in_other_units() {
        let retention = |pairs: &[(&str, &str)]| {
            let broker = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            TopicSettings::new(&Properties::new(), &broker).retention_ms
        };
        assert_eq!(retention(&[("log.retention.hours", "2")]), 7_200_000);
        assert_eq!(retention(&[("log.retention.hours", "2"), ("log.retention.minutes", "3")]), 180_000);
        assert_eq!(retention(&[("log.retention.hours", "2"), ("log.retention.ms", "5")]), 5);
        assert_eq!(retention(&[("log.retention.hours", "-1")]), -1);
        assert_eq!(retention(&[]), 604_800_000);
    }

    #[test]
    fn a_topic_inherits_from_the_broker() {
        let broker = Properties::from([("log.segment.bytes".into(), "2097152".into())]);
        assert_eq!(TopicSettings::new(&Properties::new(), &broker).log.segment_bytes, 2_097_152);
        let topic = Properties::from([("segment.bytes".into(), "1048576".into())]);
        assert_eq!(TopicSettings::new(&topic, &broker).log.segment_bytes, 1_048_576);
    }
}
