"""End to end: publishers, broker, streaming queries and result topics, while the daemon is killed again and again.

At the end nothing that was acknowledged is missing, nothing is there twice, and the queries' results are the ones that a
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
QUIET = 2  # seconds without a new result after which no more are expected
PATIENCE = 60

COUNT = """
    SELECT window.start AS window_start, window.end AS window_end, b.part AS part,
           count(*) AS orders, sum(b.quantity) AS quantity
    FROM (SELECT event_time, explode(bom) AS b FROM STREAM orders WATERMARK event_time DELAY OF INTERVAL 10 SECONDS)
    GROUP BY window(event_time, '10 seconds'), b.part"""
SQL = [
    """CREATE TABLE orders (
         stores_request_id BIGINT, event_time TIMESTAMP, parent_order STRUCT<order_ref: BIGINT, agent: STRING>,
         bom ARRAY<STRUCT<part: STRING, quantity: BIGINT>>)
       USING kafka OPTIONS ('subscribe' 'orders', 'startingOffsets' 'earliest', 'mode' 'PERMISSIVE')""",
    f"""CREATE STREAMING TABLE part_counts
       USING kafka OPTIONS ('topic' 'part_counts', 'outputMode' 'append') AS {COUNT}""",
    f"""CREATE STREAMING TABLE part_updates
       USING kafka OPTIONS ('topic' 'part_updates', 'outputMode' 'update', 'acks' '1') AS {COUNT}""",
    """CREATE STREAMING TABLE order_lines
       USING kafka OPTIONS ('topic' 'order_lines', 'outputMode' 'append')
       AS SELECT partition AS source_partition, offset AS source_offset, CAST(key AS STRING) AS sender,
                 stores_request_id, event_time, parent_order.order_ref AS order_ref, parent_order.agent AS agent
          FROM STREAM orders""",
]
# In append mode the count writes only when a window closes. The others write in each batch that has data, so that a kill
# often falls between a batch's rows and its commit. Several partitions, so that it may fall between two of its rows. The
# updates are written without transactions: readers of uncommitted records, too, find each once.
QUERIES = {"part_counts": 1, "part_updates": 3, "order_lines": 3}  # and the partitions of the topic of the same name


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
    outputs = {query: Watcher(daemon.kafka, query, partitions) for query, partitions in QUERIES.items()}
    for thread in [watcher, *outputs.values(), *publishers]:
        thread.start()

    for query in ["part_counts", "part_updates"]:
        wait_for(lambda: watermark(daemon, query) > START, f"the watermark of {query} passes the start of the orders", pace)
    late_allowed.set()  # from here on an order of an hour ago is late for certain, whatever batch it comes in
    killer = Killer(daemon, outputs, SEED, lambda: sum(publisher.acknowledged.total() for publisher in publishers))
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
    settle(daemon, outputs, ends(log, PARTITIONS), len(expected))
    everything = {query: kafka_python.read(daemon.kafka, query) for query in outputs}
    written = {query: kafka_python.read(daemon.kafka, query, "read_committed") for query in outputs}
    assert written["part_updates"] == everything["part_updates"]
    say(capsys, f"{len(log)} orders in the log, {len(expected)} windows and parts expected, "
                f"found {', '.join(f'{len(rows)} {query}' for query, rows in written.items())}")
    say(capsys, f"kills that cut a batch off after its rows: {dict(killer.cut_off)}")

    for publisher in publishers:
        assert set(publisher.acknowledged) == set(publisher.sent), f"{publisher.name} ended without all acknowledgements"
        report(checker.check_publisher(publisher, log))
    check_topic(watcher, log)
    report(checker.check_offsets(log))
    for query, output in outputs.items():
        check_topic(output, everything[query])
    assert any(late(record) for record in log), "no order was late: the test did not test that"
    assert KILLS < 20 or killer.cut_off, "no batch was cut off after its rows: the test did not test that"
    report(checker.check_results(expected, values(written["part_counts"])))
    report(checker.check_updates(counts, written["part_updates"]))
    report(checker.check_lines(log, values(written["order_lines"])))
    assert daemon.stop() == 0


def create_topics(broker):
    topics = [NewTopic(name, partitions, 1) for name, partitions in {"orders": PARTITIONS, **QUERIES}.items()]
    admin = AdminClient({"bootstrap.servers": broker})
    for created in admin.create_topics(topics).values():
        created.result(30)


def watermark(daemon, query):
    """The watermark of the last micro-batch that is complete; it belongs to the checkpoint, so no kill takes it back."""
    text = daemon.progress(query).get("eventTime", {}).get("watermark")
    return checker.timestamp(text) if text else START


def settle(daemon, outputs, goal, expected):
    """Waits until the queries have read up to `goal`, as many windows as expected are there and no row came for a while."""
    deadline = time.monotonic() + PATIENCE
    count, since = 0, time.monotonic()
    while time.monotonic() < deadline:
        now = sum(len(output.seen) for output in outputs.values())
        if now != count:
            count, since = now, time.monotonic()
        is_read = all(position(daemon, query) == goal for query in outputs)
        if is_read and len(outputs["part_counts"].seen) >= expected and time.monotonic() - since > QUIET:
            break
        time.sleep(0.1)


def position(daemon, query):
    """Up to which offset of each partition a query has read, committed batches only."""
    ends = daemon.progress(query).get("sources", [{}])[0].get("endOffset", {}).get("orders", {})
    return [ends.get(str(partition)) for partition in range(PARTITIONS)]


def ends(log, partitions):
    """Behind the last record of each partition."""
    return [max((record.offset + 1 for record in log if record.partition == partition), default=0) for partition in range(partitions)]


def check_topic(watcher, log):
    """What can be said of a topic without knowing what is in it: who watched saw all of it, in order, and nothing changed."""
    goal = ends(log, len(watcher.positions))
    wait_for(lambda: watcher.positions == goal, f"the {watcher.name}, which goes on by itself after each restart, gets to {goal}")
    watcher.stop()
    report(watcher.errors)
    seen = sorted(watcher.seen, key=lambda r: r.partition)  # sorted() keeps the order of arrival
    assert [(r.partition, r.offset) for r in seen] == [(r.partition, r.offset) for r in log]
    report(checker.check_unchanged(watcher.seen, log))


def values(log):
    return [json.loads(record.message.value) for record in log]


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
