"""One transactional producer: begins, writes, ends, and puts into the history what it was told of the outcome."""

import time

from confluent_kafka import KafkaException

from . import settings
from .events import Recorder
from .sender import Sender, text

PATIENCE = 60.0
CALL_SECONDS = 5.0


class Lost(Exception):
    """This instance cannot go on: it was fenced, or its client gave up."""


class Transactions:
    """An instance of a transactional id, and its transactions, named `instance#number`."""

    def __init__(self, record: Recorder, instance: str, transactional_id: str, broker: str) -> None:
        self.record, self.transactional_id = record, transactional_id
        self.sender = Sender(record, instance, "transactional", settings.transactional_producer(broker, transactional_id), transactional_id)
        self.producer = self.sender.producer
        self.number = 0
        self.transaction = ""

    def call(self, op: str, function, **fields) -> None:
        """Calls until there is an answer. Raises Lost when there will be none, KafkaException when only an abort helps."""
        self.record(op, "invoke", producer=self.sender.instance, transactional_id=self.transactional_id, **fields)

        def outcome(kind: str, **more) -> None:
            self.record(op, kind, producer=self.sender.instance, transactional_id=self.transactional_id, **fields, **more)

        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                function()
            except KafkaException as refusal:
                error = refusal.args[0]
                if error.retriable() and not error.txn_requires_abort() and time.monotonic() < deadline:
                    continue
                outcome("unknown", error=text(error))
                if error.txn_requires_abort():
                    raise
                raise Lost(text(error)) from refusal
            outcome("ok")
            return

    def init(self) -> None:
        try:
            self.call("init", lambda: self.producer.init_transactions(CALL_SECONDS))
        except KafkaException as refusal:
            raise Lost(text(refusal)) from refusal

    def begin(self) -> str:
        self.number += 1
        self.transaction = f"{self.sender.instance}#{self.number}"
        try:
            self.producer.begin_transaction()
        except KafkaException as refusal:
            raise Lost(text(refusal)) from refusal
        self.record("begin", "ok", producer=self.sender.instance, txn=self.transaction)
        return self.transaction

    def send(self, topic: str, partition: int, **also) -> str | None:
        return self.sender.send(topic, partition, txn=self.transaction, **also)

    def send_offsets(self, group: str, offsets, metadata) -> None:
        listed = [[place.topic, place.partition, place.offset] for place in offsets]
        self.call("send_offsets", lambda: self.producer.send_offsets_to_transaction(offsets, metadata, CALL_SECONDS),
                  txn=self.transaction, group=group, offsets=listed)

    def commit(self) -> bool:
        """Whether it was committed; if not, it was aborted."""
        try:
            self.call("commit", lambda: self.producer.commit_transaction(CALL_SECONDS), txn=self.transaction)
            return True
        except KafkaException:
            self.abort()
            return False

    def abort(self) -> None:
        try:
            self.call("abort", lambda: self.producer.abort_transaction(CALL_SECONDS), txn=self.transaction)
        except KafkaException as refusal:
            raise Lost(text(refusal)) from refusal
