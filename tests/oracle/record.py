#!/usr/bin/env python3
"""Records the raw answers of Apache Kafka to a table of good and bad requests: the oracle of Millstream's answers.

    python3 tests/oracle/record.py 127.0.0.1:29092 > tests/oracle/kafka-4.3.0.json

Kafka must be fresh: one node with id 1 that is broker and controller, an empty data directory, default settings.
README.md describes the format. The cases run in order and later ones build on earlier ones; `Recorder.send` is one
case, and the functions below it are the table, one function an API.
"""

import json
import re
import socket
import struct
import sys
import time

import wire
from wire import CONTROL, DELETE_HORIZON, GZIP, LOG_APPEND_TIME, LZ4, SNAPPY, TIME, TRANSACTIONAL, ZSTD
from wire import Bound, batch, compress, old_message, record, records

UNKNOWN_ID = bytes.fromhex("0123456789abcdef0123456789abcdef")
ANSWER_SECONDS = 10
SILENCE_SECONDS = 1  # how long no answer must come before it counts as none
SETTLE_SECONDS = 0.3  # from the answer to a change of metadata until every part of Kafka knows it
CHANGES_METADATA = {"CreateTopics", "DeleteTopics", "CreatePartitions", "AlterConfigs", "IncrementalAlterConfigs"}

# What a reader would not expect, by the name of the case without the version.
NOTES = {
    "ApiVersions: far above the highest": "a v0 body, error 35 and key 18 alone",
    "Metadata: by topic id": "v10 and v11 have ids in the request and refuse them, for the whole request: 42",
    "Metadata: id of one topic and name of another": "the id wins",
    "Metadata: id and names mixed": "as soon as one entry has an id, the entries without one are lost",
    "Metadata: zero id and null name": "unknown server error -1",
    "Metadata: the same topic twice": "answered once",
    "Metadata: unknown topic, to be created": "3 in the first answer, and the topic exists a moment later",
    "Metadata: authorized operations of topic": "all of them although nobody authorizes",
    "CreateTopics: config cleanup.policy=": "an empty list is good",
    "CreateTopics: good config twice": "the last one wins",
    "CreateTopics: good config": "a value keeps its blanks",
    "CreateTopics: both of a colliding pair": "within one request a collision is not seen",
    "CreateTopics: min.insync.replicas above the replication factor": "accepted",
    "Produce: acks 0 and an unknown topic": "an error cannot be answered, so the connection closes",
    "Produce: acks 0 and a wrong CRC": "an error cannot be answered, so the connection closes",
    "Produce: acks 2 and an unknown topic": "the topic is looked up before acks is checked",
    "Produce: good and unknown partitions mixed": "unknown ones are answered behind the good ones",
    "Produce: one partition twice": "the last one wins, is appended once and answered once",
    "Produce: one topic twice": "the last one wins, is appended once and answered once",
    "Produce: no partitions": "the topic is missing in the answer",
    "Produce: null records": "Kafka fails inside and never answers",
    "Produce: magic 3": "2, while magic 0 and 1 give 87",
    "Produce: offset deltas with a gap": "accepted and stored as it is when not compressed",
    "Produce: offset deltas that begin at 1": "accepted and stored as it is",
    "Produce: offset deltas that go back": "accepted and stored as it is",
    "Produce: length one too long": "an incomplete batch is no batch: 87, not 2",
    "Produce: last byte missing": "an incomplete batch is no batch: 87, not 2",
    "Produce: length far too long": "unknown server error -1",
    "Produce: record length varint without end": "unknown server error -1",
    "Produce: good batch, then half a batch": "the rest is ignored",
    "Produce: good batch, then one byte": "the rest is ignored",
    "Produce: header key not UTF-8": "accepted",
    "Produce: delete horizon": "accepted and stored with the bit",
    "Produce: unused attribute bit 7": "accepted and stored with the bit",
    "Produce: log append time set by the client": "accepted, and the bit is cleared",
    "Produce: max time in the far future, records not": "accepted, and the header is corrected",
    "Produce: max time too low in the header": "the stored header is corrected",
    "Produce: max time too high in the header": "the stored header is corrected",
    "Produce: time -2": "accepted; the stored max time is -1",
    "Produce: log append time topic, attribute set by the client": "32, while the other kind of topic accepts it",
    "Produce: log append time topic, time in the far future": "the client's time is not checked",
    "Produce: no time, with message.timestamp.before.max.ms": "no time is always good",
    "Produce: wrong CRC and above max.message.bytes": "the size is checked first",
    "Produce: garbage marked gzip, zstd topic rule not met": "the version is checked before the content",
    "Produce: gzip, garbage": "unknown server error -1 for what cannot be decompressed, with every codec",
    "Produce: gzip, bytes after the stream": "accepted and stored as it is",
    "Produce: gzip, offset deltas with a gap": "unknown server error -1, while it is accepted when not compressed",
    "Produce: zstd, no bytes": "87, while the other codecs give -1",
    "Produce: unknown codec 5": "unknown server error -1",
    "Produce: producer (4242, 0, 12): duplicate of the last batch": "log append time is the first append's max time",
    "Produce: producer (4242, 0, 2): duplicate of the sixth last batch": "45, not 46",
    "Produce: producer (4242, 0, 12): duplicate with another content": "sequences alone decide",
    "Produce: producer (4304, -1, 0): epoch -1": "accepted",
    "Produce: producer (-1, -1, 0): no producer id, sequence 0": "accepted",
    "Produce: producer (-2, 0, 0): producer id -2": "accepted as one without producer id",
    "Fetch: beyond the end": "no offsets at all in the answer, not even the high watermark",
    "Fetch: offset -1": "no offsets at all in the answer, not even the high watermark",
    "Fetch: unknown partition": "aborted transactions are empty, not null as in other answers",
    "Fetch: negative leader epoch": "below -1 is as good as none",
    "Fetch: last fetched epoch too high": "1, offset out of range",
    "Fetch: partition max bytes -1": "unknown server error -1",
    "Fetch: max bytes -1": "unknown server error -1",
    "Fetch: partition max bytes one and a half batches": "records may end within a batch only when the first one is whole",
    "Fetch: isolation level 2": "unknown server error -1, for the request too",
    "Fetch: replica id 1": "6: the broker is no follower of itself",
    "Fetch: one partition twice": "answered once",
    "Fetch: good and unknown mixed": "unknown partitions come behind the good ones, in a second entry of the topic by id",
    "Fetch: session, incremental, nothing changed": "a partition with records is repeated until its offset moves",
    "Fetch: session, incremental, unknown partition again": "an error is repeated every time",
    "Fetch: session, from another connection": "a session belongs to no connection",
    "Fetch: session, created anew with epoch 0": "a new id, and the old session is gone",
    "Fetch: session, close with epoch -1": "answered in full, without session",
    "Fetch: no session, epoch 1": "70, not 71",
    "Fetch: unknown session, epoch 0": "a new session, whatever the id was",
    "Fetch: unknown session, epoch -1": "good: there is nothing to close",
    "ListOffsets: one partition twice": "42 for the partition, answered once",
    "ListOffsets: one topic twice": "42 for the partition, answered once",
    "ListOffsets: max timestamp": "35 for the partition below v7",
    "ListOffsets: earliest local": "35 for the partition below v8",
    "ListOffsets: latest tiered": "35 for the partition below v9; then -1 without error",
    "ListOffsets: earliest pending upload": "35 for the partition below v11; then -1 without error",
    "ListOffsets: isolation level 2": "unknown server error -1",
    "ListOffsets: max timestamp after deleting everything": "an offset before the log start",
    "OffsetForLeaderEpoch: epoch -2": "no error, the epoch asked for and the log start",
    "DeleteRecords: one partition twice": "answered once",
    "DeleteRecords: compacted topic": "44, policy violation",
    "DeleteRecords: below the start": "good, nothing changes",
    "InitProducerId: no transactional id": "v6 is not served by default",
    "InitProducerId: unknown producer id and epoch": "without transactional id both are ignored when both are given",
    "InitProducerId: own producer id and epoch": "a new id all the same",
    "InitProducerId: producer id without epoch": "42 when exactly one of the two is -1",
    "InitProducerId: epoch without producer id": "42 when exactly one of the two is -1",
    "InitProducerId: timeout -1": "the timeout is not checked without transactional id",
    "CreatePartitions: unknown topic": "no message",
    "CreatePartitions: illegal topic name": "3, not 17",
    "CreatePartitions: empty list of assignments": "39: empty is not null",
    "DescribeConfigs: topic, chosen keys": "the message of success is empty, not null",
    "DescribeConfigs: topic, unknown key": "left out without error",
    "DescribeConfigs: topic, empty list of keys": "the same as null: all keys",
    "DescribeConfigs: one resource twice": "answered twice",
    "DescribeConfigs: group": "an unknown group has the defaults",
    "AlterConfigs: one resource twice": "Kafka fails inside and never answers",
    "IncrementalAlterConfigs: operation 9": "unknown server error -1",
    "IncrementalAlterConfigs: delete an unknown key": "no error",
    "IncrementalAlterConfigs: subtract what is not there": "no error",
    "IncrementalAlterConfigs: one good, one bad": "nothing is changed",
    "DescribeTopicPartitions: limit 0": "as good as 1",
    "DescribeTopicPartitions: limit -1": "as good as 1",
    "DescribeTopicPartitions: two topics, not in the order of their names": "answered in the order of their names",
    "DescribeTopicPartitions: empty name": "unknown server error -1, while Metadata gives 17",
    "DescribeTopicPartitions: cursor at partition -1": "42 for the first topic",
    "DescribeTopicPartitions: unknown and known topic, limit of one": "an unknown topic counts nothing towards the limit",
    "DescribeLogDirs: unknown topic": "left out without error",
    "DeleteTopics: illegal name": "3, not 17",
    "DeleteTopics: unknown twice": "42 once, not 3",
    "DeleteTopics: by id and, apart, by name": "42, and nothing is deleted",
    "frame: Metadata, 3 bytes after the body": "ignored",
    "frame: Metadata, -2 topics": "a negative count is null",
    "frame: Produce, records of length -2": "null as well, and so never answered",
    "frame: Metadata, topic name not UTF-8": "replacement characters in the answer",
}


