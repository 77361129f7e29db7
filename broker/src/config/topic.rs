//! The properties of topics: all of Kafka's, each as it is here.

use super::property::{Kind, Property};

pub(super) const POLICY: Kind = Kind::List(&["compact", "delete"]);
pub(super) const COMPRESSION: Kind = Kind::Choice(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]);
pub(super) const TIMESTAMP_TYPE: Kind = Kind::Choice(&["CreateTime", "LogAppendTime"]);

const ONE_NODE: &str = "Without effect here: one node has no replicas.";
const TIERED: &str = "Without effect here: there is no remote storage.";

/// The properties of topics, by name.
pub const TOPIC: &[Property] = &[
    Property::of_topic(
        "cleanup.policy",
        "log.cleanup.policy",
        POLICY,
        "delete",
        "What happens to old segments: delete removes them by age and size; compact keeps the newest record of every key, and demands one of every record.",
    ),
    Property::of_topic(
        "compression.gzip.level",
        "compression.gzip.level",
        Kind::GzipLevel,
        "-1",
        "The level with which the broker compresses batches when compression.type is gzip; -1 is 6.",
    ),
    Property::of_topic(
        "compression.lz4.level",
        "compression.lz4.level",
        Kind::Between(1, 17),
        "9",
        "Kafka's level of lz4. Without effect here: the broker compresses with the one level that its lz4 has.",
    )
    .idle(),
    Property::of_topic(
        "compression.type",
        "compression.type",
        COMPRESSION,
        "producer",
        "How batches are compressed: as by their producer, or by the broker if a codec is named.",
    ),
    Property::of_topic(
        "compression.zstd.level",
        "compression.zstd.level",
        Kind::Between(-131_072, 22),
        "3",
        "The level with which the broker compresses batches when compression.type is zstd.",
    ),
    Property::of_topic(
        "delete.retention.ms",
        "log.cleaner.delete.retention.ms",
        Kind::Long(0),
        "86400000",
        "How long a deletion (a key with a null value) stays in a compacted topic, so that readers see it.",
    ),
    Property {
        broker_name: None,
        ..Property::of_topic(
            "errors.deadletterqueue.group.enable",
            "",
            Kind::Boolean,
            "false",
            "Whether share groups may write dead letters to the topic (KIP-1191).",
        )
    },
    Property::of_topic(
        "file.delete.delay.ms",
        "log.segment.delete.delay.ms",
        Kind::Long(0),
        "60000",
        "How long Kafka waits before it removes a file. Without effect here: files go at once, and readers that have them open keep them.",
    )
    .idle(),
    Property::of_topic(
        "flush.messages",
        "log.flush.interval.messages",
        Kind::Long(1),
        "1",
        "With 1, acks=all is answered once the record is on stable storage. A larger value answers when the operating system has it, and syncs each time this many records have come: faster, and what was acknowledged is lost with the power.",
    ),
    Property::of_topic(
        "flush.ms",
        "log.flush.interval.ms",
        Kind::Long(0),
        "9223372036854775807",
        "Records that no sync has covered are synced after this time.",
    ),
    Property { broker_name: None, ..Property::of_topic("follower.replication.throttled.replicas", "", Kind::Replicas, "", ONE_NODE) }
        .idle(),
    Property::of_topic(
        "index.interval.bytes",
        "log.index.interval.bytes",
        Kind::Int(0),
        "4096",
        "Bytes of log between two entries of the index.",
    ),
    Property { broker_name: None, ..Property::of_topic("leader.replication.throttled.replicas", "", Kind::Replicas, "", ONE_NODE) }.idle(),
    Property {
        broker_name: Some("log.local.retention.bytes"),
        ..Property::of_topic("local.retention.bytes", "", Kind::Long(-2), "-2", TIERED)
    }
    .idle(),
    Property { broker_name: Some("log.local.retention.ms"), ..Property::of_topic("local.retention.ms", "", Kind::Long(-2), "-2", TIERED) }
        .idle(),
    Property::of_topic(
        "max.compaction.lag.ms",
        "log.cleaner.max.compaction.lag.ms",
        Kind::Long(1),
        "9223372036854775807",
        "A record waits no longer than this to be compacted, however little there is to compact.",
    ),
    Property::of_topic("max.message.bytes", "message.max.bytes", Kind::Int(0), "1048588", "The largest batch, compressed."),
    Property::of_topic(
        "message.timestamp.after.max.ms",
        "log.message.timestamp.after.max.ms",
        Kind::Long(0),
        "3600000",
        "How far ahead of the broker's clock a timestamp may be.",
    ),
    Property::of_topic(
        "message.timestamp.before.max.ms",
        "log.message.timestamp.before.max.ms",
        Kind::Long(0),
        "9223372036854775807",
        "How far behind the broker's clock a timestamp may be.",
    ),
    Property::of_topic(
        "message.timestamp.type",
        "log.message.timestamp.type",
        TIMESTAMP_TYPE,
        "CreateTime",
        "Whose time a record has: its producer's or the broker's.",
    ),
    Property::of_topic(
        "min.cleanable.dirty.ratio",
        "log.cleaner.min.cleanable.ratio",
        Kind::Ratio,
        "0.5",
        "The share of a log that was not compacted yet at which it is.",
    ),
    Property::of_topic(
        "min.compaction.lag.ms",
        "log.cleaner.min.compaction.lag.ms",
        Kind::Long(0),
        "0",
        "A record is not compacted before it is this old.",
    ),
    Property::of_topic(
        "min.insync.replicas",
        "min.insync.replicas",
        Kind::Int(1),
        "1",
        "How many replicas acks=all waits for, at most as many as there are, and that is one.",
    ),
    Property {
        broker_name: Some("log.preallocate"),
        ..Property::of_topic("preallocate", "", Kind::Boolean, "false", "Without effect here: segments always grow by preallocated chunks.")
    }
    .idle(),
    Property { broker_name: None, ..Property::of_topic("remote.log.copy.disable", "", Kind::Boolean, "false", TIERED) }.idle(),
    Property { broker_name: None, ..Property::of_topic("remote.log.delete.on.disable", "", Kind::Boolean, "false", TIERED) }.idle(),
    Property {
        broker_name: None,
        ..Property::of_topic("remote.storage.enable", "", Kind::Boolean, "false", "Refused with true: there is no remote storage.")
    }
    .idle(),
    Property::of_topic(
        "retention.bytes",
        "log.retention.bytes",
        Kind::Long(i64::MIN),
        "-1",
        "Old segments beyond this size of a partition are removed; -1: never.",
    ),
    Property::of_topic(
        "retention.ms",
        "log.retention.ms",
        Kind::Long(-1),
        "604800000",
        "Segments whose newest record is older are removed; -1: never.",
    ),
    Property::of_topic("segment.bytes", "log.segment.bytes", Kind::Int(14), "1073741824", "The size at which a segment ends."),
    Property {
        broker_name: Some("log.index.size.max.bytes"),
        ..Property::of_topic(
            "segment.index.bytes",
            "",
            Kind::Int(4),
            "10485760",
            "Without effect here: an index is as large as its segment needs.",
        )
    }
    .idle(),
    Property {
        broker_name: Some("log.roll.jitter.ms"),
        ..Property::of_topic(
            "segment.jitter.ms",
            "",
            Kind::Long(0),
            "0",
            "Without effect here: segments of one node need not end at different times.",
        )
    }
    .idle(),
    Property::of_topic("segment.ms", "log.roll.ms", Kind::Long(1), "604800000", "The age at which a segment ends."),
    Property {
        broker_name: Some("unclean.leader.election.enable"),
        ..Property::of_topic("unclean.leader.election.enable", "", Kind::Boolean, "false", ONE_NODE)
    }
    .idle(),
];
