"""Members of share groups: what a group is set to, consumers that join it, and workers whose deeds are written down."""

import dataclasses
import json
import signal
import subprocess
import sys
import threading
import time

from confluent_kafka import KafkaException, ShareConsumer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

PATIENCE = 60


def set_up(admin, group, properties):
    """Sets properties of a group, which need not exist yet."""
    entries = [ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET) for name, value in properties.items()]
    resource = ConfigResource(ConfigResource.Type.GROUP, group, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(30)


def share_consumer(broker, group, topics, mode="implicit", **settings):
    consumer = ShareConsumer({
        "bootstrap.servers": broker, "group.id": group, "share.acknowledgement.mode": mode, "log_level": 2, **settings,
    })
    consumer.subscribe(topics)
    return consumer


def poll(consumer, seconds=0.2):
    """The records of one poll. An error instead of a record is a failure of the test."""
    records = list(consumer.poll(seconds))
    for record in records:
        assert record.error() is None, record.error()
    return records


def poll_some(consumer):
    """The records of the first poll that gives any."""
    deadline = time.monotonic() + PATIENCE
    while not (records := poll(consumer)):
        assert time.monotonic() < deadline, f"no record came within {PATIENCE} s"
    return records


def commit(consumer):
    """Commits, and gives the codes of the partitions that refused."""
    return [error.args[0].code() for error in consumer.commit_sync(30.0).values() if error]


class OtherProcess:
    """A member in a process of its own, which takes records, acknowledges none of them, and is killed."""

    def __init__(self, broker, group, topic):
        command = [sys.executable, __file__, broker, group, topic]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def offsets(self):
        """Those that the first poll with records gave."""
        return json.loads(self.process.stdout.readline())

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.process.stdout.close()


def take_and_wait(broker, group, topic):
    """What the other process does."""
    consumer = share_consumer(broker, group, [topic], "explicit")
    print(json.dumps([record.offset() for record in poll_some(consumer)]), flush=True)
    signal.pause()


@dataclasses.dataclass
class Delivery:
    """A record was delivered to a worker, and what became of its acknowledgement. Times are of the monotonic clock."""

    worker: int
    place: tuple  # partition and offset
    value: str
    count: int
    asked: float  # when the poll began
    came: float  # when it ended
    answered: float = 0.0  # when the commit of its acknowledgement returned
    confirmed: bool = False  # with a good answer
    error: str | None = None  # or with none


class Worker(threading.Thread):
    """Takes records until it is told to stop, and acknowledges them one by one."""

    def __init__(self, number, broker, group, topic, history, **settings):
        super().__init__(name=f"worker {number}")
        self.number, self.history = number, history
        self.consumer = share_consumer(broker, group, [topic], "explicit", **settings)
        self.stopping = threading.Event()
        self.failure = None
        self.start()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.take_once()
            self.consumer.close()
        except BaseException as failure:
            self.failure = failure

    def take_once(self):
        asked = time.monotonic()
        try:
            records = [record for record in self.consumer.poll(0.1) if record.error() is None]
        except KafkaException:
            return  # nobody answers: the next poll asks again
        came = time.monotonic()
        deliveries = [Delivery(self.number, (r.partition(), r.offset()), r.value().decode(), r.delivery_count(), asked, came)
                      for r in records]
        self.history.extend(deliveries)
        for record, delivery in zip(records, deliveries):
            self.consumer.acknowledge(record)
            try:
                refused = commit(self.consumer)
            except KafkaException as failure:
                refused = [failure.args[0].code()]
            delivery.answered = time.monotonic()
            if refused:
                delivery.error = str(refused)
            else:
                delivery.confirmed = True

    def stop(self):
        self.stopping.set()
        self.join(PATIENCE)
        assert not self.is_alive(), f"{self.name} does not end"
        if self.failure:
            raise self.failure


def delivered_again(history, kills):
    """Deliveries that came after somebody had been told that the record is acknowledged.

    A record that was sent before a kill may be seen after it, when another worker already got it again and acknowledged it:
    so no kill may lie between the moment in which the worker began to ask and that answer. Of a kill two moments are known,
    one before it and one after it.
    """
    confirmed = {}
    for delivery in history:
        if delivery.confirmed:
            confirmed[delivery.place] = min(delivery.answered, confirmed.get(delivery.place, delivery.answered))
    return [
        delivery for delivery in history
        if delivery.place in confirmed and delivery.came > confirmed[delivery.place]
        and not any(delivery.asked < after and before < confirmed[delivery.place] for before, after in kills)
    ]


if __name__ == "__main__":
    take_and_wait(*sys.argv[1:])
