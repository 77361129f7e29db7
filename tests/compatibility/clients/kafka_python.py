"""kafka-python, which shares no code with librdkafka."""

import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import BrokerResponseError

from record import Message, Record, Refused

NAME = "kafka-python"
PATIENCE = 60


def can_send(message):
    """It refuses null in a header, and a message with neither key nor value."""
    return all(value is not None for _, value in message.headers) and (message.key, message.value) != (None, None)


def write(broker, topic, messages, codec="none", acks="all", idempotent=False, partition=None, max_size=1_000_000):
    producer = KafkaProducer(
        bootstrap_servers=broker, compression_type=None if codec == "none" else codec,
        acks=acks if acks == "all" else int(acks), enable_idempotence=idempotent, max_request_size=max_size)
    try:
        waiting = [producer.send(topic, message.value, message.key, list(message.headers), partition)
                   for message in messages]
        producer.flush(PATIENCE)
        for result in waiting:
            result.get(PATIENCE)
    except BrokerResponseError as error:
        raise Refused(error.errno, str(error)) from error
    finally:
        producer.close()


def read(broker, topic, isolation="read_uncommitted"):
    reader = KafkaConsumer(bootstrap_servers=broker, group_id=None, enable_auto_commit=False, isolation_level=isolation)
    try:
        partitions = [TopicPartition(topic, partition) for partition in reader.partitions_for_topic(topic)]
        ends = reader.end_offsets(partitions)
        reader.assign(partitions)
        reader.seek_to_beginning()
        records = take_until(reader, ends)
        return sorted(records, key=lambda r: (r.partition, r.offset))
    finally:
        reader.close()


def take_until(reader, ends):
    """What the consumer delivers before these offsets: not all of them need be records, for transactions leave marks."""
    records = []
    deadline = time.monotonic() + PATIENCE
    while any(reader.position(partition) < end for partition, end in ends.items()):
        assert time.monotonic() < deadline, f"{len(records)} records came, and then no more before {ends}"
        for batch in reader.poll(timeout_ms=200).values():
            records += [record(got) for got in batch if got.offset < ends[got.topic, got.partition]]
    return records


def take(reader, count):
    """The next `count` records that the consumer delivers."""
    records = []
    deadline = time.monotonic() + PATIENCE
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records came"
        for batch in reader.poll(timeout_ms=200).values():
            records += [record(got) for got in batch]
    return records


def record(got):
    return Record(got.partition, got.offset, Message(got.value, got.key, tuple(got.headers)), got.timestamp)
