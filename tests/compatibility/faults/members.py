"""A member of a consumer group: reads, commits, leaves and comes back, and sometimes freezes between reading and committing."""

from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from . import settings
from .readers import note
from .sender import text
from .topics import READ_BY_GROUPS
from .worker import Worker

# The answer is known to be no: whoever gets it is not, or no longer, who may commit.
REFUSALS = {KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS, KafkaError.FENCED_MEMBER_EPOCH,
            KafkaError.STALE_MEMBER_EPOCH, KafkaError.FENCED_INSTANCE_ID, KafkaError._NO_OFFSET, KafkaError._ASSIGNMENT_LOST}


class Member(Worker):
    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.isolation: str = self.options["isolation"]
        self.group: str = self.options["group"]
        self.sessions: dict[tuple[str, int], int] = {}
        self.session = 0
        self.ends: dict[tuple[str, int], int] = {}  # read and not committed
        self.consumer: Consumer | None = None

    def join(self) -> None:
        self.consumer = Consumer(settings.member(self.broker, self.isolation, self.group, self.options["protocol"]))
        self.consumer.subscribe(READ_BY_GROUPS, on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.lost)

    def assigned(self, _: Consumer, places: list[TopicPartition]) -> None:
        self.session += 1
        for place in places:
            self.sessions[place.topic, place.partition] = self.session
        self.record("assigned", "info", group=self.group, session=self.session,
                    partitions=[[place.topic, place.partition] for place in places])

    def revoked(self, _: Consumer, places: list[TopicPartition]) -> None:
        self.commit([(place.topic, place.partition) for place in places])
        self.lost(_, places)

    def lost(self, _: Consumer, places: list[TopicPartition]) -> None:
        for place in places:
            self.ends.pop((place.topic, place.partition), None)

    def step(self) -> None:
        if self.consumer is None:
            self.join()
        for message in note(self.record, self.consumer.consume(200, 0.3), self.isolation, self.sessions, group=self.group):
            self.ends[message.topic(), message.partition()] = message.offset() + 1
        if self.has_faults and self.ends and self.random.random() < 0.008:
            # Others take its partitions meanwhile, and it does not know when it wakes and commits.
            self.freeze(settings.SESSION_SECONDS + 2)
            self.commit(list(self.ends))
        elif self.random.random() < 0.35:
            self.commit(list(self.ends))
        if self.random.random() < 0.006:
            self.leave()
            self.pause(self.random.uniform(0, 2))

    def commit(self, places: list[tuple[str, int]]) -> None:
        offsets = [[topic, partition, self.ends[topic, partition]] for topic, partition in places if (topic, partition) in self.ends]
        if not offsets:
            return
        also = {"group": self.group, "session": self.session}
        self.record("commit_offsets", "invoke", offsets=offsets, **also)
        try:
            done = self.consumer.commit(offsets=[TopicPartition(*place) for place in offsets], asynchronous=False)
        except KafkaException as refusal:
            kind = "fail" if refusal.args[0].code() in REFUSALS else "unknown"
            self.record("commit_offsets", kind, offsets=offsets, error=text(refusal), **also)
            return
        for place in done:
            listed = [[place.topic, place.partition, place.offset]]
            if place.error is None:
                self.record("commit_offsets", "ok", offsets=listed, **also)
                if self.ends.get((place.topic, place.partition)) == place.offset:
                    del self.ends[place.topic, place.partition]
            else:
                kind = "fail" if place.error.code() in REFUSALS else "unknown"
                self.record("commit_offsets", kind, offsets=listed, error=text(place.error), **also)

    def leave(self) -> None:
        if self.consumer is not None:
            self.commit(list(self.ends))
            self.consumer.close()
        self.consumer = None
        self.ends.clear()

    def end(self) -> None:
        self.leave()
