"""Where a log begins and ends, and which offset belongs to a time, in the words of each client."""

import asyncio
import subprocess
import time

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioPartition
from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPythonPartition

from clients import confluent
from record import Message

# Times of ten records; two share one, and one goes back.
TIMES = [1000, 2000, 3000, 3000, 4000, 9000, 5000, 10_000, 11_000, 12_000]
# A time, and the first offset whose time is not before it. None: there is no such record.
ANSWERS = {0: 0, 1000: 0, 1001: 1, 3000: 2, 4001: 5, 9001: 7, 12_000: 9, 12_001: None}
BASE = 1_700_000_000_000


@pytest.fixture(scope="module")
def timed(broker, make_topic):
    """A topic whose partition 1 holds ten records at known times, each in a batch of its own."""
    topic = make_topic(2)
    producer = Producer({"bootstrap.servers": broker})
    for n, moment in enumerate(TIMES):
        producer.produce(topic, f"{n}", partition=1, timestamp=BASE + moment)
        producer.flush(30)
    return topic


@pytest.fixture(scope="module")
def timed_batch(broker, make_topic):
    """The same in one batch: the offset has to be found inside it."""
    topic = make_topic(2)
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 500})
    for n, moment in enumerate(TIMES):
        producer.produce(topic, f"{n}", partition=1, timestamp=BASE + moment)
    producer.flush(30)
    return topic


@pytest.fixture(params=["timed", "timed_batch"])
def topic(request):
    return request.getfixturevalue(request.param)


def test_confluent_offsets_for_times(broker, topic):
    reader = confluent.consumer(broker)
    for moment, expected in ANSWERS.items():
        found = reader.offsets_for_times([TopicPartition(topic, 1, BASE + moment)], 30)[0]
        assert found.error is None
        assert found.offset == (OFFSET_END if expected is None else expected), moment
    reader.close()


def test_kafka_python_offsets_for_times(broker, topic):
    reader = KafkaConsumer(bootstrap_servers=broker)
    partition = KafkaPythonPartition(topic, 1)
    for moment, expected in ANSWERS.items():
        found = reader.offsets_for_times({partition: BASE + moment})[partition]
        assert (found and found.offset) == expected, moment
        assert found is None or found.timestamp == BASE + TIMES[expected], moment
    reader.close()


def test_aiokafka_offsets_for_times(broker, topic):
    async def ask():
        reader = AIOKafkaConsumer(bootstrap_servers=broker)
        await reader.start()
        partition = AioPartition(topic, 1)
        try:
            for moment, expected in ANSWERS.items():
                found = (await reader.offsets_for_times({partition: BASE + moment}))[partition]
                assert (found and found.offset) == expected, moment
        finally:
            await reader.stop()

    asyncio.run(ask())


def test_kcat_offsets_for_times(kcat, broker, topic):
    for moment, expected in ANSWERS.items():
        command = ["kcat", "-Q", "-b", broker, "-t", f"{topic}:1:{BASE + moment}"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
        assert answer.strip() == f"{topic} [1] offset {-1 if expected is None else expected}"


def test_kcat_reads_from_a_time(kcat, broker, topic):
    command = ["kcat", "-C", "-b", broker, "-t", topic, "-p", "1", "-e", "-q", "-o", f"s@{BASE + 9001}"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.split() == ["7", "8", "9"]


def test_timestamps_come_back(everybody, broker, topic):
    for reader in everybody:
        assert [r.timestamp - BASE for r in reader.read(broker, topic)] == TIMES, reader.NAME


def test_earliest_latest_and_newest(admin, topic):
    partition = TopicPartition(topic, 1)
    for spec, expected in [(OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 10), (OffsetSpec.max_timestamp(), 9)]:
        assert admin.list_offsets({partition: spec})[partition].result(30).offset == expected


def test_log_append_time(everybody, broker, make_topic):
    """With message.timestamp.type=LogAppendTime the broker's clock counts, not the producer's."""
    topic = make_topic(message_timestamp_type="LogAppendTime")
    before = time.time() * 1000
    producer = Producer({"bootstrap.servers": broker})
    producer.produce(topic, "value", timestamp=BASE)
    producer.flush(30)
    for reader in everybody:
        assert abs(reader.read(broker, topic)[0].timestamp - before) < 30_000, reader.NAME


def test_watermark_offsets(admin, broker, make_topic):
    """Low and high as each client sees them: in an empty log, after records, after some of them were deleted."""
    topic = make_topic()
    assert watermarks(broker, topic) == {(0, 0)}
    confluent.write(broker, topic, [Message(b"x")] * 10)
    assert watermarks(broker, topic) == {(0, 10)}
    admin.delete_records([TopicPartition(topic, 0, 4)])[TopicPartition(topic, 0)].result(30)
    assert watermarks(broker, topic) == {(4, 10)}


def watermarks(broker, topic):
    """The different answers of three clients: one, when they agree."""
    reader = confluent.consumer(broker)
    answers = {reader.get_watermark_offsets(TopicPartition(topic, 0), 30)}
    reader.close()
    reader = KafkaConsumer(bootstrap_servers=broker)
    partition = KafkaPythonPartition(topic, 0)
    answers.add((reader.beginning_offsets([partition])[partition], reader.end_offsets([partition])[partition]))
    reader.close()
    answers.add(asyncio.run(aio_watermarks(broker, topic)))
    return answers


async def aio_watermarks(broker, topic):
    reader = AIOKafkaConsumer(bootstrap_servers=broker)
    await reader.start()
    try:
        partition = AioPartition(topic, 0)
        return (await reader.beginning_offsets([partition]))[partition], (await reader.end_offsets([partition]))[partition]
    finally:
        await reader.stop()
