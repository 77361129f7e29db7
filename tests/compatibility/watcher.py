"""A reader that stays through all kills with one and the same consumer, and remembers each offset that it saw: also of
transactions that are open, or that a kill cut off."""

import threading

from confluent_kafka import TopicPartition

from clients import confluent
from record import Message, Record


class Watcher(threading.Thread):
    def __init__(self, broker, topic, partitions):
        super().__init__(name=f"watcher of {topic}", daemon=True)
        self.seen = []  # records, in the order in which they came
        self.errors = []
        self.arrived = threading.Event()  # set with each record, for whoever cleared it
        self.stopped = threading.Event()
        self.positions = [0] * partitions
        # A position that the restarted daemon does not know is an error, not a reason to begin somewhere else.
        self.consumer = confluent.consumer(broker, **{
            "isolation.level": "read_uncommitted", "auto.offset.reset": "error", "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 300, "log_level": 2})
        self.consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])

    def run(self):
        while not self.stopped.is_set():
            got = self.consumer.poll(0.1)
            if got is None:
                continue
            if got.error() is not None:
                if not got.error().retriable() and got.error().name() not in ("_TRANSPORT", "_ALL_BROKERS_DOWN"):
                    self.errors.append(str(got.error()))
                continue
            message = Message(got.value(), got.key(), tuple(got.headers() or ()))
            self.seen.append(Record(got.partition(), got.offset(), message))
            self.positions[got.partition()] = got.offset() + 1
            self.arrived.set()
        self.consumer.close()

    def stop(self):
        self.stopped.set()
        self.join(30)
