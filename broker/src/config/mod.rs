//! Every property that can be set, by Kafka's name: its type, range, default and what it does.
//!
//! [`property`] is the table, [`Properties`] a checked set of values, [`BrokerSettings`], [`TopicSettings`] and
//! `ConsumerSettings` what the code reads. A name that is not in the table is an error with a suggestion, never ignored.

pub(crate) mod group;
mod property;

use std::collections::BTreeMap;

use millstream_protocol::record::Codec;
use thiserror::Error;

use group::{Bounds, ConsumerSettings};
use property::ELSEWHERE;
pub use property::{BROKER, GROUP, Kind, Property, TOPIC, broker_property, group_property, topic_property};

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

/// Values by name. Only what differs from the defaults.
pub type Properties = BTreeMap<String, String>;

/// Checks one value for a topic.
pub fn check_topic_property(name: &str, value: &str) -> Result<(), ConfigError> {
    match ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == name) {
        Some((_, default)) if value.trim() == *default => Ok(()),
        Some((_, default)) => {
            let reason = format!("it means nothing here, and only Kafka's default is taken: {default:?}");
            Err(ConfigError::Invalid { name: name.to_owned(), value: value.to_owned(), reason })
        }
        None => check(topic_property(name), TOPIC, "topic", name, value),
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

/// Leaves out what means something elsewhere only: it was checked to be what is done anyway.
pub(crate) fn known_here(mut properties: Properties) -> Properties {
    properties.retain(|name, _| topic_property(name).is_some());
    properties
}

/// Checks one value for the broker.
pub fn check_broker_property(name: &str, value: &str) -> Result<(), ConfigError> {
    check(broker_property(name), BROKER, "broker", name, value)
}

fn check(
    found: Option<&'static Property>,
    table: &'static [Property],
    scope: &'static str,
    name: &str,
    value: &str,
) -> Result<(), ConfigError> {
    let Some(property) = found else {
        let suggestion = table.iter().map(|p| p.name).min_by_key(|known| distance(name, known)).filter(|known| distance(name, known) <= 4);
        return Err(ConfigError::Unknown { scope, name: name.to_owned(), suggestion });
    };
    property.kind.check(value).map_err(|reason| ConfigError::Invalid { name: name.to_owned(), value: value.to_owned(), reason })
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
    broker.get(name).map(String::as_str).unwrap_or_else(|| broker_property(name).map_or("", |property| property.default))
}

fn long(text: &str) -> i64 {
    text.trim().parse().unwrap_or_default()
}

/// A topic's value of a property: its own, else the broker's, else the default.
pub fn topic_value<'a>(topic: &'a Properties, broker: &'a Properties, property: &'static Property) -> (&'a str, Source) {
    if let Some(value) = topic.get(property.name) {
        return (value, Source::Topic);
    }
    match property.broker_name.and_then(|name| broker.get(name)) {
        Some(value) => (value, Source::Broker),
        None => (property.default, Source::Default),
    }
}

/// Where a value comes from, by the numbers of DescribeConfigs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    /// Set on the topic.
    Topic = 1,
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
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) timestamp_after_max_ms: i64,
    pub(crate) retention_ms: i64,
    pub(crate) retention_bytes: i64,
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
        let value = |name: &str| topic_property(name).map_or("", |property| topic_value(topic, broker, property).0);
        let number = |name: &str| long(value(name));
        let policy: Vec<&str> = value("cleanup.policy").split(',').map(str::trim).collect();
        TopicSettings {
            max_message_bytes: number("max.message.bytes").max(0) as u64,
            is_compacted: policy.contains(&"compact"),
            is_deleted_by_age: policy.contains(&"delete"),
            has_log_append_time: value("message.timestamp.type") == "LogAppendTime",
            codec: match value("compression.type").trim() {
                "uncompressed" => Some(Codec::None),
                "gzip" => Some(Codec::Gzip),
                "snappy" => Some(Codec::Snappy),
                "lz4" => Some(Codec::Lz4),
                "zstd" => Some(Codec::Zstd),
                _ => None,
            },
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
    /// What single consumer groups may ask for.
    pub consumer_bounds: Bounds,
    pub consumer_size_max: usize,
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
    pub(crate) num_partitions: i32,
    pub(crate) is_auto_create_enabled: bool,
    pub(crate) request_bytes_max: usize,
    pub(crate) queued_bytes_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) idle_ms_max: u64,
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
    /// Checks all properties and resolves them.
    pub fn new(properties: Properties) -> Result<Self, ConfigError> {
        for (name, value) in &properties {
            check_broker_property(name, value)?;
        }
        let text = |name: &str| broker_value(&properties, name);
        let number = |name: &str| long(text(name));
        let is_above = |name: &'static str, other: &'static str, least: i64, relation: &'static str| {
            if number(name) < number(other) + least { Err(ConfigError::Beside { name, relation, other }) } else { Ok(()) }
        };
        is_above("group.consumer.session.timeout.ms", "group.consumer.heartbeat.interval.ms", 1, "greater than")?;
        is_above("group.max.session.timeout.ms", "group.min.session.timeout.ms", 0, "greater than or equal to")?;
        Ok(BrokerSettings {
            num_partitions: number("num.partitions") as i32,
            is_auto_create_enabled: text("auto.create.topics.enable") == "true",
            request_bytes_max: number("socket.request.max.bytes") as usize,
            queued_bytes_max: number("queued.max.request.bytes") as usize,
            connections_max: number("max.connections") as usize,
            idle_ms_max: number("connections.max.idle.ms") as u64,
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
                consumer_bounds: Bounds::new(number)?,
                consumer_size_max: number("group.consumer.max.size") as usize,
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
    fn of_what_means_nothing_here_the_default_is_taken_and_not_kept() {
        let of = |name: &str, value: &str| Properties::from([(name.to_owned(), value.to_owned())]);
        for (name, default) in ELSEWHERE {
            assert!(topic_property(name).is_none());
            assert_eq!(check_topic_properties(&of(name, default), &Properties::new()), Ok(()));
            assert_eq!(known_here(of(name, default)), Properties::new());
        }
        let error = check_topic_property("unclean.leader.election.enable", "true").unwrap_err().to_string();
        assert!(error.contains("only Kafka's default is taken: \"false\""), "{error}");
    }

    #[test]
    fn every_default_is_a_legal_value() {
        for property in TOPIC.iter().chain(BROKER).chain(GROUP) {
            assert_eq!(property.kind.check(property.default), Ok(()), "{}", property.name);
        }
    }

    #[test]
    fn a_topic_inherits_from_the_broker() {
        let broker = Properties::from([("log.segment.bytes".into(), "2097152".into())]);
        assert_eq!(TopicSettings::new(&Properties::new(), &broker).log.segment_bytes, 2_097_152);
        let topic = Properties::from([("segment.bytes".into(), "1048576".into())]);
        assert_eq!(TopicSettings::new(&topic, &broker).log.segment_bytes, 1_048_576);
    }
}
