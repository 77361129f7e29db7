"""Every segment is an open file, and every connection: what happens when there may be only few."""

import os
import resource
import socket
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 500
LIMIT = 400
SEGMENTS_MAX = LIMIT - 192  # the rest is for connections, and for what is open for a moment
RESERVE = 64  # what connections leave of it
KNOCKING = 220  # more than are let in, and not more than wait in the queue of a system besides


def open_files(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def wait_until(holds, otherwise):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def create(daemon, topic):
    admin = AdminClient({"bootstrap.servers": daemon.kafka})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)


def write(daemon, topic, timeout_ms):
    """A record into each partition: which took it, and what the others said."""
    taken, refused = set(), {}
    producer = Producer({"bootstrap.servers": daemon.kafka, "message.timeout.ms": timeout_ms, "log_level": 2})

    def delivered(error, message):
        if error is None:
            taken.add(message.partition())
        else:
            refused[message.partition()] = error.code()

    for partition in range(PARTITIONS):
        producer.produce(topic, b"x", partition=partition, on_delivery=delivered)
    assert producer.flush(60) == 0
    return taken, refused


def readable(daemon, topic):
    """The partitions with a record."""
    consumer = Consumer({"bootstrap.servers": daemon.kafka, "group.id": "none", "enable.auto.commit": False, "log_level": 2})
    try:
        return {partition for partition in range(PARTITIONS)
                if consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30) == (0, 1)}
    finally:
        consumer.close()


def test_the_limit_is_raised(make_daemon):
    """As far as it may be: what a shell hands on is often less than a few topics need."""
    daemon = make_daemon()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    daemon.open_files = (128, hard)
    daemon.start()
    assert resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    create(daemon, "wide")
    assert write(daemon, "wide", 30_000) == (set(range(PARTITIONS)), {})
    assert daemon.stop() == 0


def test_the_last_ones_are_not_given_away(make_daemon):
    daemon = make_daemon()
    daemon.open_files = (LIMIT, LIMIT)
    daemon.start()
    assert b"only 400 files" in daemon.stderr.read_bytes()
    create(daemon, "wide")
    taken, refused = write(daemon, "wide", 5000)
    assert 100 < len(taken) <= SEGMENTS_MAX and len(taken) + len(refused) == PARTITIONS
    assert set(refused.values()) == {KafkaError._MSG_TIMED_OUT}, "to be tried again, until the client gives up"
    assert daemon.stderr.read_bytes().count(b"append failed") == len(refused), "said once of each, however often it was tried"

    for door in [daemon.kafka, daemon.http]:
        host, port = door.split(":")
        knocking = [socket.create_connection((host, int(port)), 5) for _ in range(KNOCKING)]
        wait_until(lambda: open_files(daemon) > LIMIT - 100, "hardly any connection is taken")
        time.sleep(0.3)
        assert open_files(daemon) <= LIMIT - RESERVE + 2, "each door has but one more, which it closes again"
        assert daemon.running(), daemon.stderr_tail()
        for connection in knocking:
            connection.close()
        wait_until(lambda: open_files(daemon) < SEGMENTS_MAX + 32, "connections that have ended stay open")

    # A stop and a start with what is there; and what is deleted makes room.
    assert readable(daemon, "wide") == taken
    assert daemon.stop() == 0
    daemon.start()
    assert readable(daemon, "wide") == taken
    create(daemon, "other")
    more, _ = write(daemon, "other", 3000)
    assert len(taken) + len(more) <= SEGMENTS_MAX, "what other connections had left before, and no more"
    admin = AdminClient({"bootstrap.servers": daemon.kafka})
    admin.delete_topics(["wide"])["wide"].result(30)
    again, _ = write(daemon, "other", 5000)
    assert 100 < len(again) <= SEGMENTS_MAX and more <= again
    assert daemon.stop() == 0
