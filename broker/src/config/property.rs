//! The table of properties.

/// The type of a value, with its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Some of these words, separated by commas.
    List(&'static [&'static str]),
    /// 32 bits, at least this.
    Int(i64),
    /// 64 bits, at least this.
    Long(i64),
    /// A share from 0 to 1.
    Ratio,
}

impl Kind {
    /// Checks a value; the error is Kafka's sentence where it has one.
    pub fn check(self, value: &str) -> Result<(), String> {
        let value = value.trim();
        let at_least = |least: i64, number: i64| {
            if number < least { Err(format!("Value must be at least {least}")) } else { Ok(()) }
        };
        match self {
            Kind::Text => Ok(()),
            Kind::Boolean if matches!(value.to_ascii_lowercase().as_str(), "true" | "false") => Ok(()),
            Kind::Boolean => Err("Expected value to be either true or false".into()),
            Kind::Choice(words) if words.contains(&value) => Ok(()),
            Kind::Choice(words) => Err(format!("String must be one of: {}", words.join(", "))),
            Kind::List(words) => match value.split(',').map(str::trim).find(|word| !word.is_empty() && !words.contains(word)) {
                Some(_) => Err(format!("String must be one of: {}", words.join(", "))),
                None => Ok(()),
            },
            Kind::Int(least) => value.parse::<i32>().map_err(|_| "Not a number of type INT".into()).and_then(|n| at_least(least, n.into())),
            Kind::Long(least) => value.parse::<i64>().map_err(|_| "Not a number of type LONG".into()).and_then(|n| at_least(least, n)),
            Kind::Ratio => match value.parse::<f64>() {
                Ok(share) if (0.0..=1.0).contains(&share) => Ok(()),
                Ok(_) => Err("Value must be between 0 and 1".into()),
                Err(_) => Err("Not a number of type DOUBLE".into()),
            },
        }
    }

    /// The number of the type in DescribeConfigs.
    pub fn number(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::Text | Kind::Choice(_) => 2,
            Kind::Int(_) => 3,
            Kind::Long(_) => 5,
            Kind::Ratio => 6,
            Kind::List(_) => 7,
        }
    }
}

/// A property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it is when nobody set it.
    pub default: &'static str,
    /// For a topic's property: the broker's property that it falls back to.
    pub broker_name: Option<&'static str>,
    /// What it does.
    pub documentation: &'static str,
}

const fn topic(name: &'static str, broker_name: &'static str, kind: Kind, default: &'static str, documentation: &'static str) -> Property {
    Property { name, kind, default, broker_name: Some(broker_name), documentation }
}

const fn broker(name: &'static str, kind: Kind, default: &'static str, documentation: &'static str) -> Property {
    Property { name, kind, default, broker_name: None, documentation }
}

const POLICY: Kind = Kind::List(&["compact", "delete"]);
const COMPRESSION: Kind = Kind::Choice(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]);
const TIMESTAMP_TYPE: Kind = Kind::Choice(&["CreateTime", "LogAppendTime"]);

