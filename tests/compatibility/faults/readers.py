"""Readers without a group: one that follows everything, and one that begins at the beginning again and again."""

import collections
import time
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from . import settings
from .events import Recorder
from .payload import name_of
from .sender import text
from .topics import PARTITIONS
from .worker import Worker

REPLAYED_PARTITIONS = 4
REPLAYED_PER_SECOND = 3_000


def note(record: Recorder, messages: list, isolation: str, session: dict[tuple[str, int], int] | int, **also: Any) -> list:
    """Writes what was read, an event for each partition; within a session offsets ascend. Gives the messages without errors."""
    read = collections.defaultdict(list)
    good = []
    for message in messages:
        if message.error() is None:
            good.append(message)
            read[message.topic(), message.partition()].append([message.offset(), name_of(message.value(), message.headers())])
        elif not message.error().retriable() and message.error().code() not in (
                KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._PARTITION_EOF):
            record("read", "fail", error=text(message.error()), topic=message.topic(), partition=message.partition())
    for (topic, partition), records in read.items():
        number = session if isinstance(session, int) else session[topic, partition]
        record("read", "ok", topic=topic, partition=partition, isolation=isolation, session=number, records=records, **also)
    return good


class Tail(Worker):
    """Follows all partitions, through everything, with one and the same consumer."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.isolation: str = self.options["isolation"]
        self.consumer = Consumer(settings.consumer(self.broker, self.isolation))
        self.consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in PARTITIONS])

    def step(self) -> None:
        note(self.record, self.consumer.consume(500, 0.3), self.isolation, 0)

    def end(self) -> None:
        self.consumer.close()


class Replay(Worker):
    """A few partitions a pass, both isolation levels in turn."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.passes = 0

    def step(self) -> None:
        self.passes += 1
        isolation = ["committed", "uncommitted"][self.passes % 2]
        consumer = Consumer({**settings.consumer(self.broker, isolation), "enable.partition.eof": True})
        places = self.random.sample(PARTITIONS, REPLAYED_PARTITIONS)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in places])
        ends: set[tuple[str, int]] = set()
        while len(ends) < len(places) and not self.is_stopping:
            began = time.monotonic()
            messages = consumer.consume(500, 0.3)
            ends |= {(message.topic(), message.partition()) for message in messages
                     if message.error() is not None and message.error().code() == KafkaError._PARTITION_EOF}
            good = note(self.record, messages, isolation, self.passes, is_from_start=True)
            self.pause(len(good) / REPLAYED_PER_SECOND - (time.monotonic() - began))
        consumer.close()
        self.pause(0.2)
