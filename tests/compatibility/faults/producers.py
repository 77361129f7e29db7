"""Producers without transactions: idempotent ones, and plain ones that may repeat themselves."""

import time
from typing import Any

from . import settings
from .sender import Sender
from .topics import BY_NAME, KEYS
from .worker import Worker

OUTSTANDING_MAX = 300
ROUND_SECONDS = 0.2
RECORDS_PER_SECOND = 110
RENEWALS = 0.01  # of the rounds


class Pacing(Worker):
    """Sends bursts to random partitions of its topics, and waits while too much is unanswered."""

    kind: str

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.topics: list[str] = self.options["topics"]
        self.instances = 0
        self.sender = self.begin()

    def config(self) -> dict[str, Any]:
        raise NotImplementedError

    def begin(self) -> Sender:
        self.instances += 1
        return Sender(self.record, f"{self.client}.{self.instances}", self.kind, self.config())

    def step(self) -> None:
        until = time.monotonic() + ROUND_SECONDS
        for _ in range(self.random.randint(1, max(1, int(2 * ROUND_SECONDS * RECORDS_PER_SECOND * self.rate)))):
            self.send_one()
        while (rest := until - time.monotonic()) > 0 or (self.sender.outstanding > OUTSTANDING_MAX and not self.is_stopping):
            self.sender.producer.poll(max(rest, 0.05))
        if self.sender.fatal or self.random.random() < RENEWALS:
            # Producers come and go: what the one before wrote last has to be remembered all the same.
            self.sender.flush(5)
            self.sender = self.begin()

    def send_one(self) -> None:
        topic = self.random.choice(self.topics)
        partition = self.random.randrange(BY_NAME[topic].partitions)
        # A key stays in its partition.
        key = f"{self.name}-{self.random.randrange(KEYS)}-{partition}" if BY_NAME[topic].policy == "compact" else None
        self.sender.send(topic, partition, key, is_deletion=key is not None and self.random.random() < 0.15,
                         padding=self.random.randrange(200))

    def end(self) -> None:
        self.sender.flush(20)


class Plain(Pacing):
    kind = "plain"

    def config(self) -> dict[str, Any]:
        return settings.plain_producer(self.broker, self.options["acks"])


class Idempotent(Pacing):
    kind = "idempotent"

    def config(self) -> dict[str, Any]:
        return settings.idempotent_producer(self.broker, self.options["codec"])
