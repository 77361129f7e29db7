"""Publishers that go on while the daemon is killed, and remember what they sent and what was acknowledged.

Each record is marked in its key, `publisher/number`, numbers ascending; so the log can be compared with their memory.
What fails for a while is retried by the client itself: a publisher sees a delivery, or after minutes a final error.
"""

import collections
import subprocess
import threading
import time

from confluent_kafka import Producer

from orders import Orders

ROUND_SECONDS = 0.25
ORDERS_PER_ROUND = 40
LATE_SHARE = 0.03
GARBAGE_SHARE = 0.03
RETRIES = {"acks": "all", "message.timeout.ms": 300_000, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 300,
           "retry.backoff.ms": 50, "linger.ms": 5, "log_level": 2}


class Publisher(threading.Thread):
    """What both kinds share: rounds of orders, and the memory of them."""

    idempotent = False

    def __init__(self, name, broker, topic, seed, pace, late_allowed):
        super().__init__(name=name, daemon=True)
        self.broker, self.topic, self.pace, self.late_allowed = broker, topic, pace, late_allowed
        self.orders = Orders(seed, name, garbage=GARBAGE_SHARE)
        self.sent = {}  # key: value
        self.acknowledged = collections.Counter()  # key: how often
        self.round = -1

    def run(self):
        try:
            while self.begin(self.round + 1):
                self.round += 1
                self.publish([self.mark(self.value()) for _ in range(ORDERS_PER_ROUND)])
            self.finish()
        except Exception as failure:
            self.pace.fail(f"{self.name}: {failure!r}")

    def begin(self, number):
        while not self.pace.may_begin(number) and not self.pace.stopped.is_set():
            self.wait(0.01)
        return not self.pace.stopped.is_set()

    def value(self):
        if self.late_allowed.is_set() and self.orders.random.random() < LATE_SHARE:
            return self.orders.late()
        return self.orders.next(self.round)

    def mark(self, value):
        key = f"{self.name}/{len(self.sent)}".encode()
        self.sent[key] = value
        return key

    def wait(self, seconds):
        time.sleep(seconds)

    def publish(self, keys):
        raise NotImplementedError

    def finish(self):
        """Returns when everything that was sent is acknowledged."""


class ConfluentPublisher(Publisher):
    """An idempotent producer that always has something on the way when the daemon dies."""

    idempotent = True

    def __init__(self, *arguments, partition=None):
        super().__init__(*arguments)
        self.place = {} if partition is None else {"partition": partition}
        self.producer = Producer({
            **RETRIES, "bootstrap.servers": self.broker, "enable.idempotence": True, "partitioner": "murmur2_random"})
        self.missing = []  # for each round, how many of its orders are not acknowledged yet
        self.whole_rounds = 0

    def wait(self, seconds):
        self.producer.poll(seconds)

    def publish(self, keys):
        self.missing.append(len(keys))
        for key in keys:
            self.send(key, self.sent[key], self.round)
            self.wait_exactly(ROUND_SECONDS / ORDERS_PER_ROUND)

    def wait_exactly(self, seconds):
        """poll() returns with the first delivery; the rest of the time is still to be spent."""
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            self.producer.poll(rest)

    def send(self, key, value, round_number, **place):
        self.producer.produce(self.topic, value, key, on_delivery=lambda error, message: self.delivered(
            error, message, round_number), **(place or self.place))

    def delivered(self, error, message, round_number):
        if error is not None:
            self.pace.fail(f"{self.name}: {message.key()} was not delivered: {error}")
            return
        self.acknowledged[message.key()] += 1
        if round_number is None:
            return
        self.missing[round_number] -= 1
        while self.whole_rounds < len(self.missing) and self.missing[self.whole_rounds] == 0:
            self.pace.finish(self.name, self.whole_rounds)
            self.whole_rounds += 1

    def finish(self):
        left = self.producer.flush(60)
        if left:
            self.pace.fail(f"{self.name}: {left} orders were never acknowledged")

    def close_windows(self, partitions):
        """One order per partition from the far future: after it, no window that matters here is open."""
        for partition in range(partitions):
            value = self.orders.far_future(self.round)
            self.send(self.mark(value), value, None, partition=partition)
        self.finish()


class KcatPublisher(Publisher):
    """kcat, one run a round. It retries, and is not idempotent: an order may be there more than once."""

    def publish(self, keys):
        command = ["kcat", "-P", "-E", "-b", self.broker, "-t", self.topic, "-K", r"\x1f"]
        command += [part for name, value in RETRIES.items() for part in ("-X", f"{name}={value}")]
        lines = b"".join(key + b"\x1f" + self.sent[key] + b"\n" for key in keys)
        began = time.monotonic()
        subprocess.run(command, input=lines, capture_output=True, check=True, timeout=120)
        self.acknowledged.update(keys)
        self.pace.finish(self.name, self.round)
        time.sleep(max(0, began + ROUND_SECONDS - time.monotonic()))
