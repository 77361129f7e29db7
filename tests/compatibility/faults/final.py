"""The last full read: every partition, in both isolation levels, after the last restart."""

import time
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from . import churn, settings
from .events import Recorder
from .observer import Place, Positions, group_readers, observe
from .payload import name_of
from .sender import text
from .topics import BY_NAME, PARTITIONS
from .worker import Worker

STABLE_WITHIN = 30.0
STALLED_SECONDS = 20.0
CHUNK = 1_000


class Final(Worker):
    """In a process of its own: what it is given may be more than the client library can stand."""

    def step(self) -> None:
        read_everything(self.broker, self.record, self.options["labels"])
        self.is_stopping = True


def read_everything(broker: str, record: Recorder, labels: dict[str, str]) -> None:
    """`labels` has the history's name of each topic that comes and goes."""
    admin = AdminClient(settings.client(broker))
    standing = [name for name in admin.list_topics(timeout=20).topics if name in churn.NAMES]
    record("standing", "info", names=standing)
    places = PARTITIONS + [(name, 0) for name in standing]
    positions = Positions(broker)
    wait_until_stable(positions, places)
    compacted = [place for place in places if place[0] in BY_NAME and BY_NAME[place[0]].policy == "compact"]
    # What compaction left comes last: it is the most likely to be more than a client can stand.
    for some in ([place for place in places if place not in compacted], compacted):
        for isolation in ("uncommitted", "committed"):
            read_all(broker, positions, isolation, some, record, labels)
        look_once_more(broker, positions, record)


def read_all(broker: str, positions: Positions, isolation: str, places: list[Place], record: Recorder, labels: dict[str, str]) -> None:
    starts, ends = positions.starts(places), positions.ends(isolation, places)
    for place in places:
        record("final", "ok", topic=labels.get(place[0], place[0]), partition=place[1], isolation=isolation, start=starts[place], end=ends[place])
    read_to(broker, isolation, ends, record, labels)
    # Retention does not rest meanwhile.
    for place, start in positions.starts(places).items():
        record("final", "info", topic=labels.get(place[0], place[0]), partition=place[1], isolation=isolation, start=start)


def look_once_more(broker: str, positions: Positions, record: Recorder) -> None:
    groups = group_readers(broker)
    for _ in range(20):
        if observe(positions, groups, record):
            return
        time.sleep(0.5)
    record("final", "fail", error="positions and committed offsets could not be asked for")


def wait_until_stable(positions: Positions, places: list[Place]) -> None:
    """Nobody writes any more; transactions that were left open time out."""
    deadline = time.monotonic() + STABLE_WITHIN
    while time.monotonic() < deadline and positions.ends("committed", places) != positions.ends("uncommitted", places):
        time.sleep(0.3)


def read_to(broker: str, isolation: str, ends: dict[Place, int], record: Recorder, labels: dict[str, str]) -> None:
    reader = Consumer({**settings.consumer(broker, isolation), "enable.partition.eof": True, "fetch.message.max.bytes": 1 << 20})
    reader.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in ends])
    left = {place for place, end in ends.items() if end > 0}
    last = time.monotonic()
    while left and time.monotonic() - last < STALLED_SECONDS:
        found: dict[Place, list[list[Any]]] = {}
        for message in reader.consume(CHUNK, 0.3):
            place = message.topic(), message.partition()
            error = message.error()
            if error is None:
                last = time.monotonic()
                found.setdefault(place, []).append([message.offset(), name_of(message.value(), message.headers())])
            elif error.code() == KafkaError._PARTITION_EOF:
                # Below it there may be nothing but markers, so that no record tells that the end was reached.
                left.discard(place)
            elif error.code() not in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
                record("final", "fail", error=text(error), topic=place[0], partition=place[1])
                left.discard(place)
        for (topic, partition), records in found.items():
            record("read", "ok", topic=labels.get(topic, topic), partition=partition, isolation=isolation, session=0, records=records, is_final=True)
    for topic, partition in left:
        record("final", "fail", error=f"read {isolation}, no end of it was reached", topic=topic, partition=partition, end=ends[topic, partition])
    try:
        reader.close()
    except KafkaException:
        pass
