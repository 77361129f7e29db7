"""confluent-kafka, the Python face of a recent librdkafka."""

import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from record import Message, Record, Refused

NAME = "confluent-kafka"
PATIENCE = 60


def can_send(message):
    return True


def write(broker, topic, messages, codec="none", acks="all", idempotent=False, partition=None, max_size=1_000_000):
    producer = Producer({
        "bootstrap.servers": broker, "compression.type": codec, "acks": acks, "enable.idempotence": idempotent,
        "message.max.bytes": max_size, "partitioner": "murmur2_random", "linger.ms": 5,
    })
    errors = []
    place = {} if partition is None else {"partition": partition}
    for message in messages:
        producer.produce(topic, message.value, message.key, headers=list(message.headers),
                         on_delivery=lambda error, _: error and errors.append(error), **place)
    assert producer.flush(PATIENCE) == 0, "not everything was acknowledged"
    if errors:
        raise Refused(errors[0].code(), errors[0].str())


def consumer(broker, **settings):
    """A consumer for assign(). librdkafka asks for a group name even when no group is used."""
    return Consumer({"bootstrap.servers": broker, "group.id": "not-used", "enable.auto.commit": False, **settings})


def read(broker, topic):
    reader = consumer(broker)
    try:
        partitions = reader.list_topics(topic, PATIENCE).topics[topic].partitions
        remaining = 0
        for partition in partitions:
            low, high = reader.get_watermark_offsets(TopicPartition(topic, partition), PATIENCE)
            remaining += high - low
        reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        return sorted(take(reader, remaining), key=lambda r: (r.partition, r.offset))
    finally:
        reader.close()


def take(reader, count):
    """The next `count` records that the consumer delivers."""
    records = []
    deadline = time.monotonic() + PATIENCE
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records came"
        got = reader.poll(0.2)
        if got is None:
            continue
        assert got.error() is None, got.error()
        message = Message(got.value(), got.key(), tuple(got.headers() or ()))
        records.append(Record(got.partition(), got.offset(), message, got.timestamp()[1]))
    return records