/// The properties of topics, by name.
pub const TOPIC: &[Property] = &[
    topic(
        "cleanup.policy",
        "log.cleanup.policy",
        POLICY,
        "delete",
        "What happens to old segments: delete removes them by age and size; compact keeps the newest record of every key, and demands one of every record.",
    ),
    topic(
        "compression.type",
        "compression.type",
        COMPRESSION,
        "producer",
        "How batches are compressed: as by their producer, or by the broker if a codec is named.",
    ),
    topic(
        "delete.retention.ms",
        "log.cleaner.delete.retention.ms",
        Kind::Long(0),
        "86400000",
        "How long a deletion (a key with a null value) stays in a compacted topic, so that readers see it.",
    ),
    topic(
        "flush.messages",
        "log.flush.interval.messages",
        Kind::Long(1),
        "1",
        "With 1, acks=all is answered once the record is on stable storage. A larger value answers when the operating system has it, and syncs each time this many records have come: faster, and what was acknowledged is lost with the power.",
    ),
    topic(
        "flush.ms",
        "log.flush.interval.ms",
        Kind::Long(0),
        "9223372036854775807",
        "Records that no sync has covered are synced after this time.",
    ),
    topic("index.interval.bytes", "log.index.interval.bytes", Kind::Int(0), "4096", "Bytes of log between two entries of the index."),
    topic(
        "max.compaction.lag.ms",
        "log.cleaner.max.compaction.lag.ms",
        Kind::Long(1),
        "9223372036854775807",
        "A record waits no longer than this to be compacted, however little there is to compact.",
    ),
    topic("max.message.bytes", "message.max.bytes", Kind::Int(0), "1048588", "The largest batch, compressed."),
    topic(
        "message.timestamp.after.max.ms",
        "log.message.timestamp.after.max.ms",
        Kind::Long(0),
        "3600000",
        "How far ahead of the broker's clock a timestamp may be.",
    ),
    topic(
        "message.timestamp.before.max.ms",
        "log.message.timestamp.before.max.ms",
        Kind::Long(0),
        "9223372036854775807",
        "How far behind the broker's clock a timestamp may be.",
    ),
    topic(
        "message.timestamp.type",
        "log.message.timestamp.type",
        TIMESTAMP_TYPE,
        "CreateTime",
        "Whose time a record has: its producer's or the broker's.",
    ),
    topic(
        "min.cleanable.dirty.ratio",
        "log.cleaner.min.cleanable.ratio",
        Kind::Ratio,
        "0.5",
        "The share of a log that was not compacted yet at which it is.",
    ),
    topic(
        "min.compaction.lag.ms",
        "log.cleaner.min.compaction.lag.ms",
        Kind::Long(0),
        "0",
        "A record is not compacted before it is this old.",
    ),
    topic(
        "min.insync.replicas",
        "min.insync.replicas",
        Kind::Int(1),
        "1",
        "How many replicas acks=all waits for, at most as many as there are, and that is one.",
    ),
    topic(
        "retention.bytes",
        "log.retention.bytes",
        Kind::Long(i64::MIN),
        "-1",
        "Old segments beyond this size of a partition are removed; -1: never.",
    ),
    topic("retention.ms", "log.retention.ms", Kind::Long(-1), "604800000", "Segments whose newest record is older are removed; -1: never."),
    topic("segment.bytes", "log.segment.bytes", Kind::Int(14), "1073741824", "The size at which a segment ends."),
    topic("segment.ms", "log.roll.ms", Kind::Long(1), "604800000", "The age at which a segment ends."),
];

const fn group(name: &'static str, broker_name: &'static str, kind: Kind, default: &'static str, documentation: &'static str) -> Property {
    Property { name, kind, default, broker_name: Some(broker_name), documentation }
}

/// The properties of single groups, by name.
pub const GROUP: &[Property] = &[
    group(
        "consumer.assignment.interval.ms",
        "group.consumer.assignment.interval.ms",
        Kind::Int(0),
        "0",
        "The least time between two assignments of the consumer group: who comes or goes meanwhile waits for one of all.",
    ),
    group(
        "consumer.heartbeat.interval.ms",
        "group.consumer.heartbeat.interval.ms",
        Kind::Int(1),
        "300",
        "How often members of the consumer group show that they are there, and hear of what changed.",
    ),
    group(
        "consumer.session.timeout.ms",
        "group.consumer.session.timeout.ms",
        Kind::Int(1),
        "45000",
        "A member of the consumer group that is silent for this long is gone.",
    ),
];

/// Kafka's properties of topics that mean nothing on one node with one disk, with their defaults: a topic that says no more than
/// what is done anyway can be made here as it is there.
pub(super) const ELSEWHERE: &[(&str, &str)] = &[
    ("file.delete.delay.ms", "60000"),
    ("follower.replication.throttled.replicas", ""),
    ("leader.replication.throttled.replicas", ""),
    ("local.retention.bytes", "-2"),
    ("local.retention.ms", "-2"),
    ("preallocate", "false"),
    ("remote.log.copy.disable", "false"),
    ("remote.log.delete.on.disable", "false"),
    ("remote.storage.enable", "false"),
    ("segment.index.bytes", "10485760"),
    ("segment.jitter.ms", "0"),
    ("unclean.leader.election.enable", "false"),
];

