"""One instance of a producer, with what it sent in the history."""

from typing import Any

from confluent_kafka import KafkaException, Producer

from . import payload
from .events import Recorder


def text(error: Any) -> str:
    """A client's error in a few words."""
    error = error.args[0] if isinstance(error, KafkaException) else error
    return f"{error.name()}: {error.str()}" if hasattr(error, "name") else repr(error)


class Sender:
    """Its records are named `instance/number`, numbers ascending."""

    def __init__(self, record: Recorder, instance: str, kind: str, config: dict[str, Any], transactional_id: str | None = None) -> None:
        self.record, self.instance = record, instance
        self.number = 0
        self.outstanding = 0
        self.fatal: str | None = None
        record("producer", "info", producer=instance, kind=kind, transactional_id=transactional_id)
        self.producer = Producer({**config, "error_cb": self.failed})

    def failed(self, error: Any) -> None:
        if error.fatal() and self.fatal is None:
            self.fatal = text(error)
            self.record("fatal", "info", producer=self.instance, error=self.fatal)

    def send(self, topic: str, partition: int, key: str | None = None, is_deletion: bool = False, padding: int = 0,
             **also: Any) -> str | None:
        """Says the record's name, or nothing when the client did not take it."""
        name = f"{self.instance}/{self.number}"
        self.number += 1
        if key is not None:
            also["key"] = key
        if is_deletion:
            also["is_deletion"] = True
        self.record("produce", "invoke", producer=self.instance, record=name, topic=topic, partition=partition, **also)
        try:
            self.producer.produce(
                topic, None if is_deletion else payload.make(name, padding), key, partition,
                headers=[(payload.NAME_HEADER, name.encode())] if is_deletion else None,
                on_delivery=lambda error, message: self.delivered(name, topic, partition, error, message))
        except (KafkaException, BufferError) as refusal:
            self.record("produce", "fail", producer=self.instance, record=name, error=text(refusal))
            return None
        self.outstanding += 1
        return name

    def flush(self, seconds: float) -> None:
        try:
            self.producer.flush(seconds)
        except SystemError:  # what the client library makes of a flush of a producer that was fenced
            pass

    def delivered(self, name: str, topic: str, partition: int, error: Any, message: Any) -> None:
        self.outstanding -= 1
        if error is None:
            self.record("produce", "ok", producer=self.instance, record=name, topic=topic, partition=partition, offset=message.offset())
        else:
            # Even of one that was purged from the queue an earlier attempt may have arrived.
            self.record("produce", "unknown", producer=self.instance, record=name, error=text(error))
