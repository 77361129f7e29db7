"""Looks at positions all the time: where each partition begins, how far it can be read, and what each group has committed.

With two clients: kafka-python asks for the positions, librdkafka for the groups' offsets.
"""

import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as GroupPartition
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from . import settings
from .events import Recorder
from .sender import text
from .topics import PARTITIONS, READ_BY_GROUPS, SOURCE
from .worker import Worker

GROUPS = {"classic": READ_BY_GROUPS, "consumer": READ_BY_GROUPS, "transform": [SOURCE]}
TIMEOUT_MS = 3_000

# A broker that is gone is no news here.
logging.getLogger("kafka").setLevel(logging.CRITICAL)

Place = tuple[str, int]


class Positions:
    """Asks for positions of many partitions at once."""

    def __init__(self, broker: str) -> None:
        self.by_isolation = {
            isolation: KafkaConsumer(bootstrap_servers=broker, isolation_level=f"read_{isolation}", reconnect_backoff_ms=50,
                                     reconnect_backoff_max_ms=300, retry_backoff_ms=50, request_timeout_ms=TIMEOUT_MS + 1_000)
            for isolation in ("committed", "uncommitted")}

    def ends(self, isolation: str, places: list[Place]) -> dict[Place, int]:
        """The last stable offset of each, or the high watermark."""
        return self.ask(self.by_isolation[isolation].end_offsets, places)

    def starts(self, places: list[Place]) -> dict[Place, int]:
        return self.ask(self.by_isolation["uncommitted"].beginning_offsets, places)

    def ask(self, function: Callable, places: list[Place]) -> dict[Place, int]:
        answer = function([TopicPartition(*place) for place in places], TIMEOUT_MS)
        return {(place.topic, place.partition): offset for place, offset in answer.items()}


class Observer(Worker):
    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.positions = Positions(self.broker)
        self.groups = group_readers(self.broker)

    def step(self) -> None:
        observe(self.positions, self.groups, self.record)
        self.pause(0.15)


def group_readers(broker: str) -> dict[str, Consumer]:
    """They are no members: they ask, and nothing else. One for committed records would have to wait while a transaction
    holds an offset."""
    return {group: Consumer(settings.consumer(broker, "uncommitted", group)) for group in GROUPS}


def observe(positions: Positions, groups: dict[str, Consumer], record: Recorder) -> bool:
    """One look at everything. Says whether all of it was answered. The stable offset first: it may move on to where the
    high watermark is by the time that is asked for, but not beyond."""
    asked = {"stable": lambda: positions.ends("committed", PARTITIONS), "high": lambda: positions.ends("uncommitted", PARTITIONS),
             "start": lambda: positions.starts(PARTITIONS)}
    answered = [look(record, which, ask) for which, ask in asked.items()]
    answered += [offsets(record, group, reader) for group, reader in groups.items()]
    return all(answered)


def look(record: Recorder, which: str, ask: Callable[[], dict[Place, int]]) -> bool:
    record("positions", "invoke", which=which)
    try:
        answer = ask()
    except KafkaError as refusal:
        record("positions", "unknown", which=which, error=repr(refusal))
        return False
    record("positions", "ok", which=which, values=[[topic, partition, offset] for (topic, partition), offset in answer.items()])
    return True


def offsets(record: Recorder, group: str, reader: Consumer) -> bool:
    record("offsets", "invoke", group=group)
    places = [GroupPartition(topic, partition) for topic, partition in PARTITIONS if topic in GROUPS[group]]
    try:
        answer = reader.committed(places, timeout=TIMEOUT_MS / 1000)
    except KafkaException as refusal:
        record("offsets", "unknown", group=group, error=text(refusal))
        return False
    errors = [place.error for place in answer if place.error is not None]
    if errors:
        record("offsets", "unknown", group=group, error=text(errors[0]))
        return False
    # Nothing committed is -1001 to this client.
    record("offsets", "ok", group=group, values=[[place.topic, place.partition, max(place.offset, -1)] for place in answer])
    return True
