"""The checker of the kill test must see each fault. No broker is needed here: a good run is made up, then spoilt."""

import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

import checker
from orders import DELAY, DISORDER, LATE, START, Orders
from pace import Pace
from record import Message, Record


def publisher(idempotent=True):
    sent = {f"alice/{n}".encode(): f"value {n}".encode() for n in range(10)}
    return SimpleNamespace(name="alice", idempotent=idempotent, sent=sent, acknowledged=dict.fromkeys(sent, 1))


def log():
    """Ten records of alice in two partitions, and one of somebody else."""
    records = [Record(n % 2, n // 2, Message(f"value {n}".encode(), f"alice/{n}".encode())) for n in range(10)]
    records.append(Record(0, 5, Message(b"other", b"alice2/0")))
    return sorted(records, key=lambda r: (r.partition, r.offset))


def without(records, key):
    return [r for r in records if r.message.key != key]


def test_a_good_log_has_no_findings():
    assert checker.check_publisher(publisher(), log()) == []
    assert checker.check_offsets(log()) == []
    assert checker.check_unchanged(log()[3:], log()) == []


def test_loss():
    assert checker.check_publisher(publisher(), without(log(), b"alice/4")) == ["b'alice/4' was acknowledged and is lost"]


def test_loss_of_what_was_not_acknowledged_is_none():
    forgetful = publisher()
    del forgetful.acknowledged[b"alice/4"]
    assert checker.check_publisher(forgetful, without(log(), b"alice/4")) == []


def test_duplicate():
    spoilt = log() + [Record(1, 5, Message(b"value 9", b"alice/9"))]
    assert checker.check_publisher(publisher(), spoilt) == ["b'alice/9' is there 2 times"]
    assert checker.check_publisher(publisher(idempotent=False), spoilt) == []


def test_alteration_and_invention():
    spoilt = [replace(r, message=Message(b"x", r.message.key)) if r.message.key == b"alice/3" else r for r in log()]
    spoilt.append(Record(1, 5, Message(b"new", b"alice/99")))
    assert checker.check_publisher(publisher(), spoilt) == ["b'alice/3' was altered", "b'alice/99' was never sent"]


def test_order():
    spoilt = log()
    spoilt[1], spoilt[2] = replace(spoilt[2], offset=1), replace(spoilt[1], offset=2)
    assert checker.check_publisher(publisher(), spoilt) == ["b'alice/2' comes after 4 in partition 0"]


def test_gap_in_offsets():
    assert checker.check_offsets(without(log(), b"alice/4")) == ["partition 0: offset 3 follows 1"]
    assert checker.check_offsets(without(log(), b"alice/0")) == ["partition 0: offset 1 follows -1"]


def test_changed_offset():
    seen = [Record(0, 2, Message(b"value 4", b"alice/4")), Record(1, 9, Message(b"gone", b"alice/7"))]
    now = [replace(r, message=Message(b"other", b"alice/8")) if (r.partition, r.offset) == (0, 2) else r for r in log()]
    assert len(checker.check_unchanged(seen, log())) == 1
    assert len(checker.check_unchanged(seen, now)) == 2


# The count

def order(seconds, *bom):
    moment = (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    return json.dumps({"event_time": moment, "bom": [dict(zip(("part", "quantity"), item)) for item in bom]}).encode()


VALUES = [
    order(1, ("a", 2), ("b", 3)),
    order(9.999, ("a", 5), ("a", 1)),
    order(10, ("a", 7)),
    order(-3600, ("a", 100)),
    order(12),
    order(13, ("c",)),
    b"no json",
    b'{"event_time": "2026-03-01T08:0',
]
FIRST, SECOND = START, START + timedelta(seconds=10)
COUNTS = {(FIRST, "a"): (3, 8), (FIRST, "b"): (1, 3), (SECOND, "a"): (1, 7), (SECOND, "c"): (1, None)}


def rows(counts):
    return [{"window_start": start.isoformat(), "window_end": (start + checker.WINDOW).isoformat(), "part": part,
             "orders": orders, "quantity": quantity} for (start, part), (orders, quantity) in counts.items()]


def test_recount():
    assert checker.recount(VALUES, not_before=START - timedelta(minutes=1)) == COUNTS


def test_recount_with_what_is_late():
    assert (START - LATE, "a") in checker.recount(VALUES, not_before=START - 2 * LATE)


def test_closed_windows():
    assert checker.closed(COUNTS, SECOND - timedelta(milliseconds=1)) == {}
    assert set(checker.closed(COUNTS, SECOND)) == {(FIRST, "a"), (FIRST, "b")}


def test_good_results_have_no_findings():
    good = rows(COUNTS)
    del good[3]["quantity"]  # JSON may leave a null out
    good[0]["window_start"] = "2026-03-01T08:00:00.000Z"
    good[1]["window_start"] = "2026-03-01T09:00:00+01:00"
    assert checker.check_results(COUNTS, good) == []


@pytest.mark.parametrize("spoil, finding", [
    (lambda good: good.pop(0), "is missing"),
    (lambda good: good.append(good[0]), "is there 2 times"),
    (lambda good: good[0].update(orders=4), "is (4, 8), must be (3, 8)"),
    (lambda good: good[0].update(quantity=9), "is (3, 9), must be (3, 8)"),
    (lambda good: good[3].update(quantity=0), "is (1, 0), must be (1, None)"),
    (lambda good: good.append({**good[0], "part": "z"}), "must not be there"),
    (lambda good: good[0].update(window_end="2026-03-01T08:00:11Z"), "has a window of 0:00:11"),
], ids=["loss", "duplicate", "wrong count", "wrong sum", "zero for null", "invention", "wrong window"])
def test_wrong_results(spoil, finding):
    spoilt = [dict(row) for row in rows(COUNTS)]
    spoil(spoilt)
    findings = checker.check_results(COUNTS, spoilt)
    assert len(findings) == 1 and finding in findings[0]


# The count in update mode

def update(place, number, row, key, orders, quantity):
    """A row of micro-batch `number` that lies at this place, (partition, offset), of the topic."""
    value = json.dumps(*rows({key: (orders, quantity)}))
    return Record(*place, Message(value.encode(), None, (("millstream.batch", f"id/{number}/{row}".encode()),)))


def updates():
    """Batch 9 comes before batch 10, and what comes later may lie in a partition that is read earlier."""
    return [update((0, 0), 10, 0, (FIRST, "a"), 3, 8), update((0, 1), 10, 1, (SECOND, "c"), 1, None),
            update((1, 0), 9, 0, (FIRST, "a"), 2, 7), update((1, 1), 9, 1, (FIRST, "b"), 1, 3),
            update((2, 0), 0, 0, (FIRST, "a"), 1, 2), update((2, 1), 10, 2, (SECOND, "a"), 1, 7)]


def test_good_updates_have_no_findings():
    assert checker.check_updates(COUNTS, updates()) == []


@pytest.mark.parametrize("spoil, finding", [
    (lambda good: good.append(replace(good[0], offset=2)), "a is (3, 8) after (3, 8)"),
    (lambda good: good.append(replace(good[4], offset=2)), "a is (1, 2) after (1, 2)"),
    (lambda good: good.append(update((0, 2), 11, 0, (FIRST, "b"), 1, 3)), "b is (1, 3) after (1, 3)"),
    (lambda good: good.pop(0), "a is (2, 7), must be (3, 8)"),
    (lambda good: good.pop(1), "c is missing"),
    (lambda good: good.append(update((0, 2), 11, 0, (FIRST, "b"), 2, 6)), "b is (2, 6), must be (1, 3)"),
    (lambda good: good.append(update((0, 2), 11, 0, (FIRST, "z"), 1, 1)), "z must not be there"),
], ids=["last row twice", "earlier row twice", "same count in another batch", "loss of the last", "loss of all", "wrong row",
        "invention"])
def test_wrong_updates(spoil, finding):
    spoilt = updates()
    spoil(spoilt)
    findings = checker.check_updates(COUNTS, spoilt)
    assert len(findings) == 1 and finding in findings[0]


def test_update_with_a_wrong_window():
    spoilt = [replace(r, message=replace(r.message, value=r.message.value.replace(b"08:00:20", b"08:00:21"))) for r in updates()]
    assert len(checker.check_updates(COUNTS, spoilt)) == 2


# The query without an aggregation

def orders_log():
    """An order and two values that are none, in two partitions."""
    values = [Orders(1, "alice").next(0), b"no json", b'{"stores_request_id": 7, "bom": [']
    return [Record(n % 2, n // 2, Message(value, f"alice/{n}".encode())) for n, value in enumerate(values)]


def lines():
    order = json.loads(orders_log()[0].message.value)
    return [
        {"source_partition": 0, "source_offset": 0, "sender": "alice/0", "stores_request_id": order["stores_request_id"],
         "event_time": order["event_time"], "order_ref": 700_001, "agent": order["parent_order"]["agent"]},
        {"source_partition": 1, "source_offset": 0, "sender": "alice/1"},
        {"source_partition": 0, "source_offset": 1, "sender": "alice/2"},
    ]


def test_good_lines_have_no_findings():
    assert checker.check_lines(orders_log(), lines()) == []
    assert checker.check_lines(orders_log(), lines()[::-1]) == []


@pytest.mark.parametrize("spoil, finding", [
    (lambda good: good.pop(0), "partition 0 offset 0 is missing"),
    (lambda good: good.pop(1), "partition 1 offset 0 is missing"),
    (lambda good: good.append(good[0]), "partition 0 offset 0 is there 2 times"),
    (lambda good: good.append(good[2]), "partition 0 offset 1 is there 2 times"),
    (lambda good: good.append({**good[0], "order_ref": 1}), "partition 0 offset 0 is there 2 times"),
    (lambda good: good[0].update(order_ref=1), "partition 0 offset 0 is {"),
    (lambda good: good[0].update(sender="bob/0"), "partition 0 offset 0 is {"),
    (lambda good: good[0].pop("event_time"), "partition 0 offset 0 is {"),
    (lambda good: good[2].update(stores_request_id=7), "partition 0 offset 1 is {"),
    (lambda good: good.append({**good[0], "source_offset": 2}), "partition 0 offset 2 must not be there"),
], ids=["loss", "loss of what is no order", "duplicate", "duplicate of what is no order", "twice with other content",
        "wrong content", "wrong sender", "null for a value", "value for a null", "invention"])
def test_wrong_lines(spoil, finding):
    spoilt = lines()
    spoil(spoilt)
    findings = checker.check_lines(orders_log(), spoilt)
    assert len(findings) == 1 and finding in findings[0]


# The supply of orders

def test_orders_repeat_with_the_seed():
    first, second, other = (Orders(seed, "alice", garbage=0.1) for seed in (1, 1, 2))
    values = [first.next(n) for n in range(100)]
    assert values == [second.next(n) for n in range(100)]
    assert values != [other.next(n) for n in range(100)]


def test_orders_are_on_time_or_late_and_nothing_between():
    orders = Orders(7, "alice")
    for clock in range(500):
        moment = checker.timestamp(json.loads(orders.next(clock))["event_time"])
        assert timedelta(0) <= START + timedelta(seconds=clock) - moment <= DISORDER
        assert checker.timestamp(json.loads(orders.late())["event_time"]) <= START - LATE


def test_pace_leaves_no_order_behind_the_watermark():
    """The oldest order of a round that is still on its way, against the watermark of the newest that may be there."""
    pace = Pace(["alice", "bob"])
    pace.finish("alice", 7)
    pace.finish("bob", 4)  # bob is in round 5
    newest = max(number for number in range(20) if pace.may_begin(number))
    watermark = START + timedelta(seconds=newest) - DELAY
    assert START + timedelta(seconds=5) - DISORDER > watermark
