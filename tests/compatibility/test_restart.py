"""What must be the same after the daemon ended and was started again, cleanly (SIGTERM) or not (SIGKILL)."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioPartition
from confluent_kafka import OFFSET_BEGINNING, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as KafkaPythonPartition

from clients import aio, confluent, kafka_python
from daemon import free_address
from record import Message

TOPIC = "kept"
FAST = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 300, "log_level": 2}


@pytest.fixture(params=["stop", "kill"])
def restart(request, make_daemon):
    """A daemon of the test's own, and the way in which it is started again."""
    daemon = make_daemon(kafka=free_address(), http=free_address()).start()
    admin = AdminClient({"bootstrap.servers": daemon.kafka})
    admin.create_topics([NewTopic(TOPIC, 2, 1, config={"retention.ms": "123456789"})])[TOPIC].result(30)

    def again():
        if request.param == "stop":
            assert daemon.stop() == 0
        else:
            daemon.kill()
        daemon.start()

    again.broker = daemon.kafka
    yield again
    daemon.kill()


def values(*numbers):
    return [Message(f"{n}".encode(), b"key", (("n", b"1"), ("n", b"2"))) for n in range(*numbers)]


def snapshot(broker):
    """All that may not change, as a client that connects anew sees it."""
    admin = AdminClient({"bootstrap.servers": broker})
    topic = admin.describe_topics(TopicCollection([TOPIC]))[TOPIC].result(30)
    configs = ConfigResource(ConfigResource.Type.TOPIC, TOPIC)
    reader = confluent.consumer(broker)
    try:
        return {
            "cluster id": admin.describe_cluster().result(30).cluster_id,
            "topic id": str(topic.topic_id),
            "partitions": len(topic.partitions),
            "retention": admin.describe_configs([configs])[configs].result(30)["retention.ms"].value,
            "offsets": [reader.get_watermark_offsets(TopicPartition(TOPIC, p), 30) for p in (0, 1)],
            "records": [(r, r.timestamp) for r in confluent.read(broker, TOPIC)],
        }
    finally:
        reader.close()


def test_everything_is_still_there(restart):
    confluent.write(restart.broker, TOPIC, values(100), codec="lz4", partition=0)
    kafka_python.write(restart.broker, TOPIC, values(50), idempotent=True, partition=1)
    before = snapshot(restart.broker)
    assert before["offsets"] == [(0, 100), (0, 50)]
    restart()
    assert snapshot(restart.broker) == before
    restart()
    assert snapshot(restart.broker) == before

    aio.write(restart.broker, TOPIC, values(10), partition=0)
    offsets = [r.offset for r in confluent.read(restart.broker, TOPIC) if r.partition == 0]
    assert offsets == list(range(110)), "new records go on where the old ones ended"


@pytest.mark.parametrize("restart", ["stop"], indirect=True)
def test_deleted_records_stay_deleted(restart):
    """Only after a clean end: Kafka itself writes down the new beginning of a log once a minute, so a kill may undo it."""
    confluent.write(restart.broker, TOPIC, values(100), partition=0)
    admin = AdminClient({"bootstrap.servers": restart.broker})
    deleted = TopicPartition(TOPIC, 0, 30)
    admin.delete_records([deleted])[deleted].result(30)
    before = snapshot(restart.broker)
    assert before["offsets"] == [(30, 100), (0, 0)]
    restart()
    assert snapshot(restart.broker) == before


def test_a_deleted_topic_stays_deleted(restart):
    confluent.write(restart.broker, TOPIC, values(10))
    admin = AdminClient({"bootstrap.servers": restart.broker})
    admin.delete_topics([TOPIC])[TOPIC].result(30)
    restart()
    assert TOPIC not in AdminClient({"bootstrap.servers": restart.broker}).list_topics(timeout=30).topics


def test_confluent_goes_on(restart):
    """The same producer (idempotent) and the same consumer, before and after."""
    producer = Producer({"bootstrap.servers": restart.broker, "enable.idempotence": True, **FAST})
    reader = confluent.consumer(restart.broker, **FAST)
    reader.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    for part in (values(0, 10), values(10, 20)):
        for message in part:
            producer.produce(TOPIC, message.value, message.key, headers=list(message.headers), partition=0)
        assert producer.flush(30) == 0
        assert [r.message for r in confluent.take(reader, 10)] == part
        restart()
    reader.close()


def test_kafka_python_goes_on(restart):
    fast = {"bootstrap_servers": restart.broker, "reconnect_backoff_ms": 50, "reconnect_backoff_max_ms": 300}
    producer = KafkaProducer(**fast)
    reader = KafkaConsumer(group_id=None, auto_offset_reset="earliest", **fast)
    reader.assign([KafkaPythonPartition(TOPIC, 0)])
    for part in (values(0, 10), values(10, 20)):
        for message in part:
            producer.send(TOPIC, message.value, message.key, list(message.headers), 0)
        producer.flush(30)
        assert [r.message for r in kafka_python.take(reader, 10)] == part
        restart()
    producer.close()
    reader.close()


def test_aiokafka_goes_on(restart):
    async def scenario():
        fast = {"bootstrap_servers": restart.broker, "retry_backoff_ms": 50}
        producer = AIOKafkaProducer(enable_idempotence=True, **fast)
        reader = AIOKafkaConsumer(group_id=None, auto_offset_reset="earliest", **fast)
        await producer.start()
        await reader.start()
        try:
            reader.assign([AioPartition(TOPIC, 0)])
            for part in (values(0, 10), values(10, 20)):
                for message in part:
                    await producer.send_and_wait(TOPIC, message.value, message.key, 0, headers=list(message.headers))
                assert [r.message for r in await aio.take(reader, 10)] == part
                if part == values(0, 10):
                    # Not after the last part: aiokafka 0.14 cannot be stopped while it waits to connect again.
                    await asyncio.to_thread(restart)
        finally:
            await reader.stop()
            await producer.stop()

    asyncio.run(scenario())
