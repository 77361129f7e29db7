"""Topics are made, changed and deleted, and requests that make no sense get the error that Kafka has for them."""

import asyncio
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as AioNewTopic
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import TopicCollection
from confluent_kafka.admin import (AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, NewPartitions,
                                   NewTopic)
from kafka import KafkaAdminClient
from kafka.errors import InvalidPartitionsError, InvalidTopicError, TopicAlreadyExistsError

from clients import confluent
from record import Message


def error_of(future):
    """The code of the error with which a request of the admin client ended."""
    with pytest.raises(KafkaException) as refused:
        future.result(30)
    return refused.value.args[0].code()


def wait_for(condition):
    """Metadata follows an admin request a moment later."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def create(admin, name, partitions=1, replicas=1, **more):
    return admin.create_topics([NewTopic(name, partitions, replicas, **more.pop("topic", {}))], **more)[name]


def test_create_describe_delete(admin, new_name):
    create(admin, new_name, 3).result(30)
    described = admin.describe_topics(TopicCollection([new_name]))[new_name].result(30)
    assert (described.name, len(described.partitions), described.is_internal) == (new_name, 3, False)
    admin.delete_topics([new_name])[new_name].result(30)
    wait_for(lambda: new_name not in admin.list_topics(timeout=30).topics)
    assert error_of(admin.delete_topics([new_name])[new_name]) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_a_topic_made_again_is_another_topic(admin, broker, new_name):
    """It has another id and starts at offset 0, and the records of the first are gone."""
    ids = []
    for value in (b"first", b"second"):
        create(admin, new_name).result(30)
        confluent.write(broker, new_name, [Message(value)])
        assert [(r.offset, r.message.value) for r in confluent.read(broker, new_name)] == [(0, value)]
        ids.append(str(admin.describe_topics(TopicCollection([new_name]))[new_name].result(30).topic_id))
        admin.delete_topics([new_name])[new_name].result(30)
        wait_for(lambda: new_name not in admin.list_topics(timeout=30).topics)
    assert ids[0] != ids[1]


def test_default_partitions_and_replicas(admin, new_name):
    """-1 means: what the broker has as its default."""
    create(admin, new_name, -1, -1).result(30)
    assert len(admin.list_topics(new_name, 30).topics[new_name].partitions) >= 1


@pytest.mark.parametrize("name, partitions, replicas, config, code", [
    ("..", 1, 1, {}, KafkaError.TOPIC_EXCEPTION),
    ("white space", 1, 1, {}, KafkaError.TOPIC_EXCEPTION),
    ("n" * 250, 1, 1, {}, KafkaError.TOPIC_EXCEPTION),
    ("refused", 1, 3, {}, KafkaError.INVALID_REPLICATION_FACTOR),
    ("refused", 1, 1, {"no.such.property": "1"}, KafkaError.INVALID_CONFIG),
    ("refused", 1, 1, {"retention.ms": "soon"}, KafkaError.INVALID_CONFIG),
    ("refused", 1, 1, {"cleanup.policy": "shred"}, KafkaError.INVALID_CONFIG),
], ids=lambda value: str(value)[:20])
def test_refused_creations(admin, name, partitions, replicas, config, code):
    assert error_of(create(admin, name, partitions, replicas, topic={"config": config})) == code
    assert name not in admin.list_topics(timeout=30).topics


def test_refused_creations_that_librdkafka_would_not_send(broker, new_name):
    client = KafkaAdminClient(bootstrap_servers=broker)
    with pytest.raises(InvalidPartitionsError):
        client.create_topics({new_name: {"num_partitions": 0, "replication_factor": 1}})
    with pytest.raises(InvalidTopicError):
        client.create_topics({"": {"num_partitions": 1, "replication_factor": 1}})
    client.close()


def test_topic_exists_already(admin, broker, make_topic):
    topic = make_topic()
    assert error_of(create(admin, topic)) == KafkaError.TOPIC_ALREADY_EXISTS
    client = KafkaAdminClient(bootstrap_servers=broker)
    with pytest.raises(TopicAlreadyExistsError):
        client.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    client.close()


def test_validate_only(admin, new_name):
    create(admin, new_name, validate_only=True).result(30)
    assert new_name not in admin.list_topics(timeout=30).topics


def test_kafka_python_creates_and_deletes(admin, broker, new_name):
    client = KafkaAdminClient(bootstrap_servers=broker)
    client.create_topics({new_name: {"num_partitions": 2, "replication_factor": 1, "configs": {"retention.ms": "1000"}}})
    wait_for(lambda: new_name in client.list_topics())
    client.create_partitions({new_name: 4})
    wait_for(lambda: len(admin.list_topics(new_name, 30).topics[new_name].partitions) == 4)
    client.delete_topics([new_name])
    wait_for(lambda: new_name not in client.list_topics())
    client.close()


def test_aiokafka_creates_and_deletes(admin, broker, new_name):
    async def scenario():
        client = AIOKafkaAdminClient(bootstrap_servers=broker)
        await client.start()
        try:
            await client.create_topics([AioNewTopic(new_name, 2, 1)])
            assert len(admin.list_topics(new_name, 30).topics[new_name].partitions) == 2
            await client.delete_topics([new_name])
        finally:
            await client.close()

    asyncio.run(scenario())
    wait_for(lambda: new_name not in admin.list_topics(timeout=30).topics)


def test_create_partitions(admin, broker, make_topic):
    topic = make_topic(2)
    confluent.write(broker, topic, [Message(b"before")], partition=1)
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(30)
    wait_for(lambda: len(admin.list_topics(topic, 30).topics[topic].partitions) == 5)
    confluent.write(broker, topic, [Message(b"after")], partition=4)
    assert [(r.partition, r.message.value) for r in confluent.read(broker, topic)] == [(1, b"before"), (4, b"after")]


def test_refused_partitions(admin, make_topic, new_name):
    topic = make_topic(3)
    assert error_of(admin.create_partitions([NewPartitions(topic, 2)])[topic]) == KafkaError.INVALID_PARTITIONS
    assert error_of(admin.create_partitions([NewPartitions(topic, 3)])[topic]) == KafkaError.INVALID_PARTITIONS
    assert error_of(admin.create_partitions([NewPartitions(new_name, 2)])[new_name]) == KafkaError.UNKNOWN_TOPIC_OR_PART


def describe(admin, topic):
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    return admin.describe_configs([resource])[resource].result(30)


def alter(admin, topic, name, value, operation=AlterConfigOpType.SET):
    change = ConfigEntry(name, value, incremental_operation=operation)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[change])
    return admin.incremental_alter_configs([resource])[resource]


def test_configs_say_where_they_come_from(admin, make_topic):
    configs = describe(admin, make_topic(retention_ms="123456"))
    assert (configs["retention.ms"].value, configs["retention.ms"].is_default) == ("123456", False)
    assert configs["retention.ms"].source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    assert (configs["cleanup.policy"].value, configs["cleanup.policy"].is_default) == ("delete", True)
    assert configs["max.message.bytes"].value == "1048588"


def test_alter_and_reset_a_config(admin, make_topic):
    topic = make_topic(max_message_bytes="50000")
    alter(admin, topic, "retention.ms", "3600000").result(30)
    wait_for(lambda: describe(admin, topic)["retention.ms"].value == "3600000")
    assert describe(admin, topic)["max.message.bytes"].value == "50000", "an incremental change leaves the others alone"
    alter(admin, topic, "retention.ms", None, AlterConfigOpType.DELETE).result(30)
    wait_for(lambda: describe(admin, topic)["retention.ms"].value == "604800000")
    assert describe(admin, topic)["retention.ms"].is_default


def test_an_altered_limit_counts(admin, broker, make_topic):
    topic = make_topic(max_message_bytes="5000")
    alter(admin, topic, "max.message.bytes", "50000").result(30)
    wait_for(lambda: describe(admin, topic)["max.message.bytes"].value == "50000")
    confluent.write(broker, topic, [Message(b"x" * 40_000)])


def test_refused_configs(admin, make_topic, new_name):
    topic = make_topic()
    assert error_of(alter(admin, topic, "no.such.property", "1")) == KafkaError.INVALID_CONFIG
    assert error_of(alter(admin, topic, "retention.ms", "soon")) == KafkaError.INVALID_CONFIG
    assert error_of(alter(admin, new_name, "retention.ms", "1")) == KafkaError.UNKNOWN_TOPIC_OR_PART
    resource = ConfigResource(ConfigResource.Type.TOPIC, new_name)
    assert error_of(admin.describe_configs([resource])[resource]) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_delete_records(admin, broker, everybody, make_topic):
    topic = make_topic()
    confluent.write(broker, topic, [Message(f"{n}".encode()) for n in range(10)])
    partition = TopicPartition(topic, 0, 6)
    assert admin.delete_records([partition])[partition].result(30).low_watermark == 6
    for reader in everybody:
        assert [(r.offset, r.message.value) for r in reader.read(broker, topic)] == [
            (n, f"{n}".encode()) for n in range(6, 10)], reader.NAME
    beyond = TopicPartition(topic, 0, 11)
    assert error_of(admin.delete_records([beyond])[beyond]) == KafkaError.OFFSET_OUT_OF_RANGE


def test_a_topic_of_a_larger_cluster(admin, broker, new_name):
    """What a definition says that comes from there is taken, kept and told; only what one node cannot keep is refused."""
    config = {"unclean.leader.election.enable": "true", "preallocate": "true", "segment.jitter.ms": "60000",
              "leader.replication.throttled.replicas": "*", "file.delete.delay.ms": "1", "segment.index.bytes": "1048576"}
    create(admin, new_name, topic={"config": config}).result(30)
    confluent.write(broker, new_name, [Message(b"taken")])
    assert [r.message.value for r in confluent.read(broker, new_name)] == [b"taken"]
    described = describe(admin, new_name)
    assert {name: described[name].value for name in config} == config
    # Those of dead letters come with Kafka 4.4.
    assert len([name for name in described if not name.startswith("errors.deadletterqueue.")]) == 33
    for name, value in [("min.insync.replicas", "2"), ("remote.storage.enable", "true")]:
        assert error_of(create(admin, new_name + name, topic={"config": {name: value}})) == KafkaError.INVALID_CONFIG


def test_the_brokers_properties_change_while_it_runs(admin, broker, make_topic):
    topic = make_topic()
    before = describe(admin, topic)["max.message.bytes"].value
    resource = ConfigResource(ConfigResource.Type.BROKER, "1")
    described = admin.describe_configs([resource])[resource].result(30)
    for name in ["default.replication.factor", "offsets.topic.num.partitions", "transaction.state.log.replication.factor",
                 "log.retention.hours", "compression.gzip.level", "num.io.threads"]:
        assert name in described
    for operation, expected in [(AlterConfigOpType.SET, "700000"), (AlterConfigOpType.DELETE, before)]:
        value = "700000" if operation == AlterConfigOpType.SET else None
        entry = ConfigEntry("message.max.bytes", value, incremental_operation=operation)
        resource = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result(30)
        wait_for(lambda: describe(admin, topic)["max.message.bytes"].value == expected)


def test_compaction_lags_that_contradict_each_other(admin, new_name):
    config = {"min.compaction.lag.ms": "100", "max.compaction.lag.ms": "50"}
    assert error_of(create(admin, new_name, topic={"config": config})) == KafkaError.INVALID_CONFIG
    create(admin, new_name, topic={"config": {"min.compaction.lag.ms": "100"}}).result(30)
    lag = ConfigEntry("max.compaction.lag.ms", "50", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, new_name, incremental_configs=[lag])
    assert error_of(admin.incremental_alter_configs([resource])[resource]) == KafkaError.INVALID_CONFIG
