"""End to end: publishers, broker, streaming query and result topic, while the daemon is killed again and again.

At the end nothing that was acknowledged is missing, nothing is there twice, and the query's results are the ones that a
batch recount of the log gives: exactly once.

    KILLS=20      how many times the daemon is killed        SEED=n      repeats the choices of an earlier run
"""

import json
import os
import random
import threading
import time
from datetime import timedelta

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

import checker
from clients import kafka_python, kcat
from conftest import skip_if_missing
from daemon import free_address
from killer import Killer
from orders import DELAY, LATE, START
from pace import Pace
from publishers import ConfluentPublisher, KcatPublisher
from watcher import Watcher

KILLS = int(os.environ.get("KILLS", 20))
SEED = int(os.environ.get("SEED", random.randrange(10**6)))
PARTITIONS = 3
QUERY = "part_counts"
QUIET = 2  # seconds without a new result after which no more are expected
PATIENCE = 60

SQL = [
    """CREATE TABLE orders (
         stores_request_id BIGINT, event_time TIMESTAMP, parent_order STRUCT<order_ref: BIGINT, agent: STRING>,
         bom ARRAY<STRUCT<part: STRING, quantity: BIGINT>>)
       USING kafka OPTIONS ('subscribe' 'orders', 'startingOffsets' 'earliest', 'mode' 'PERMISSIVE')""",
    """CREATE STREAMING TABLE part_counts
       USING kafka OPTIONS ('topic' 'part_counts', 'outputMode' 'append')
       AS SELECT window.start AS window_start, window.end AS window_end, b.part AS part,
                 count(*) AS orders, sum(b.quantity) AS quantity
          FROM (SELECT event_time, explode(bom) AS b FROM STREAM orders WATERMARK event_time DELAY OF INTERVAL 10 SECONDS)
          GROUP BY window(event_time, '10 seconds'), b.part""",
]


@pytest.fixture
def daemon(make_daemon):
    """A daemon with small segments, so that kills also meet segments that are just being sealed."""
    daemon = make_daemon("log.segment.bytes=262144", kafka=free_address(), http=free_address())
    yield daemon.start()
    if daemon.running():
        daemon.kill()


def test_nothing_is_lost_and_nothing_counted_twice(daemon, capsys):
    skip_if_missing(kcat)
    say(capsys, f"\nSEED={SEED} KILLS={KILLS}")
    create_topics(daemon.kafka)
    for statement in SQL:
        daemon.sql(statement)

    pace = Pace(["confluent-own", "confluent-keys", "kcat"])
    late_allowed = threading.Event()
    common = (daemon.kafka, "orders", SEED, pace, late_allowed)
    publishers = [ConfluentPublisher("confluent-own", *common, partition=1),
                  ConfluentPublisher("confluent-keys", *common),
                  KcatPublisher("kcat", *common)]
    watcher = Watcher(daemon.kafka, "orders", PARTITIONS)
    for thread in [watcher, *publishers]:
        thread.start()

    wait_for(lambda: (watermark(daemon) or START) > START, "the watermark passes the start of the orders", pace)
    late_allowed.set()  # from here on an order of an hour ago is late for certain, whatever batch it comes in
    killer = Killer(daemon, QUERY, SEED, lambda: sum(publisher.acknowledged.total() for publisher in publishers))
    for number in range(KILLS):
        say(capsys, f"kill {number + 1:2}: {killer.kill(number)}")
        pace.check()

    pace.stop()
    for publisher in publishers:
        publisher.join(120)
    pace.check()
    assert not any(publisher.is_alive() for publisher in publishers)
    last_round = max(publisher.round for publisher in publishers)
    publishers[1].round = last_round
    publishers[1].close_windows(PARTITIONS)
    pace.check()

    log = kafka_python.read(daemon.kafka, "orders")
    far_future = START + timedelta(seconds=last_round) + LATE
    counts = checker.recount([r.message.value for r in log], not_before=START - timedelta(minutes=1))
    expected = checker.closed(counts, far_future - DELAY)
    results = settled_results(daemon, len(expected))
    catch_up(watcher, log)
    watcher.stop()
    say(capsys, f"{len(log)} orders in the log, {len(watcher.seen)} seen by the watcher, "
                f"{len(expected)} results expected, {len(results)} found")

    report(checker.check_offsets(log))
    for publisher in publishers:
        assert set(publisher.acknowledged) == set(publisher.sent), f"{publisher.name} ended without all acknowledgements"
        report(checker.check_publisher(publisher, log))
    report(watcher.errors)
    report(checker.check_offsets(sorted(watcher.seen, key=lambda r: r.partition)))  # sorted() keeps the order of arrival
    report(checker.check_unchanged(watcher.seen, log))
    assert any(late(record) for record in log), "no order was late: the test did not test that"
    report(checker.check_results(expected, results))
    assert daemon.stop() == 0


def create_topics(broker):
    topics = [NewTopic("orders", PARTITIONS, 1), NewTopic("part_counts", 1, 1)]
    admin = AdminClient({"bootstrap.servers": broker})
    for created in admin.create_topics(topics).values():
        created.result(30)


def watermark(daemon):
    """The watermark of the last micro-batch that is complete; it belongs to the checkpoint, so no kill takes it back."""
    progress = (daemon.query(QUERY) or {}).get("lastProgress") or {}
    text = progress.get("eventTime", {}).get("watermark")
    return text and checker.timestamp(text)


def settled_results(daemon, expected):
    """The rows of the result topic, once as many as expected are there and no more came for a while."""
    deadline = time.monotonic() + PATIENCE
    rows, since = [], time.monotonic()
    while time.monotonic() < deadline:
        now = kafka_python.read(daemon.kafka, "part_counts")
        if len(now) != len(rows):
            rows, since = now, time.monotonic()
        if len(rows) >= expected and time.monotonic() - since > QUIET:
            break
        time.sleep(0.3)
    return [json.loads(row.message.value) for row in rows]


def catch_up(watcher, log):
    ends = [sum(record.partition == partition for record in log) for partition in range(PARTITIONS)]
    wait_for(lambda: watcher.positions == ends, f"the watcher, which goes on by itself after each restart, gets to {ends}")


def wait_for(condition, what, pace=None):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if pace:
            pace.check()
        assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain: {what}"
        time.sleep(0.05)


def late(record):
    order = checker.parse(record.message.value)
    return order is not None and checker.timestamp(order["event_time"]) < START - timedelta(minutes=1)


def report(findings):
    assert not findings, f"{len(findings)} findings, SEED={SEED}:\n" + "\n".join(findings[:20])


def say(capsys, text):
    """The seed and the kills are printed always: a failure that comes back must be repeatable."""
    with capsys.disabled():
        print(text, flush=True)