/// The properties of the broker, by name.
pub const BROKER: &[Property] = &[
    broker("auto.create.topics.enable", Kind::Boolean, "true", "Whether a topic is created when somebody asks for it."),
    broker("compression.type", COMPRESSION, "producer", "See the topic property of the same name."),
    broker("connections.max.idle.ms", Kind::Long(1), "600000", "A connection that is silent for this long is closed."),
    broker("delete.topic.enable", Kind::Boolean, "true", "Whether topics can be deleted."),
    broker("fetch.max.bytes", Kind::Int(1024), "57671680", "The most that one answer to a fetch carries."),
    broker(
        "group.consumer.assignment.interval.ms",
        Kind::Int(0),
        "0",
        "The least time between two assignments of a consumer group: who comes or goes meanwhile waits for one of all. With Kafka's 1000 a group would not settle before that.",
    ),
    broker(
        "group.consumer.assignors",
        Kind::List(&["uniform", "range"]),
        "uniform,range",
        "The assignors of consumer groups; the first one is taken when no member asks for another.",
    ),
    broker(
        "group.consumer.heartbeat.interval.ms",
        Kind::Int(1),
        "300",
        "How often members of consumer groups show that they are there, and hear of what changed; members of a group of hundreds a little less often. With Kafka's 5000 a group takes seconds to settle after a member has gone.",
    ),
    broker(
        "group.consumer.max.assignment.interval.ms",
        Kind::Int(0),
        "15000",
        "The most that a group may set its consumer.assignment.interval.ms to.",
    ),
    broker(
        "group.consumer.max.heartbeat.interval.ms",
        Kind::Int(1),
        "15000",
        "The most that a group may set its consumer.heartbeat.interval.ms to.",
    ),
    broker(
        "group.consumer.max.session.timeout.ms",
        Kind::Int(1),
        "60000",
        "The most that a group may set its consumer.session.timeout.ms to.",
    ),
    broker("group.consumer.max.size", Kind::Int(1), "2147483647", "The most members of a consumer group."),
    broker(
        "group.consumer.migration.policy",
        Kind::Choice(&["bidirectional", "upgrade", "downgrade", "disabled"]),
        "bidirectional",
        "Whether a group may move between the classic and the consumer protocol while it has members.",
    ),
    broker(
        "group.consumer.min.assignment.interval.ms",
        Kind::Int(0),
        "0",
        "The least that a group may set its consumer.assignment.interval.ms to.",
    ),
    broker(
        "group.consumer.min.heartbeat.interval.ms",
        Kind::Int(1),
        "100",
        "The least that a group may set its consumer.heartbeat.interval.ms to.",
    ),
    broker(
        "group.consumer.min.session.timeout.ms",
        Kind::Int(1),
        "45000",
        "The least that a group may set its consumer.session.timeout.ms to.",
    ),
    broker(
        "group.consumer.session.timeout.ms",
        Kind::Int(1),
        "45000",
        "A member of a consumer group that is silent for this long is gone.",
    ),
    broker(
        "group.initial.rebalance.delay.ms",
        Kind::Int(0),
        "3000",
        "How long the first rebalance of an empty group waits for more members.",
    ),
    broker("group.max.session.timeout.ms", Kind::Int(1), "1800000", "The longest session timeout that a member may ask for."),
    broker("group.max.size", Kind::Int(1), "2147483647", "The most members of a classic group."),
    broker("group.min.session.timeout.ms", Kind::Int(1), "6000", "The shortest session timeout that a member may ask for."),
    broker("log.cleaner.backoff.ms", Kind::Long(0), "15000", "How often logs to be compacted are looked for."),
    broker("log.cleaner.delete.retention.ms", Kind::Long(0), "86400000", "See the topic property delete.retention.ms."),
    broker("log.cleaner.max.compaction.lag.ms", Kind::Long(1), "9223372036854775807", "See the topic property max.compaction.lag.ms."),
    broker("log.cleaner.min.cleanable.ratio", Kind::Ratio, "0.5", "See the topic property min.cleanable.dirty.ratio."),
    broker("log.cleaner.min.compaction.lag.ms", Kind::Long(0), "0", "See the topic property min.compaction.lag.ms."),
    broker("log.cleanup.policy", POLICY, "delete", "See the topic property cleanup.policy."),
    broker("log.flush.interval.messages", Kind::Long(1), "1", "See the topic property flush.messages."),
    broker("log.flush.interval.ms", Kind::Long(0), "9223372036854775807", "See the topic property flush.ms."),
    broker("log.index.interval.bytes", Kind::Int(0), "4096", "See the topic property index.interval.bytes."),
    broker("log.message.timestamp.after.max.ms", Kind::Long(0), "3600000", "See the topic property message.timestamp.after.max.ms."),
    broker(
        "log.message.timestamp.before.max.ms",
        Kind::Long(0),
        "9223372036854775807",
        "See the topic property message.timestamp.before.max.ms.",
    ),
    broker("log.message.timestamp.type", TIMESTAMP_TYPE, "CreateTime", "See the topic property message.timestamp.type."),
    broker("log.retention.bytes", Kind::Long(i64::MIN), "-1", "See the topic property retention.bytes."),
    broker("log.retention.check.interval.ms", Kind::Long(1), "300000", "How often old segments are looked for."),
    broker("log.retention.ms", Kind::Long(-1), "604800000", "See the topic property retention.ms."),
    broker("log.roll.ms", Kind::Long(1), "604800000", "See the topic property segment.ms."),
    broker("log.segment.bytes", Kind::Int(14), "1073741824", "See the topic property segment.bytes."),
    broker("max.connections", Kind::Int(1), "20000", "Connections beyond this many wait to be accepted."),
    broker("max.incremental.fetch.session.cache.slots", Kind::Int(0), "1000", "How many fetch sessions are kept."),
    broker("message.max.bytes", Kind::Int(0), "1048588", "See the topic property max.message.bytes."),
    broker(
        "millstream.tail.max.bytes",
        Kind::Long(0),
        "134217728",
        "How many bytes of the newest batches stay in memory, over all partitions.",
    ),
    broker("min.insync.replicas", Kind::Int(1), "1", "See the topic property of the same name."),
    broker("num.partitions", Kind::Int(1), "1", "How many partitions a topic has when nobody says."),
    broker("offset.metadata.max.bytes", Kind::Int(0), "4096", "The longest note that a client may commit with an offset."),
    broker("offsets.retention.check.interval.ms", Kind::Long(1), "600000", "How often offsets of groups that are gone are looked for."),
    broker(
        "offsets.retention.minutes",
        Kind::Int(1),
        "10080",
        "Offsets are forgotten this long after the last member of their group has left.",
    ),
    broker("producer.id.expiration.ms", Kind::Long(1), "86400000", "A producer that is silent for this long is forgotten."),
    broker(
        "queued.max.request.bytes",
        Kind::Long(1_048_576),
        "268435456",
        "Memory for requests that are being read or served; connections wait beyond it.",
    ),
    broker("socket.request.max.bytes", Kind::Int(1024), "104857600", "The largest request."),
    broker(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        Kind::Int(1),
        "10000",
        "How often transactions that are open for too long are looked for.",
    ),
    broker("transaction.max.timeout.ms", Kind::Int(1), "900000", "The longest timeout that a transactional producer may ask for."),
    broker("transactional.id.expiration.ms", Kind::Int(1), "604800000", "A transactional id that is unused for this long is forgotten."),
];

/// A topic's property.
pub fn topic_property(name: &str) -> Option<&'static Property> {
    TOPIC.iter().find(|property| property.name == name)
}

/// A property of the broker.
pub fn broker_property(name: &str) -> Option<&'static Property> {
    BROKER.iter().find(|property| property.name == name)
}

/// A group's property.
pub fn group_property(name: &str) -> Option<&'static Property> {
    GROUP.iter().find(|property| property.name == name)
}
