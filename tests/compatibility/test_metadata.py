"""Who is in the cluster, which topics it has, and what is said of topics that do not exist."""

import asyncio
import json
import subprocess

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import ConfigResource
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError

from clients import confluent
from record import Message


def test_all_clients_see_the_same_cluster(admin, broker):
    """Cluster id, controller and node agree between clients, and the address is the one we connected to."""
    described = admin.describe_cluster().result(30)
    metadata = admin.list_topics(timeout=30)
    kafka_python = KafkaAdminClient(bootstrap_servers=broker)
    theirs = kafka_python.describe_cluster()
    kafka_python.close()
    aio = asyncio.run(aio_cluster(broker))

    assert described.cluster_id
    assert {metadata.cluster_id, theirs["cluster_id"], aio["cluster_id"]} == {described.cluster_id}
    assert {metadata.controller_id, theirs["controller_id"]} == {described.controller.id}
    assert [f"{node.host}:{node.port}" for node in described.nodes] == [broker]
    assert [(b["host"], b["port"]) for b in theirs["brokers"]] == [(n.host, n.port) for n in described.nodes]


async def aio_cluster(broker):
    client = AIOKafkaAdminClient(bootstrap_servers=broker)
    await client.start()
    try:
        return await client.describe_cluster()
    finally:
        await client.close()


def test_list_of_topics(admin, broker, make_topic):
    topic = make_topic(7)
    kafka_python = KafkaAdminClient(bootstrap_servers=broker)
    assert topic in kafka_python.list_topics()
    kafka_python.close()

    listed = admin.list_topics(timeout=30).topics[topic]
    assert sorted(listed.partitions) == list(range(7))
    node = admin.describe_cluster().result(30).controller.id
    for partition in listed.partitions.values():
        assert (partition.leader, partition.replicas, partition.isrs) == (node, [node], [node])


def test_kcat_lists_a_topic(kcat, broker, make_topic):
    topic = make_topic(3)
    command = ["kcat", "-L", "-J", "-b", broker, "-t", topic]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)
    assert [b["name"] for b in answer["brokers"]] == [broker]
    assert [len(t["partitions"]) for t in answer["topics"] if t["topic"] == topic] == [3]


def test_producing_creates_a_topic(client, admin, broker, new_name):
    """With auto.create.topics.enable, as is Kafka's default; the number of partitions is the broker's num.partitions."""
    name = f"{new_name}-{client.NAME}"
    client.write(broker, name, [Message(b"first")])
    assert [r.message.value for r in client.read(broker, name)] == [b"first"]
    node = ConfigResource(ConfigResource.Type.BROKER, str(admin.describe_cluster().result(30).controller.id))
    partitions = admin.describe_configs([node])[node].result(30)["num.partitions"].value
    assert len(admin.list_topics(name, 30).topics[name].partitions) == int(partitions)


def test_looking_does_not_create_a_topic(kcat, admin, broker, new_name):
    """A consumer asks the broker not to create what it looks for, and is told that it is not there."""
    reader = confluent.consumer(broker)
    assert reader.list_topics(new_name, 30).topics[new_name].error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    reader.close()
    command = ["kcat", "-C", "-b", broker, "-t", new_name, "-e", "-X", "allow.auto.create.topics=false"]
    done = subprocess.run(command, capture_output=True, timeout=30)
    assert done.returncode != 0 and b"Unknown topic or partition" in done.stderr
    assert new_name not in admin.list_topics(timeout=30).topics


def test_offsets_of_an_unknown_topic(broker, new_name):
    reader = Consumer({"bootstrap.servers": broker, "group.id": "not-used"})
    with pytest.raises(KafkaException) as refused:
        reader.get_watermark_offsets(TopicPartition(new_name, 0), 10)
    assert refused.value.args[0].code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION)
    reader.close()


def test_describing_an_unknown_topic(broker, new_name):
    client = KafkaAdminClient(bootstrap_servers=broker)
    (described,) = client.describe_topics([new_name])
    assert described["error_code"] == UnknownTopicOrPartitionError.errno
    client.close()


def test_unknown_partition(kcat, broker, make_topic):
    topic = make_topic(2)
    command = ["kcat", "-P", "-b", broker, "-t", topic, "-p", "2", "-X", "message.timeout.ms=3000"]
    done = subprocess.run(command, input=b"value", capture_output=True, timeout=30)
    assert done.returncode != 0
    assert b"Unknown partition" in done.stderr
    producer = KafkaProducer(bootstrap_servers=broker, max_block_ms=2000)
    with pytest.raises((AssertionError, KafkaTimeoutError, ValueError)):
        producer.send(topic, b"value", partition=2).get(10)
    producer.close()
