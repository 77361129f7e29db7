"""Creates topics, fills them, reads them, deletes them, and creates others of the same name.

An event names the topic `name@number`: each creation of a name is another topic. Nobody else touches these topics.
"""

import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from . import settings
from .readers import note
from .sender import Sender, text
from .worker import Worker

NAMES = ["churn-a", "churn-b", "churn-c"]
PATIENCE = 40.0


class Churn(Worker):
    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.admin = AdminClient(settings.client(self.broker))
        self.number = 0
        self.standing: dict[str, str] = {}  # name: its present label

    def step(self) -> None:
        name = self.random.choice(NAMES)
        if name in self.standing:
            self.delete(name)
        else:
            self.create(name)
        self.pause(self.random.uniform(0.1, 1.0))

    def exists(self, name: str) -> bool | None:
        try:
            return name in self.admin.list_topics(timeout=5).topics
        except KafkaException:
            return None

    def until(self, op: str, name: str, label: str, wanted: bool, ask) -> bool:
        """Asks until it was answered, or until the metadata show it done."""
        self.record(op, "invoke", name=name, topic=label)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                ask().result()
                self.record(op, "ok", name=name, topic=label)
            except KafkaException as refusal:
                if self.exists(name) is not wanted:
                    time.sleep(0.2)
                    continue
                self.record(op, "ok", name=name, topic=label, error=text(refusal))
            # The client may still believe what it knew of the name.
            while self.exists(name) is not wanted and time.monotonic() < deadline:
                time.sleep(0.05)
            return True
        self.record(op, "unknown", name=name, topic=label)
        return False

    def create(self, name: str) -> None:
        self.number += 1
        label = f"{name}@{self.life}.{self.number}"
        new = NewTopic(name, 1, 1)
        if not self.until("create", name, label, True, lambda: self.admin.create_topics([new], request_timeout=5)[name]):
            return
        self.standing[name] = label

        def record(op: str, kind: str, /, **fields: Any) -> None:
            self.record(op, kind, **{**fields, "topic": label})

        sender = Sender(record, f"{self.client}.{self.number}", "idempotent", settings.idempotent_producer(self.broker, "none"))
        for _ in range(self.random.randint(1, 200)):
            sender.send(name, 0, padding=100)
        sender.flush(30)
        self.read(name, record, sender.number)

    def read(self, name: str, record: Callable[..., None], count: int) -> None:
        consumer = Consumer(settings.consumer(self.broker, "uncommitted"))
        consumer.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
        deadline = time.monotonic() + 3
        while count > 0 and time.monotonic() < deadline:
            count -= len(note(record, consumer.consume(200, 0.2), "uncommitted", self.number, is_from_start=True))
        consumer.close()

    def delete(self, name: str) -> None:
        label = self.standing.pop(name)
        if not self.until("delete", name, label, False, lambda: self.admin.delete_topics([name], operation_timeout=5)[name]):
            self.standing[name] = label