class Recorder:
    def __init__(self, host, port):
        self.address = (host, port)
        self.connection = None
        self.cases = []
        self.bound = {}

    def send(
        self, name, api, version, values=None, *, same_connection=False, bind=None, silent=False, body=None,
        cut=0, extra=b"", header_tags=None, client_id="oracle",
    ):
        """One case. `bind` names values to take from the answer; `body`, `cut` and `extra` replace, shorten and lengthen the body."""
        request = wire.Request(api, version, values or {}, len(self.cases), self.bound, header_tags, client_id)
        frame = request.bytes if body is None else request.bytes[: request.body_start] + body
        frame = bytes(frame[: len(frame) - cut] + extra)
        case = {"name": name, "api_key": wire.REQUESTS[api].key, "api_version": version, "request": frame.hex()}
        if request.uses:
            case["uses"] = request.uses
        response = self.exchange(case, struct.pack(">i", len(frame)) + frame, same_connection, silent)
        if bind:
            found = {bound: value(response) for bound, value in bind.items()}
            self.bound.update(found)
            case["bind"] = {bound: value.hex() for bound, value in found.items()}
        if api in CHANGES_METADATA:
            time.sleep(SETTLE_SECONDS)

    def send_raw(self, name, frame):
        """A case whose bytes, length prefix included, are not a request at all."""
        case = {"name": name, "api_key": None, "api_version": None, "request": None, "raw_frame": frame.hex()}
        self.exchange(case, frame)

    def send_header(self, name, key, version, body=b""):
        """A request of any key and version, its header in the form that has no tags."""
        frame = struct.pack(">hhih", key, version, len(self.cases), 6) + b"oracle" + body
        case = {"name": name, "api_key": key, "api_version": version, "request": frame.hex()}
        self.exchange(case, struct.pack(">i", len(frame)) + frame)

    def exchange(self, case, frame, same_connection=False, silent=False):
        if not same_connection:
            if self.connection:
                self.connection.close()
            self.connection = socket.create_connection(self.address)
        self.connection.settimeout(SILENCE_SECONDS if silent else ANSWER_SECONDS)
        try:
            self.connection.sendall(frame)
            (length,) = struct.unpack(">i", self.receive(4))
            response, closed = self.receive(length), False
        except TimeoutError:
            response, closed = None, False
        except ConnectionError:
            response, closed = None, True
        case["response"] = response and response.hex()
        case["closed"] = closed
        case["hung"] = not (response or closed or silent)
        case["same_connection"] = same_connection
        note = NOTES.get(re.sub(r" v-?\d+", "", case["name"], count=1))
        if note:
            case["note"] = note
        self.cases.append(case)
        return response

    def receive(self, length):
        data = b""
        while len(data) < length:
            part = self.connection.recv(length - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    def await_producer_ids(self):
        """Kafka fetches its first block of producer ids when somebody asks, and answers error 14 until it has them."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            frame = bytes(wire.Request("InitProducerId", 0, {}, 0, {}).bytes)
            with socket.create_connection(self.address) as connection:
                connection.sendall(struct.pack(">i", len(frame)) + frame)
                if connection.recv(100)[12:14] == bytes(2):
                    return
            time.sleep(SETTLE_SECONDS)
        raise TimeoutError("no producer ids")

    # Shorthands for the requests that many functions of the table send.

    def topic(self, topic):
        """Name and id of a topic that `create` made, for the versions that have the one or the other."""
        return {"name": topic, "topic_id": Bound(f"topic_id:{topic}")}

    def create(self, topic, partitions=1, **configs):
        configs = {"retention.ms": "-1"} | {name.replace("_", "."): value for name, value in configs.items()}
        topics = [{"name": topic, "num_partitions": partitions, "configs": pairs(configs)}]
        self.send(
            f"setup: create {topic}", "CreateTopics", 7, {"topics": topics},
            bind={f"topic_id:{topic}": lambda response: after(response, wire.uvarint(len(topic) + 1) + topic.encode(), 16)},
        )

    def produce(self, name, topic, content, version=9, partition=0, acks=-1, **options):
        topic = topic if isinstance(topic, dict) else self.topic(topic)
        topics = [topic | {"partitions": [{"index": partition, "records": content}]}]
        self.send(f"Produce v{version}: {name}", "Produce", version, {"acks": acks, "topics": topics}, **options)

    def fetch(self, name, topic, offset=0, version=12, request=None, options=None, **partition):
        topic = topic if isinstance(topic, dict) else self.topic(topic)
        values = {"topics": [topic | {"partitions": [{"index": 0, "offset": offset} | partition]}]} | (request or {})
        self.send(f"Fetch v{version}: {name}", "Fetch", version, values, **(options or {}))

    def list_offsets(self, name, topic, timestamp, version=7, isolation_level=0, **partition):
        topics = [{"name": topic, "partitions": [{"index": 0, "timestamp": timestamp} | partition]}]
        values = {"topics": topics, "isolation_level": isolation_level}
        self.send(f"ListOffsets v{version}: {name}", "ListOffsets", version, values)


def pairs(configs):
    return [{"name": name, "value": value} for name, value in configs.items()]


def after(response, prefix, length):
    start = response.index(prefix) + len(prefix)
    return response[start : start + length]


def record_all(kafka):
    api_versions(kafka)
    metadata_of_nothing(kafka)
    setup(kafka)
    metadata(kafka)
    create_topics(kafka)
    produce(kafka)
    produce_bad_requests(kafka)
    produce_bad_batches(kafka)
    produce_topic_rules(kafka)
    produce_codecs(kafka)
    produce_idempotent(kafka)
    fetch(kafka)
    fetch_sessions(kafka)
    list_offsets(kafka)
    offset_for_leader_epoch(kafka)
    delete_records(kafka)
    init_producer_id(kafka)
    create_partitions(kafka)
    describe_configs(kafka)
    alter_configs(kafka)
    incremental_alter_configs(kafka)
    describe_cluster(kafka)
    describe_topic_partitions(kafka)
    describe_log_dirs(kafka)
    delete_topics(kafka)
    framing(kafka)


def api_versions(kafka):
    def send(name, version, values=None, **options):
        kafka.send(f"ApiVersions v{version}: {name}", "ApiVersions", version, values, **options)

    for version in range(5):
        send("plain", version)
    send("above the highest, body of v4", 5)
    send("far above the highest", 99)
    send("far above the highest, empty body", 99, body=b"")
    kafka.send_header("ApiVersions v-1", 18, -1)
    send("empty software name", 3, {"software_name": ""})
    send("empty software version", 3, {"software_version": ""})
    send("software name with a blank", 3, {"software_name": "my client"})
    send("software name that begins with a dash", 4, {"software_name": "-client"})
    send("software name that ends with a dot", 4, {"software_name": "client."})
    send("software name with dots and dashes inside", 4, {"software_name": "a.b-c", "software_version": "1.0-rc.1"})
    send("software version with an underscore", 3, {"software_version": "1_0"})
    send("after an invalid name on the same connection", 3, same_connection=True)


def metadata_of_nothing(kafka):
    for version in (0, 1, 4, 8, 9, 12, 13):
        everything = [] if version == 0 else None
        kafka.send(f"Metadata v{version}: all topics of an empty broker", "Metadata", version, {"topics": everything})


def setup(kafka):
    """The topics that later cases use; all keep old records forever, because the records' time is fixed."""
    kafka.create("plain")
    kafka.create("three", partitions=3)
    kafka.create("bad")
    kafka.create("small", max_message_bytes="200")
    kafka.create("compacted", cleanup_policy="compact")
    kafka.create("append-time", message_timestamp_type="LogAppendTime")
    kafka.create("only-now", message_timestamp_before_max_ms="3600000")
    kafka.create("codec")
    kafka.create("gzipped", compression_type="gzip")
    kafka.create("idempotent")
    kafka.create("wrap")
    kafka.create("trim")
    kafka.create("grow")
    kafka.create("configured", max_message_bytes="500000")


def metadata(kafka):
    def send(name, version, topics, **values):
        kafka.send(f"Metadata v{version}: {name}", "Metadata", version, {"topics": topics} | values)

    for version in range(14):
        send("one topic by name", version, [{"name": "three"}])
    for version in (1, 7, 12, 13):
        send("all topics", version, None)
    for version in (0, 1, 4, 10, 13):
        send("an empty list of topics" if version else "all topics, by an empty list", version, [])
    for version in (4, 7, 9, 12):
        send("unknown topic, not to be created", version, [{"name": "absent"}])
    send("known, unknown and known topic", 9, [{"name": "plain"}, {"name": "absent"}, {"name": "bad"}])
    send("the same topic twice", 9, [{"name": "plain"}, {"name": "plain"}])
    for version in (10, 11, 12, 13):
        send("by topic id", version, [kafka.topic("three") | {"name": None}])
        send("by unknown topic id", version, [{"name": None, "topic_id": UNKNOWN_ID}])
    send("id and name, both of one topic", 12, [kafka.topic("three")])
    send("id of one topic and name of another", 12, [kafka.topic("three") | {"name": "plain"}])
    send("id and names mixed", 12, [kafka.topic("three") | {"name": None}, {"name": "plain"}])
    send("zero id and null name", 12, [{"name": None}])
    send("null name", 9, [{"name": None}])
    for name in ("", ".", "..", "a/b", "a b", "ü", "x" * 249, "x" * 250):
        shown = f"{len(name)} letters" if len(name) > 9 else repr(name)
        send(f"illegal or long name {shown}, not to be created", 9, [{"name": name}])
        if len(name) != 249:
            send(f"illegal name {shown}, to be created", 9, [{"name": name}], allow_auto_topic_creation=1)
    send("authorized operations of topic", 9, [{"name": "plain"}], include_topic_authorized_operations=1)
    send("authorized operations of cluster", 9, [], include_cluster_authorized_operations=1)
    send("authorized operations of topic", 12, [{"name": "plain"}], include_topic_authorized_operations=1)
    for version in (1, 4, 9, 12):
        topic = [{"name": f"auto-{version}"}]
        send("unknown topic, to be created", version, topic, allow_auto_topic_creation=1)
        time.sleep(SETTLE_SECONDS)
        send("the topic just created", version, topic)


def create_topics(kafka):
    def send(name, version, topics, **values):
        kafka.send(f"CreateTopics v{version}: {name}", "CreateTopics", version, {"topics": topics} | values)

    def one(name, topic="created-bad", version=7, validate_only=0, **values):
        send(name, version, [{"name": topic} | values], validate_only=validate_only)

    for version in range(2, 8):
        one("good", f"created-{version}", version, num_partitions=2)
        one("exists", f"created-{version}", version)
        one("validate only", f"valid-{version}", version, validate_only=1, configs=pairs({"retention.ms": "1000"}))
    one("validate only, exists", "plain", validate_only=1)
    for topic in ("", ".", "..", "a/b", "a b", "ü", "a:b", "x" * 250):
        one(f"illegal name {topic[:9]!r}", topic)
        one(f"illegal name {topic[:9]!r}", topic, 4)
    one("name of 249 letters", "x" * 249)
    one("null name", None)
    for count in (0, -1, -2):
        one(f"{count} partitions", f"count-{-count}", num_partitions=count)
    one("0 partitions", "created-bad", 4, num_partitions=0)
    for factor in (0, -1, -2, 2):
        one(f"replication factor {factor}", f"factor-{abs(factor)}", replication_factor=factor)
    one("replication factor 2", "created-bad", 4, replication_factor=2)
    one("too many partitions", num_partitions=10_001)
    bad_configs = [
        ("no.such.config", "1"), ("retention.ms", "abc"), ("retention.ms", ""), ("retention.ms", None), ("retention.ms", "-2"),
        ("cleanup.policy", "shred"), ("cleanup.policy", ""), ("compression.type", "brotli"), ("max.message.bytes", "-1"),
        ("min.insync.replicas", "0"), ("segment.bytes", "1"), ("message.timestamp.type", "Later"), ("preallocate", "maybe"),
        ("unclean.leader.election.enable", "2"), ("min.cleanable.dirty.ratio", "1.5"), ("remote.storage.enable", "true"),
        ("message.format.version", "3.0"), ("", "1"), ("retention.bytes", "99999999999999999999"),
    ]
    for index, (config, value) in enumerate(bad_configs):
        one(f"config {config}={value}", f"config-{index}", configs=[{"name": config, "value": value}])
    one("config no.such.config=1", "created-bad", 4, configs=pairs({"no.such.config": "1"}))
    one("bad config, validate only", validate_only=1, configs=pairs({"no.such.config": "1"}))
    one("good config", "config-good", configs=pairs({"cleanup.policy": "compact,delete", "retention.ms": " 5000 "}))
    one("good config twice", "config-twice", configs=pairs({"retention.ms": "1"}) + pairs({"retention.ms": "2"}))
    one("min.insync.replicas above the replication factor", "insync", configs=pairs({"min.insync.replicas": "3"}))

    unset = {"num_partitions": -1, "replication_factor": -1}
    assigned = {"index": 0, "brokers": [1]}
    one("assignment", "assigned", **unset, assignments=[assigned, {"index": 1, "brokers": [1]}])
    one("assignment", "assigned-4", 4, **unset, assignments=[assigned])
    one("assignment and partition count", assignments=[assigned], num_partitions=1, replication_factor=-1)
    one("assignment and replication factor", assignments=[assigned], num_partitions=-1, replication_factor=1)
    one("assignment to an unknown broker", **unset, assignments=[{"index": 0, "brokers": [7]}])
    one("assignment to one broker twice", **unset, assignments=[{"index": 0, "brokers": [1, 1]}])
    one("assignment to no broker", **unset, assignments=[{"index": 0, "brokers": []}])
    one("assignment with a gap", **unset, assignments=[assigned, {"index": 2, "brokers": [1]}])
    one("assignment of one partition twice", **unset, assignments=[assigned, assigned])
    one("assignment of partition -1", **unset, assignments=[{"index": -1, "brokers": [1]}])

    send("no topics", 7, [])
    send("one good, one illegal", 7, [{"name": "mixed"}, {"name": "a/b"}])
    send("the same name twice", 7, [{"name": "twice"}, {"name": "twice"}])
    send("the same name twice beside a good one", 4, [{"name": "twice"}, {"name": "beside"}, {"name": "twice"}])
    one("first of a colliding pair", "col.lide")
    one("second of a colliding pair", "col_lide")
    send("both of a colliding pair", 7, [{"name": "pa.ir"}, {"name": "pa_ir"}])
    one("name with two leading underscores", "__internal-like")
    one("name of Kafka's own topic", "__consumer_offsets", validate_only=1)


def produce(kafka):
    for version in range(3, 14):
        kafka.produce("one batch of two records", "plain", batch(records(2), 2), version)
    kafka.produce("acks 1", "plain", batch(records(1)), 9, acks=1)
    kafka.produce("acks 0", "plain", batch(records(1)), 9, acks=0, silent=True)
    kafka.send("Metadata v9: after acks 0", "Metadata", 9, same_connection=True)
    kafka.produce("acks 0 and an unknown topic", {"name": "absent"}, batch(records(1)), 9, acks=0, silent=True)
    kafka.produce("acks 0 and a wrong CRC", "bad", batch(records(1), crc=1), 9, acks=0, silent=True)
    kafka.produce("record with headers", "plain", batch(record(headers=[(b"h", b"1"), (b"h", None), (b"", b"")])), 9)
    kafka.produce("record with null key and null value", "plain", batch(record(None, None)), 9)
    kafka.produce("base offset and leader epoch to be overwritten", "plain", batch(records(1), leader_epoch=77), 9)
    kafka.produce("no time", "plain", batch(records(1), time=-1, max_time=-1), 9)
    kafka.produce("max time too low in the header", "plain", batch(records(3), 3, max_time=TIME), 9)
    kafka.produce("max time too high in the header", "plain", batch(records(3), 3, max_time=TIME + 99), 9)
    kafka.produce("second partition", "three", batch(records(2), 2), 9, partition=1)
    topics = [
        kafka.topic("three") | {"partitions": [{"index": index, "records": batch(records(1))} for index in (2, 7, 0)]},
        {"name": "absent", "topic_id": UNKNOWN_ID, "partitions": [{"index": 0, "records": batch(records(1))}]},
    ]
    for version in (3, 9, 13):
        kafka.send(f"Produce v{version}: good and unknown partitions mixed", "Produce", version, {"topics": topics})


def produce_bad_requests(kafka):
    good = batch(records(1))
    for version in (3, 7, 9, 12):
        kafka.produce("unknown topic", {"name": "absent"}, good, version)
    kafka.produce("unknown topic id", {"topic_id": UNKNOWN_ID}, good, 13)
    kafka.produce("zero topic id", {}, good, 13)
    for version in (3, 9, 13):
        kafka.produce("unknown partition", "bad", good, version, partition=5)
        kafka.produce("partition -1", "bad", good, version, partition=-1)
    for name in ("", "a/b", "."):
        kafka.produce(f"illegal topic name {name!r}", {"name": name}, good, 9)
    for acks in (2, -2):
        for version in (3, 9, 13):
            kafka.produce(f"acks {acks}", "bad", good, version, acks=acks)
    kafka.produce("acks 2 and an unknown topic", {"name": "absent"}, good, 9, acks=2)
    kafka.send("Produce v9: no topics", "Produce", 9, {"topics": []})
    kafka.send("Produce v9: no partitions", "Produce", 9, {"topics": [kafka.topic("bad") | {"partitions": []}]})

    index_0 = {"index": 0, "records": good}
    for version in (9, 13):
        twice = kafka.topic("bad") | {"partitions": [index_0, index_0]}
        kafka.send(f"Produce v{version}: one partition twice", "Produce", version, {"topics": [twice]})
        once = kafka.topic("bad") | {"partitions": [index_0]}
        kafka.send(f"Produce v{version}: one topic twice", "Produce", version, {"topics": [once, once]})
    values = {"topics": [kafka.topic("bad") | {"partitions": [index_0]}]}
    kafka.send("Produce v9: transactional id without transactional batch", "Produce", 9, values | {"transactional_id": "t"})
    kafka.send("Produce v9: empty transactional id", "Produce", 9, values | {"transactional_id": ""})
    kafka.send("Produce v9: timeout -1", "Produce", 9, values | {"timeout_ms": -1})


def produce_bad_batches(kafka):
    def bad(name, content, version=9, **options):
        kafka.produce(name, "bad", content, version, **options)

    good = batch(records(1))
    for version in (3, 8, 13):
        bad("null records", None, version)
        bad("empty records", b"", version)
        bad("two batches", good + good, version)
        bad("magic 1", old_message(1), version)
        bad("wrong CRC", batch(records(1), crc=1), version)
    bad("magic 0", old_message(0))
    bad("magic 0", old_message(0), 3)
    bad("magic 3", batch(records(1), magic=3))
    bad("magic -1", batch(records(1), magic=-1))
    bad("good batch, then magic 1", good + old_message(1))
    bad("base offset 5", batch(records(1), base_offset=5))
    bad("base offset -1", batch(records(1), base_offset=-1))

    bad("count above the records", batch(records(2), 3))
    bad("count below the records", batch(records(3), 2))
    bad("count -1", batch(records(1), -1))
    bad("count 0 without records", batch(b"", 0))
    bad("count 0 with a record", batch(records(1), 0, last_delta=0))
    bad("count 2^31-1", batch(records(1), 2**31 - 1, last_delta=2**31 - 2, max_time=TIME))
    bad("last offset delta too high", batch(records(2), 2, last_delta=2))
    bad("last offset delta too low", batch(records(2), 2, last_delta=0))
    bad("last offset delta -1", batch(records(1), last_delta=-1))
    bad("offset deltas with a gap", batch(record(delta=0) + record(delta=2), 2))
    bad("offset deltas that begin at 1", batch(record(delta=1)))
    bad("offset deltas that go back", batch(record(delta=1) + record(delta=0), 2))

    bad("length one too short", batch(records(1), length=len(good) - 13))
    bad("length one too long", batch(records(1), length=len(good) - 11))
    bad("length far too long", batch(records(1), length=2**31 - 1))
    bad("length 0", batch(records(1), length=0))
    bad("length below the header", batch(records(1), length=48))
    bad("length -1", batch(records(1), length=-1))
    bad("records end in the length", good[:10])
    bad("records end in the header", good[:40])
    bad("last byte missing", good[:-1])
    bad("good batch, then half a batch", good + good[:30])
    bad("good batch, then one byte", good + b"\0")

    bad("bytes after the last record", batch(records(1) + b"\0\0\0"))
    bad("record length too long", batch(record(length=50)))
    bad("record length too short", batch(record(length=3)))
    bad("record length -1", batch(record(length=-1)))
    bad("record length varint without end", batch(b"\xff" * 12))
    bad("key length beyond the record", batch(b"\x0c\0\0\0\x7fk\x02v\0"))
    bad("key length -2", batch(b"\x0c\0\0\0\x03k\x02v\0"))
    bad("header count -1", batch(record(header_count=-1)))
    bad("header count above the headers", batch(record(header_count=3)))
    bad("null header key", batch(record(headers=[(None, b"x")])))
    bad("header key not UTF-8", batch(record(headers=[(b"\xff\xfe", b"x")])))

    bad("control batch", batch(record(b"\0\0\0\1", bytes(6)), attributes=CONTROL))
    bad("transactional control batch", batch(record(b"\0\0\0\1", bytes(6)), attributes=CONTROL | TRANSACTIONAL, producer=(4200, 0, -1)))
    bad("transactional batch without transactional id", batch(records(1), attributes=TRANSACTIONAL, producer=(4200, 0, 0)))
    bad("transactional batch without producer id", batch(records(1), attributes=TRANSACTIONAL))
    bad("delete horizon", batch(records(1), attributes=DELETE_HORIZON))
    bad("unused attribute bit 7", batch(records(1), attributes=128))
    bad("log append time set by the client", batch(records(1), attributes=LOG_APPEND_TIME))
    bad("time in the far future", batch(records(1), time=4_102_444_800_000))
    bad("time in the far future", batch(records(1), time=4_102_444_800_000), 3)
    bad("second record in the far future", batch(record() + record(delta=1, time_delta=2_300_000_000_000), 2))
    bad("max time in the far future, records not", batch(records(1), max_time=4_102_444_800_000))
    bad("time -2", batch(records(1), time=-2, max_time=-2))
    bad("good batch after all the bad ones", good)


def produce_topic_rules(kafka):
    kafka.produce("below max.message.bytes", "small", batch(records(1)), 9)
    for version in (3, 8, 13):
        kafka.produce("above max.message.bytes", "small", batch(records(1, b"v" * 200)), version)
    exactly = len(batch(record(b"k", b"v" * 100)))
    kafka.produce("200 bytes, equal to max.message.bytes", "small", batch(record(b"k", b"v" * (300 - exactly))), 9)
    kafka.produce("201 bytes", "small", batch(record(b"k", b"v" * (301 - exactly))), 9)
    kafka.produce("wrong CRC and above max.message.bytes", "small", batch(records(1, b"v" * 200), crc=1), 9)
    kafka.produce("two small batches", "small", batch(records(1)) * 2, 9)
    zeros = compress(GZIP, records(12, b"v" * 10))
    kafka.produce("compressed below, uncompressed above max.message.bytes", "small", batch(zeros, 12, GZIP), 9)

    for version in (3, 7, 8, 9, 13):
        kafka.produce("compacted topic, no key", "compacted", batch(record(None)), version)
    kafka.produce("compacted topic, second and third record without key", "compacted",
                  batch(record() + record(None, delta=1) + record(None, delta=2), 3), 9)
    kafka.produce("compacted topic, no key, gzip", "compacted", batch(compress(GZIP, record(None)), 1, GZIP), 9)
    kafka.produce("compacted topic, key", "compacted", batch(record()), 9)
    kafka.produce("compacted topic, tombstone", "compacted", batch(record(b"k", None)), 9)
    kafka.produce("compacted topic, empty key", "compacted", batch(record(b"")), 9)

    for version in (3, 9):
        kafka.produce("log append time topic", "append-time", batch(records(2), 2), version)
    kafka.produce("log append time topic, gzip", "append-time", batch(compress(GZIP, records(2)), 2, GZIP), 9)
    kafka.produce("log append time topic, attribute set by the client", "append-time", batch(records(1), attributes=LOG_APPEND_TIME), 9)
    kafka.produce("log append time topic, time in the far future", "append-time", batch(records(1), time=4_102_444_800_000), 9)
    for version in (3, 7, 8, 13):
        kafka.produce("time before message.timestamp.before.max.ms", "only-now", batch(records(2), 2), version)
    kafka.produce("no time, with message.timestamp.before.max.ms", "only-now", batch(records(1), time=-1, max_time=-1), 9)


def produce_codecs(kafka):
    names = {GZIP: "gzip", SNAPPY: "snappy", LZ4: "lz4", ZSTD: "zstd"}

    def send(name, content, version=9, topic="codec"):
        kafka.produce(name, topic, content, version)

    for codec, name in names.items():
        compressed = compress(codec, records(3))
        send(name, batch(compressed, 3, codec))
        send(f"{name}, second half missing", batch(compressed[: len(compressed) // 2], 3, codec))
        send(f"{name}, garbage", batch(b"garbage of twenty by", 3, codec))
        send(f"{name}, no bytes", batch(b"", 3, codec))
        send(f"{name}, count above the records", batch(compressed, 4, codec))
        send(f"{name}, count below the records", batch(compressed, 2, codec))
    for codec in (GZIP, SNAPPY, LZ4):
        send(names[codec], batch(compress(codec, records(3)), 3, codec), 3)
    for version in (3, 6, 7):
        send("zstd", batch(compress(ZSTD, records(3)), 3, ZSTD), version)
    send("snappy without frame", batch(b"\x08\x1c" + record()[:8], 1, SNAPPY))
    send("gzip, bytes after the stream", batch(compress(GZIP, records(3)) + b"tail", 3, GZIP))
    send("gzip, bytes after the last record inside", batch(compress(GZIP, records(3) + b"tail"), 3, GZIP))
    send("gzip, offset deltas with a gap", batch(compress(GZIP, record() + record(delta=2)), 2, GZIP))
    send("gzip, max time too low in the header", batch(compress(GZIP, records(3)), 3, GZIP, max_time=TIME))
    for codec in (5, 6, 7):
        send(f"unknown codec {codec}", batch(records(1), attributes=codec))
    send("garbage marked gzip, zstd topic rule not met", batch(b"x", 1, ZSTD), 6)
    send("not compressed, to a topic with compression.type=gzip", batch(records(3), 3), 9, "gzipped")
    send("gzip, to a topic with compression.type=gzip", batch(compress(GZIP, records(3)), 3, GZIP), 9, "gzipped")
    send("lz4, to a topic with compression.type=gzip", batch(compress(LZ4, records(3)), 3, LZ4), 9, "gzipped")
    send("garbage lz4, to a topic with compression.type=gzip", batch(b"garbage of twenty by", 3, LZ4), 9, "gzipped")


def produce_idempotent(kafka):
    def send(name, producer, count=1, version=9, topic="idempotent", **options):
        kafka.produce(f"producer {producer}: {name}", topic, batch(records(count), count, producer=producer, **options), version)

    for sequence in range(7):
        send("in order", (4242, 0, sequence * 2), 2)
    for version in (3, 9, 13):
        send("duplicate of the last batch", (4242, 0, 12), 2, version)
    send("duplicate of the fifth last batch", (4242, 0, 4), 2)
    for version in (3, 9, 13):
        send("duplicate of the sixth last batch", (4242, 0, 2), 2, version)
    send("duplicate of the first batch", (4242, 0, 0), 2)
    send("same first sequence as the last batch, other count", (4242, 0, 12), 1)
    send("overlaps the last batch and goes on", (4242, 0, 13), 2)
    for version in (3, 9, 13):
        send("gap of one", (4242, 0, 15), 1, version)
    send("duplicate with another content", (4242, 0, 12), 2, time=TIME + 5)
    send("in order after the errors", (4242, 0, 14), 1)
    send("epoch bump with sequence 5", (4242, 1, 5))
    send("in order in the old epoch", (4242, 0, 15))
    send("epoch bump with sequence 0", (4242, 1, 0))
    for version in (3, 9, 13):
        send("fenced epoch", (4242, 0, 15), 1, version)
    send("duplicate in a fenced epoch", (4242, 0, 14))
    send("epoch skips two", (4242, 4, 0))

    send("unknown producer, sequence 0", (4300, 0, 0))
    send("unknown producer, sequence 10", (4301, 0, 10))
    send("next after sequence 10", (4301, 0, 11))
    send("unknown producer, epoch 3, sequence 7", (4302, 3, 7))
    send("negative sequence", (4303, 0, -1))
    send("sequence -2", (4303, 0, -2))
    send("epoch -1", (4304, -1, 0))
    send("no producer id, sequence 0", (-1, -1, 0))
    send("no producer id, epoch 0, sequence 0", (-1, 0, 0))
    send("producer id -2", (-2, 0, 0))
    two = batch(records(1), producer=(4305, 0, 0)) + batch(records(1), producer=(4305, 0, 1))
    kafka.produce("two batches of one producer", "idempotent", two, 9)
    send("sequence 0 after the failed pair", (4305, 0, 0))

    send("last sequence before the wrap", (5000, 0, 2**31 - 1), topic="wrap")
    send("sequence 0 after the wrap", (5000, 0, 0), topic="wrap")
    send("batch across the wrap", (5001, 0, 2**31 - 2), 4, topic="wrap")
    send("duplicate of the batch across the wrap", (5001, 0, 2**31 - 2), 4, topic="wrap")
    send("sequence 2 after the batch across the wrap", (5001, 0, 2), topic="wrap")
    send("sequence 1 again", (5001, 0, 1), topic="wrap")
    send("same id on another partition starts anew", (4242, 0, 0), topic="three")


def fetch(kafka):
    for version in range(4, 19):
        kafka.fetch("from the start", "three", version=version, index=1)
    for version in (4, 11, 12, 13, 18):
        kafka.fetch("at the end", "three", 2, version, index=1)
        kafka.fetch("beyond the end", "three", 3, version, index=1)
        kafka.fetch("offset -1", "three", -1, version, index=1)
        kafka.fetch("unknown partition", "three", 0, version, index=9)
    for version in (4, 11, 12):
        kafka.fetch("unknown topic", {"name": "absent"}, 0, version)
    for version in (13, 18):
        kafka.fetch("unknown topic id", {"topic_id": UNKNOWN_ID}, 0, version)
        kafka.fetch("zero topic id", {}, 0, version)
    kafka.fetch("illegal topic name", {"name": "a/b"})
    kafka.fetch("partition -1", "three", index=-1)
    kafka.fetch("in the middle of a batch", "plain", 3)
    kafka.fetch("last batch", "three", 1, index=1)
    for topic in ("plain", "bad", "codec", "idempotent", "compacted", "append-time", "wrap", "small", "gzipped", "only-now"):
        kafka.fetch(f"everything in {topic}", topic, version=13)

    for epoch, name in ((0, "right"), (5, "too high"), (-1, "no"), (-2, "negative")):
        kafka.fetch(f"{name} leader epoch", "plain", current_leader_epoch=epoch)
    kafka.fetch("leader epoch too high", "plain", version=9, current_leader_epoch=5)
    kafka.fetch("last fetched epoch right", "plain", 2, last_fetched_epoch=0)
    kafka.fetch("last fetched epoch too high", "plain", 2, last_fetched_epoch=3)
    kafka.fetch("last fetched epoch right, beyond the end", "plain", 9999, last_fetched_epoch=0)

    kafka.fetch("partition max bytes 1", "plain", max_bytes=1)
    kafka.fetch("partition max bytes 0", "plain", max_bytes=0)
    kafka.fetch("partition max bytes -1", "plain", max_bytes=-1)
    kafka.fetch("partition max bytes one and a half batches", "plain", max_bytes=len(batch(records(2), 2)) * 3 // 2)
    kafka.fetch("max bytes 1", "plain", request={"max_bytes": 1})
    kafka.fetch("max bytes 0", "plain", request={"max_bytes": 0})
    kafka.fetch("max bytes -1", "plain", request={"max_bytes": -1})
    both = [kafka.topic(topic) | {"partitions": [{"max_bytes": 1}]} for topic in ("bad", "plain")]
    kafka.send("Fetch v12: two topics, partition max bytes 1", "Fetch", 12, {"topics": both})
    both = [kafka.topic(topic) | {"partitions": [{}]} for topic in ("bad", "plain")]
    kafka.send("Fetch v12: two topics, max bytes 1", "Fetch", 12, {"topics": both, "max_bytes": 1})
    kafka.fetch("min bytes not reached in 100 ms", "three", request={"min_bytes": 100_000, "max_wait_ms": 100}, index=1)
    kafka.fetch("nothing in 100 ms", "three", 2, request={"max_wait_ms": 100}, index=1)
    kafka.fetch("min bytes 0 and a long wait at the end", "three", 2, request={"min_bytes": 0, "max_wait_ms": 5000}, index=1)
    kafka.fetch("unknown partition and a long wait", "three", request={"max_wait_ms": 5000}, index=9)
    kafka.fetch("max wait -1", "three", 2, request={"max_wait_ms": -1}, index=1)
    for version in (4, 11, 12, 18):
        kafka.fetch("isolation level 1", "three", version=version, request={"isolation_level": 1}, index=1)
    kafka.fetch("isolation level 2", "three", request={"isolation_level": 2}, index=1)
    kafka.fetch("isolation level -1", "three", request={"isolation_level": -1}, index=1)
    kafka.fetch("replica id 1", "three", version=12, request={"replica_id": 1}, index=1)
    kafka.fetch("replica id -2", "three", version=12, request={"replica_id": -2}, index=1)
    kafka.fetch("rack id", "three", version=12, request={"rack_id": "a"}, index=1)

    partition = {"index": 1}
    twice = kafka.topic("three") | {"partitions": [partition, partition]}
    once = kafka.topic("three") | {"partitions": [partition]}
    for version in (6, 12, 13):
        kafka.send(f"Fetch v{version}: one partition twice", "Fetch", version, {"topics": [twice]})
        kafka.send(f"Fetch v{version}: one topic twice", "Fetch", version, {"topics": [once, once]})
    mixed = [kafka.topic("three") | {"partitions": [{"index": 9}, partition]}, {"name": "absent", "topic_id": UNKNOWN_ID, "partitions": [{}]}]
    for version in (4, 12, 13):
        kafka.send(f"Fetch v{version}: good and unknown mixed", "Fetch", version, {"topics": mixed})
    kafka.send("Fetch v12: no topics", "Fetch", 12, {})
    kafka.send("Fetch v13: no topics", "Fetch", 13, {})


def fetch_sessions(kafka):
    for version in (7, 13):
        fetch_session(kafka, version, f"session_id:{version}")
    unknown = {"session_id": 123, "session_epoch": 1}
    for version in (7, 12, 13):
        kafka.send(f"Fetch v{version}: unknown session", "Fetch", version, unknown)
    kafka.send("Fetch v12: no session, epoch 1", "Fetch", 12, {"session_epoch": 1})
    kafka.send("Fetch v12: unknown session, epoch 0", "Fetch", 12, {"session_id": 123, "session_epoch": 0})
    kafka.send("Fetch v12: unknown session, epoch -1", "Fetch", 12, {"session_id": 123, "session_epoch": -1})
    kafka.send("Fetch v12: session id -5", "Fetch", 12, {"session_id": -5, "session_epoch": 1})
    kafka.send("Fetch v12: new session of no topics", "Fetch", 12, {"session_epoch": 0})
    kafka.send("Fetch v12: no session, epoch -2", "Fetch", 12, {"session_epoch": -2})


def fetch_session(kafka, version, bound):
    """The life of one session, whose id stands behind the header, the throttle time and the error code."""

    def send(name, epoch, partitions=(), forgotten=(), session=Bound(bound), same_connection=True, topic="three", **options):
        topics = [kafka.topic(topic) | {"partitions": list(partitions)}] if partitions else []
        forgotten = [kafka.topic(topic) | {"partitions": list(forgotten)}] if forgotten else []
        values = {"session_id": session, "session_epoch": epoch, "topics": topics, "forgotten": forgotten}
        kafka.send(f"Fetch v{version}: session, {name}", "Fetch", version, values, same_connection=same_connection, **options)

    start = 4 + (version >= 12) + 4 + 2
    both = [{"index": 0, "offset": 0}, {"index": 1, "offset": 2}]
    send("create", 0, both, session=0, same_connection=False, bind={bound: lambda response: response[start : start + 4]})
    send("incremental, nothing changed", 1)
    send("incremental, partition 0 moved to its end", 2, [{"index": 0, "offset": 4}])
    send("incremental, partition 1 back to its start", 3, [{"index": 1, "offset": 0}])
    send("incremental, partition 2 added", 4, [{"index": 2, "offset": 0}])
    send("incremental, partition 1 forgotten", 5, forgotten=[1])
    send("incremental, unknown partition forgotten", 6, forgotten=[9])
    send("incremental, unknown partition added", 7, [{"index": 9, "offset": 0}])
    send("incremental, unknown partition again", 8)
    send("wrong epoch", 3)
    send("right epoch after the wrong one", 9)
    send("from another connection", 10, same_connection=False)
    send("offset beyond the end", 11, [{"index": 0, "offset": 999}])
    send("offset beyond the end again", 12)
    send("created anew with epoch 0", 0, both)
    send("created anew, the old id again", 1)
    send("close with epoch -1", -1, both)
    send("after the close", 1)


def list_offsets(kafka):
    special = {-1: "latest", -2: "earliest", -3: "max timestamp", -4: "earliest local", -5: "latest tiered", -6: "earliest pending upload", -7: "-7"}
    for version in range(1, 12):
        kafka.list_offsets("latest", "three", -1, version, index=1)
    for version in (1, 6, 7, 8, 9, 10, 11):
        for timestamp in range(-2, -8, -1):
            kafka.list_offsets(special[timestamp], "three", timestamp, version, index=1)
    for name, timestamp in (("0", 0), ("before the first record", TIME - 1), ("of the first record", TIME), ("of the second record", TIME + 1),
                            ("after the last record", TIME + 2)):
        for version in (1, 4, 7):
            kafka.list_offsets(f"time {name}", "three", timestamp, version, index=1)
    kafka.list_offsets("time of a record in the middle of a compressed batch", "codec", TIME + 1)
    kafka.list_offsets("max timestamp of a compressed batch", "codec", -3)
    kafka.list_offsets("max timestamp of an empty partition", "grow", -3)
    kafka.list_offsets("latest of an empty partition", "grow", -1)
    kafka.list_offsets("earliest of an empty partition", "grow", -2)
    kafka.list_offsets("time 0 of an empty partition", "grow", 0)
    for version in (1, 7, 10):
        kafka.list_offsets("unknown partition", "three", -1, version, index=9)
        kafka.list_offsets("unknown topic", "absent", -1, version)
    kafka.list_offsets("illegal topic name", "a/b", -1)
    kafka.list_offsets("partition -1", "three", -1, index=-1)
    for version in (4, 7):
        kafka.list_offsets("right leader epoch", "three", -1, version, index=1, current_leader_epoch=0)
        kafka.list_offsets("leader epoch too high", "three", -1, version, index=1, current_leader_epoch=5)
        kafka.list_offsets("leader epoch too high, time 0", "three", 0, version, index=1, current_leader_epoch=5)
    kafka.list_offsets("latest, isolation level 1", "three", -1, isolation_level=1, index=1)
    kafka.list_offsets("time, isolation level 1", "three", TIME, isolation_level=1, index=1)
    kafka.list_offsets("isolation level 2", "three", -1, isolation_level=2, index=1)
    latest = {"index": 1}
    topic = {"name": "three", "partitions": [latest, latest]}
    for version in (1, 7):
        kafka.send(f"ListOffsets v{version}: one partition twice", "ListOffsets", version, {"topics": [topic]})
    kafka.send("ListOffsets v7: one topic twice", "ListOffsets", 7, {"topics": [topic | {"partitions": [latest]}] * 2})
    kafka.send("ListOffsets v7: no topics", "ListOffsets", 7)
    mixed = [topic | {"partitions": [latest, {"index": 9}]}, {"name": "absent", "partitions": [{}]}]
    kafka.send("ListOffsets v7: good and unknown mixed", "ListOffsets", 7, {"topics": mixed})
    kafka.send("ListOffsets v7: replica id 1", "ListOffsets", 7, {"topics": [topic | {"partitions": [latest]}], "replica_id": 1})


def offset_for_leader_epoch(kafka):
    def send(name, version, topic="three", **partition):
        topics = [{"name": topic, "partitions": [{"index": 1} | partition]}]
        kafka.send(f"OffsetForLeaderEpoch v{version}: {name}", "OffsetForLeaderEpoch", version, {"replica_id": -1, "topics": topics})

    for version in (2, 3, 4):
        send("epoch 0", version, leader_epoch=0)
        send("epoch 5", version, leader_epoch=5)
        send("epoch -1", version, leader_epoch=-1)
        send("current epoch too high", version, leader_epoch=0, current_leader_epoch=5)
        send("unknown partition", version, index=9)
        send("unknown topic", version, "absent")
    send("epoch -2", 4, leader_epoch=-2)
    send("epoch 0 of an empty partition", 4, "grow", index=0, leader_epoch=0)
    send("right current epoch", 4, leader_epoch=0, current_leader_epoch=0)
    kafka.send("OffsetForLeaderEpoch v4: no topics", "OffsetForLeaderEpoch", 4)


def delete_records(kafka):
    def send(name, version, offset, topic="trim", index=0):
        topics = [{"name": topic, "partitions": [{"index": index, "offset": offset}]}]
        kafka.send(f"DeleteRecords v{version}: {name}", "DeleteRecords", version, {"topics": topics})

    for _ in range(3):
        kafka.produce("for DeleteRecords", "trim", batch(records(4), 4), 9)
    for version in (0, 1, 2):
        send("to an offset inside a batch", version, version + 1)
        send("beyond the end", version, 99)
        send("offset -2", version, -2)
        send("unknown partition", version, 1, index=9)
        send("unknown topic", version, 1, "absent")
    send("below the start", 2, 1)
    kafka.fetch("at the new start, inside a batch", "trim", 3, 12)
    kafka.fetch("below the new start", "trim", 2, 12)
    kafka.list_offsets("earliest after DeleteRecords", "trim", -2)
    kafka.list_offsets("time 0 after DeleteRecords", "trim", 0)
    kafka.produce("after DeleteRecords, with the log start offset", "trim", batch(records(1)), 9)
    send("to the high watermark by -1", 2, -1)
    kafka.list_offsets("earliest after deleting everything", "trim", -2)
    kafka.list_offsets("max timestamp after deleting everything", "trim", -3)
    kafka.fetch("at the end after deleting everything", "trim", 13, 12)
    send("compacted topic", 2, 1, "compacted")
    send("illegal topic name", 2, 1, "a/b")
    offset_1 = {"index": 0, "offset": 1}
    values = {"topics": [{"name": "trim", "partitions": [offset_1, {"index": 0, "offset": 2}]}]}
    kafka.send("DeleteRecords v2: one partition twice", "DeleteRecords", 2, values)
    kafka.send("DeleteRecords v2: no topics", "DeleteRecords", 2)


def init_producer_id(kafka):
    def send(name, version, **values):
        kafka.send(f"InitProducerId v{version}: {name}", "InitProducerId", version, values)

    kafka.await_producer_ids()
    for version in range(6):
        start = 4 + (version >= 2) + 4 + 2
        bind = {f"producer_id:{version}": lambda response, start=start: response[start : start + 8]}
        kafka.send(f"InitProducerId v{version}: no transactional id", "InitProducerId", version, bind=bind)
    send("no transactional id", 6)
    for version in (0, 3, 5):
        send("empty transactional id", version, transactional_id="")
    send("timeout 0", 3, transaction_timeout_ms=0)
    send("timeout -1", 3, transaction_timeout_ms=-1)
    for version in (3, 5):
        send("own producer id and epoch", version, producer_id=Bound("producer_id:5"), producer_epoch=0)
        send("unknown producer id and epoch", version, producer_id=123_456, producer_epoch=3)
        send("producer id without epoch", version, producer_id=Bound("producer_id:5"), producer_epoch=-1)
        send("epoch without producer id", version, producer_id=-1, producer_epoch=0)
        send("producer id -2", version, producer_id=-2, producer_epoch=0)
        send("epoch -2", version, producer_id=5, producer_epoch=-2)
    send("highest epoch", 4, producer_id=Bound("producer_id:4"), producer_epoch=2**15 - 1)


def create_partitions(kafka):
    def send(name, version, topics, validate_only=0):
        kafka.send(f"CreatePartitions v{version}: {name}", "CreatePartitions", version, {"topics": topics, "validate_only": validate_only})

    def one(name, version, count, topic="grow", **values):
        send(name, version, [{"name": topic, "count": count} | values])

    for version in range(4):
        one("more", version, version + 2)
        one("the same number", version, version + 2)
        one("fewer", version, 1)
        one("unknown topic", version, 2, "absent")
    for count in (0, -1):
        one(f"count {count}", 3, count)
    one("illegal topic name", 3, 2, "a/b")
    one("empty topic name", 3, 2, "")
    send("validate only", 3, [{"name": "grow", "count": 9}], validate_only=1)
    send("validate only, the same number", 3, [{"name": "grow", "count": 5}], validate_only=1)
    send("one topic twice", 3, [{"name": "grow", "count": 6}, {"name": "grow", "count": 7}])
    send("one topic twice beside a good one", 3, [{"name": "grow", "count": 6}, {"name": "created-7", "count": 3}, {"name": "grow", "count": 7}])
    one("assignment", 3, 6, assignments=[{"brokers": [1]}])
    one("assignment to an unknown broker", 3, 7, assignments=[{"brokers": [7]}])
    one("assignment to one broker twice", 3, 7, assignments=[{"brokers": [1, 1]}])
    one("assignment to no broker", 3, 7, assignments=[{"brokers": []}])
    one("fewer assignments than partitions", 3, 8, assignments=[{"brokers": [1]}])
    one("more assignments than partitions", 3, 7, assignments=[{"brokers": [1]}, {"brokers": [1]}])
    one("empty list of assignments", 3, 7, assignments=[])
    send("no topics", 3, [])
    kafka.send("Metadata v9: grow after all", "Metadata", 9, {"topics": [{"name": "grow"}]})


def describe_configs(kafka):
    def send(name, version, resource, **values):
        kafka.send(f"DescribeConfigs v{version}: {name}", "DescribeConfigs", version, {"resources": [resource]} | values)

    keys = ["retention.ms", "max.message.bytes", "cleanup.policy"]
    for version in range(1, 5):
        send("topic, chosen keys", version, {"name": "configured", "keys": keys})
        send("topic, chosen keys with synonyms", version, {"name": "configured", "keys": keys}, include_synonyms=1)
        send("unknown topic", version, {"name": "absent"})
    send("topic, all keys", 1, {"name": "configured"})
    send("topic, all keys with synonyms", 4, {"name": "configured"}, include_synonyms=1)
    send("topic, one key with documentation", 3, {"name": "configured", "keys": keys[:1]}, include_documentation=1)
    send("topic, all keys with documentation", 4, {"name": "configured"}, include_documentation=1)
    send("topic, unknown key", 4, {"name": "configured", "keys": ["no.such.config", "retention.ms"]})
    send("topic, one key twice", 4, {"name": "configured", "keys": ["retention.ms", "retention.ms"]})
    send("topic, empty list of keys", 4, {"name": "configured", "keys": []})
    send("topic, empty name", 4, {"name": ""})
    send("topic, illegal name", 4, {"name": "a/b"})
    broker_keys = ["log.retention.hours", "num.partitions", "auto.create.topics.enable", "node.id"]
    for version in (1, 4):
        send("broker, chosen keys", version, {"type": 4, "name": "1", "keys": broker_keys}, include_synonyms=1)
        send("broker with another id", version, {"type": 4, "name": "7"})
        send("broker with an id that is no number", version, {"type": 4, "name": "one"})
    send("broker, all keys", 4, {"type": 4, "name": "1"})
    send("default of all brokers", 4, {"type": 4, "name": ""})
    send("broker logger, chosen", 4, {"type": 8, "name": "1", "keys": ["org.apache.kafka"]})
    send("broker logger with another id", 4, {"type": 8, "name": "7"})
    send("client metrics", 4, {"type": 16, "name": "absent"})
    send("group", 4, {"type": 32, "name": "absent"})
    for type in (0, 1, 3, 99, -1):
        send(f"resource type {type}", 4, {"type": type, "name": "configured"})
    kafka.send("DescribeConfigs v4: no resources", "DescribeConfigs", 4)
    topic = {"name": "configured", "keys": keys[:1]}
    kafka.send("DescribeConfigs v4: one resource twice", "DescribeConfigs", 4, {"resources": [topic, topic]})
    kafka.send("DescribeConfigs v4: good and unknown mixed", "DescribeConfigs", 4, {"resources": [topic, {"name": "absent"}, {"type": 4, "name": "7"}]})


def describe_configured(kafka, name):
    keys = ["retention.ms", "retention.bytes", "cleanup.policy", "max.message.bytes", "follower.replication.throttled.replicas"]
    kafka.send(f"DescribeConfigs v4: {name}", "DescribeConfigs", 4, {"resources": [{"name": "configured", "keys": keys}]})


def alter_configs(kafka):
    def send(name, version, configs, resource=None, validate_only=0):
        resource = {"name": "configured", "configs": configs} | (resource or {})
        kafka.send(f"AlterConfigs v{version}: {name}", "AlterConfigs", version, {"resources": [resource], "validate_only": validate_only})

    for version in range(3):
        send("good", version, pairs({"retention.ms": f"{version + 1}000000000"}))
        send("unknown topic", version, pairs({"retention.ms": "1"}), {"name": "absent"})
        send("unknown key", version, pairs({"no.such.config": "1"}))
        send("bad value", version, pairs({"retention.ms": "abc"}))
    describe_configured(kafka, "after AlterConfigs, the other keys are back to their defaults")
    send("null value", 2, pairs({"retention.ms": None}))
    send("one key twice", 2, pairs({"retention.ms": "5"}) + pairs({"retention.ms": "6000000000"}))
    send("validate only", 2, pairs({"retention.ms": "7"}), validate_only=1)
    send("validate only, bad value", 2, pairs({"retention.ms": "abc"}), validate_only=1)
    send("no configs", 2, [])
    send("illegal topic name", 2, [], {"name": "a/b"})
    send("empty topic name", 2, [], {"name": ""})
    send("broker with another id", 2, [], {"type": 4, "name": "7"})
    send("broker logger", 2, [], {"type": 8, "name": "1"})
    for type in (0, 1, 99):
        send(f"resource type {type}", 2, [], {"type": type})
    topic = {"name": "configured", "configs": pairs({"retention.ms": "8000000000"})}
    kafka.send("AlterConfigs v2: one resource twice", "AlterConfigs", 2, {"resources": [topic, topic]})
    kafka.send("AlterConfigs v2: no resources", "AlterConfigs", 2)
    describe_configured(kafka, "after the failed AlterConfigs")


def incremental_alter_configs(kafka):
    SET, DELETE, APPEND, SUBTRACT = range(4)

    def send(name, version, *configs, resource=None, validate_only=0):
        configs = [dict(zip(("name", "operation", "value"), config)) for config in configs]
        resource = {"name": "configured", "configs": configs} | (resource or {})
        values = {"resources": [resource], "validate_only": validate_only}
        kafka.send(f"IncrementalAlterConfigs v{version}: {name}", "IncrementalAlterConfigs", version, values)

    throttled = "follower.replication.throttled.replicas"
    for version in (0, 1):
        send("set", version, ("retention.ms", SET, "9000000000"), ("cleanup.policy", SET, "delete"))
        send("append", version, ("cleanup.policy", APPEND, "compact"))
        send("append what is there", version, ("cleanup.policy", APPEND, "compact"))
        describe_configured(kafka, "after append")
        send("subtract", version, ("cleanup.policy", SUBTRACT, "compact"))
        send("subtract what is not there", version, ("cleanup.policy", SUBTRACT, "compact"))
        send("delete", version, ("retention.ms", DELETE, None))
        send("delete what is not set", version, ("retention.ms", DELETE, None))
        send("append to no list", version, ("retention.ms", APPEND, "1"))
        send("subtract from no list", version, ("retention.ms", SUBTRACT, "1"))
        send("unknown key", version, ("no.such.config", SET, "1"))
        send("bad value", version, ("retention.ms", SET, "abc"))
        send("unknown topic", version, ("retention.ms", SET, "1"), resource={"name": "absent"})
    send("delete an unknown key", 1, ("no.such.config", DELETE, None))
    send("delete with a value", 1, ("retention.ms", DELETE, "5"))
    send("set to null", 1, ("retention.ms", SET, None))
    send("append null", 1, ("cleanup.policy", APPEND, None))
    send("append two values", 1, ("cleanup.policy", SET, "compact"), resource={"name": "created-7"})
    send("append bad value", 1, ("cleanup.policy", APPEND, "shred"))
    send("subtract the last value", 1, ("cleanup.policy", SUBTRACT, "delete"))
    describe_configured(kafka, "after subtracting the last value")
    send("append two replicas", 1, (throttled, APPEND, "0:1,1:1"))
    send("subtract one replica", 1, (throttled, SUBTRACT, "0:1"))
    send("append bad replica", 1, (throttled, APPEND, "x"))
    describe_configured(kafka, "after appending replicas")
    send("one key twice", 1, ("retention.ms", SET, "5"), ("retention.ms", SET, "6"))
    send("one key set and deleted", 1, ("retention.ms", SET, "5"), ("retention.ms", DELETE, None))
    send("operation 9", 1, ("retention.ms", 9, "5"))
    send("operation -1", 1, ("retention.ms", -1, "5"))
    send("one good, one bad", 1, ("retention.bytes", SET, "5000"), ("retention.ms", SET, "abc"))
    send("validate only", 1, ("retention.ms", SET, "5"), validate_only=1)
    send("no configs", 1)
    send("illegal topic name", 1, ("retention.ms", SET, "5"), resource={"name": "a/b"})
    send("empty topic name", 1, ("retention.ms", SET, "5"), resource={"name": ""})
    send("broker with another id", 1, ("log.retention.ms", SET, "5"), resource={"type": 4, "name": "7"})
    send("broker with an id that is no number", 1, ("log.retention.ms", SET, "5"), resource={"type": 4, "name": "one"})
    send("broker, static key", 1, ("node.id", SET, "5"), resource={"type": 4, "name": "1"}, validate_only=1)
    send("broker, dynamic key, validate only", 1, ("log.retention.ms", SET, "5"), resource={"type": 4, "name": "1"}, validate_only=1)
    send("default of all brokers, validate only", 1, ("log.retention.ms", SET, "5"), resource={"type": 4, "name": ""}, validate_only=1)
    for type in (0, 1, 99):
        send(f"resource type {type}", 1, ("retention.ms", SET, "5"), resource={"type": type})
    topic = {"name": "configured", "configs": [{"name": "retention.ms", "value": "9500000000"}]}
    kafka.send("IncrementalAlterConfigs v1: one resource twice", "IncrementalAlterConfigs", 1, {"resources": [topic, topic]})
    kafka.send("IncrementalAlterConfigs v1: good and unknown mixed", "IncrementalAlterConfigs", 1, {"resources": [topic, topic | {"name": "absent"}]})
    kafka.send("IncrementalAlterConfigs v1: no resources", "IncrementalAlterConfigs", 1)
    describe_configured(kafka, "after all")


def describe_cluster(kafka):
    def send(name, version, **values):
        kafka.send(f"DescribeCluster v{version}: {name}", "DescribeCluster", version, values)

    for version in (0, 1, 2):
        send("brokers", version)
    send("authorized operations", 0, include_cluster_authorized_operations=1)
    for version in (1, 2):
        for endpoint_type in (2, 3, 0, -1):
            send(f"endpoint type {endpoint_type}", version, endpoint_type=endpoint_type)
    send("fenced brokers", 2, include_fenced_brokers=1)


def describe_topic_partitions(kafka):
    def send(name, topics, **values):
        topics = [{"name": topic} for topic in topics]
        kafka.send(f"DescribeTopicPartitions v0: {name}", "DescribeTopicPartitions", 0, {"topics": topics} | values)

    send("one topic", ["three"])
    send("two topics, not in the order of their names", ["three", "plain"])
    send("limit of two", ["three"], response_partition_limit=2)
    send("limit of two over two topics", ["plain", "three"], response_partition_limit=2)
    send("limit of one over two topics", ["plain", "three"], response_partition_limit=1)
    for limit in (0, -1):
        send(f"limit {limit}", ["plain", "three"], response_partition_limit=limit)
    send("cursor at partition 2", ["three"], cursor={"name": "three", "index": 2})
    send("cursor beyond the last partition", ["three"], cursor={"name": "three", "index": 9})
    send("cursor at partition -1", ["three"], cursor={"name": "three", "index": -1})
    send("cursor at the second topic", ["plain", "three"], cursor={"name": "three", "index": 1})
    send("cursor at a topic that is not asked for", ["three"], cursor={"name": "plain", "index": 0})
    send("cursor at an unknown topic", ["three"], cursor={"name": "absent", "index": 0})
    send("unknown topic", ["absent"])
    send("unknown and known topic", ["absent", "three"])
    send("unknown and known topic, limit of one", ["absent", "three"], response_partition_limit=1)
    send("one topic twice", ["plain", "plain"])
    send("illegal name", ["a/b"])
    send("empty name", [""])


def describe_log_dirs(kafka):
    def send(name, version, topics):
        kafka.send(f"DescribeLogDirs v{version}: {name}", "DescribeLogDirs", version, {"topics": topics})

    chosen = [{"name": "three", "partitions": [0, 2]}, {"name": "plain", "partitions": [0]}]
    for version in range(1, 6):
        send("chosen partitions", version, chosen)
    send("all", 1, None)
    send("all", 4, None)
    send("no topics", 4, [])
    send("unknown topic", 4, [{"name": "absent", "partitions": [0]}])
    send("unknown partition", 4, [{"name": "plain", "partitions": [0, 9]}])
    send("no partitions", 4, [{"name": "plain", "partitions": []}])
    send("partition -1", 4, [{"name": "plain", "partitions": [-1]}])


def delete_topics(kafka):
    def names(name, version, *topics):
        kafka.send(f"DeleteTopics v{version}: {name}", "DeleteTopics", version, {"names": list(topics), "topics": [{"name": topic} for topic in topics]})

    def entries(name, *topics):
        kafka.send(f"DeleteTopics v6: {name}", "DeleteTopics", 6, {"topics": list(topics)})

    for version in range(1, 7):
        names("good", version, f"created-{version}" if version > 1 else "assigned")
        names("unknown", version, "absent")
    names("deleted just now", 6, "created-6")
    names("one twice", 4, "mixed", "mixed")
    names("one twice beside a good one", 4, "mixed", "assigned-4", "mixed")
    names("unknown twice", 4, "absent", "absent")
    names("illegal name", 4, "a/b")
    names("empty name", 4, "")
    names("good and unknown mixed", 4, "beside", "absent")
    names("none", 4)
    for name in ("doomed-1", "doomed-2", "doomed-3"):
        kafka.create(name)
    entries("by id", kafka.topic("doomed-1") | {"name": None})
    entries("by the id just deleted", kafka.topic("doomed-1") | {"name": None})
    entries("by unknown id", {"topic_id": UNKNOWN_ID})
    entries("by id and name", kafka.topic("doomed-2"))
    entries("by id and another name", kafka.topic("doomed-2") | {"name": "doomed-3"})
    entries("neither id nor name", {})
    entries("by id and, apart, by name", kafka.topic("doomed-2") | {"name": None}, {"name": "doomed-2"})
    entries("by the same id twice", *[kafka.topic("doomed-2") | {"name": None}] * 2)
    entries("none")
    kafka.produce("deleted topic id", "doomed-1", batch(records(1)), 13)
    kafka.fetch("deleted topic id", "doomed-1", version=13)
    kafka.create("doomed-1")
    kafka.fetch("name created anew", "doomed-1", version=12)
    kafka.fetch("id of the topic created anew", "doomed-1", version=13)


def framing(kafka):
    for key in (999, -1, 4, 52, 2000):
        kafka.send_header(f"frame: api key {key}", key, 0)
    topic = {"topics": [{"name": "plain"}]}
    for version in (14, 99, -1):
        kafka.send(f"frame: Metadata v{version}", "Metadata", version, topic)
    kafka.produce("below the lowest served", "plain", batch(records(1)), 2)
    for api, version in (("Fetch", 3), ("Fetch", 19), ("ListOffsets", 0), ("CreateTopics", 1), ("Produce", 14)):
        kafka.send(f"frame: {api} v{version}", api, version)
    for version in (1, 9, 12):
        kafka.send(f"frame: Metadata v{version}, body cut by one byte", "Metadata", version, topic, cut=1)
        kafka.send(f"frame: Metadata v{version}, no body", "Metadata", version, topic, body=b"")
        kafka.send(f"frame: Metadata v{version}, 3 bytes after the body", "Metadata", version, topic, extra=b"abc")
        kafka.send(f"frame: Metadata v{version}, unchanged, after the 3 bytes", "Metadata", version, topic, same_connection=True)
    huge, negative = struct.pack(">i", 2**31 - 1), struct.pack(">i", -2)
    kafka.send("frame: Metadata v1, 2^31-1 topics", "Metadata", 1, body=huge)
    kafka.send("frame: Metadata v1, -2 topics", "Metadata", 1, body=negative)
    kafka.send("frame: Metadata v0, -1 topics", "Metadata", 0, body=struct.pack(">i", -1))
    kafka.send("frame: Metadata v9, 2^31-1 topics", "Metadata", 9, body=wire.uvarint(2**31) + bytes(9))
    kafka.send("frame: Metadata v9, array length varint without end", "Metadata", 9, body=b"\xff" * 12)
    kafka.send("frame: Metadata v1, topic name of length -2", "Metadata", 1, body=struct.pack(">ih", 1, -2))
    kafka.send("frame: Metadata v1, topic name of length -1", "Metadata", 1, body=struct.pack(">ih", 1, -1))
    kafka.send("frame: Metadata v1, topic name of length 2^15-1", "Metadata", 1, body=struct.pack(">ih", 1, 2**15 - 1))
    kafka.send("frame: Metadata v1, topic name not UTF-8", "Metadata", 1, {"topics": [{"name": b"\xff\xfe"}]})
    kafka.send("frame: Metadata v1, client id null", "Metadata", 1, topic, client_id=None)
    kafka.send("frame: Metadata v9, client id empty", "Metadata", 9, topic, client_id="")
    kafka.send("frame: Metadata v9, client id not UTF-8", "Metadata", 9, topic, client_id=b"\xff\xfe")
    kafka.send("frame: Metadata v9, unknown tags in header and body", "Metadata", 9, topic | {"tags": {0: b"x", 77: b""}}, header_tags={5: b"y"})
    kafka.send("frame: Metadata v9, tags not in order", "Metadata", 9, topic | {"tags": {9: b"x", 8: b"y"}})
    kafka.send("frame: Metadata v9, tag longer than the body", "Metadata", 9, topic, cut=1, extra=b"\x01\x05\x50x")
    kafka.send("frame: Metadata v9, 2^31-1 tags", "Metadata", 9, topic, cut=1, extra=wire.uvarint(2**31 - 1))
    kafka.send("frame: Produce v3, records of length 2^31-1", "Produce", 3,
               body=struct.pack(">hhiih", -1, -1, 5000, 1, 5) + b"plain" + struct.pack(">iii", 1, 0, 2**31 - 1))
    kafka.send("frame: Produce v3, records of length -2", "Produce", 3,
               body=struct.pack(">hhiih", -1, -1, 5000, 1, 5) + b"plain" + struct.pack(">iii", 1, 0, -2))
    kafka.send("frame: CreateTopics v4, 2^31-1 topics", "CreateTopics", 4, body=huge)
    kafka.send("frame: Fetch v4, 2^31-1 topics", "Fetch", 4, body=bytes(17) + huge)

    kafka.send_raw("frame: length -1", struct.pack(">i", -1))
    kafka.send_raw("frame: length 0", bytes(4))
    kafka.send_raw("frame: length 104857601, above socket.request.max.bytes", struct.pack(">i", 104_857_601))
    kafka.send_raw("frame: length 3", struct.pack(">i", 3) + bytes([0, 18, 0]))
    kafka.send_raw("frame: header without client id", struct.pack(">ihhi", 8, 3, 1, 7))
    kafka.send_raw("frame: ApiVersions v3 header cut in the correlation id", struct.pack(">ihhh", 6, 18, 3, 0))
    kafka.send_raw("frame: client id of length -2", struct.pack(">ihhih", 10, 3, 1, 7, -2))
    kafka.send_raw("frame: client id longer than the frame", struct.pack(">ihhih", 10, 3, 1, 7, 50))
    kafka.send_raw("frame: an HTTP request", b"GET / HTTP/1.1\r\n\r\n")
    kafka.send_raw("frame: a TLS client hello", bytes.fromhex("160301000501000001fc0303"))


def main():
    host, _, port = sys.argv[1].rpartition(":")
    kafka = Recorder(host, int(port))
    record_all(kafka)
    used = {case["note"] for case in kafka.cases if "note" in case}
    assert used == set(NOTES.values()), f"notes without a case: {set(NOTES.values()) - used}"
    print('{"kafka": "4.3.0", "cases": [')
    print(",\n".join(json.dumps(case) for case in kafka.cases))
    print("]}")


if __name__ == "__main__":
    main()
