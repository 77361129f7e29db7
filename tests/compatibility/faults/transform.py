"""Reads committed records, writes one for each into another topic, and commits offsets and records in one transaction."""

from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from . import settings
from .payload import name_of
from .topics import BY_NAME, DERIVED, SOURCE
from .transaction import Lost, Transactions
from .worker import Worker

GROUP = "transform"
# Each dozen ends so, in an order that the seed decides: an unlucky run has few transactions, and these are what it is about.
ENDINGS = ["commit"] * 10 + ["abort", "abort with offsets"]
ENDINGS_WITH_FAULTS = ENDINGS[1:] + ["vanish"]


class Transform(Worker):
    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.instances = 0
        self.current: Transactions | None = None
        self.consumer: Consumer | None = None
        self.endings: list[str] = []

    def begin(self) -> None:
        """First the producer, which ends what an earlier one left open; then the offsets are certain."""
        self.leave()
        self.instances += 1
        self.current = Transactions(self.record, f"{self.client}.{self.instances}", self.name, self.broker)
        self.current.init()
        self.consumer = Consumer(settings.member(self.broker, "committed", GROUP, self.options["protocol"]))
        self.consumer.subscribe([SOURCE])

    def step(self) -> None:
        try:
            if self.consumer is None:
                self.begin()
            messages = [message for message in self.consumer.consume(60, 0.3) if message.error() is None]
            if messages and not self.transaction(messages):
                # What was read has to be read again.
                self.leave()
        except Lost:
            self.leave()

    def transaction(self, messages: list) -> bool:
        self.current.begin()
        ends: dict[int, int] = {}
        for message in messages:
            source = [message.topic(), message.partition(), message.offset(), name_of(message.value(), message.headers())]
            partition = self.random.randrange(BY_NAME[DERIVED].partitions)
            self.current.send(DERIVED, partition, source=source, padding=self.random.randrange(100))
            ends[message.partition()] = message.offset() + 1
        offsets = [TopicPartition(SOURCE, partition, end) for partition, end in ends.items()]
        ending = self.ending()
        if ending == "abort":
            self.current.sender.flush(5)
            self.current.abort()
            return False
        try:
            self.current.send_offsets(GROUP, offsets, self.consumer.consumer_group_metadata())
        except KafkaException:
            self.current.abort()
            return False
        if ending == "abort with offsets":
            self.current.abort()
            return False
        if ending == "vanish":
            # It vanishes: another instance begins, and aborts this transaction.
            self.current = None
            return False
        return self.current.commit()

    def ending(self) -> str:
        if not self.endings:
            self.endings = list(ENDINGS_WITH_FAULTS if self.has_faults else ENDINGS)
            self.random.shuffle(self.endings)
        return self.endings.pop()

    def leave(self) -> None:
        if self.consumer is not None:
            self.consumer.close()
        self.consumer = self.current = None

    def end(self) -> None:
        self.leave()
