"""Compares what was sent with what the log holds, and the query's results with the same count made here in plain Python.

Each function returns its findings as sentences: nothing found is an empty list. None of them talks to a broker, so that
test_checker.py can show that each fault is seen.
"""

import collections
import json
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
WINDOW = timedelta(seconds=10)


def by_key(log):
    found = collections.defaultdict(list)
    for record in log:
        found[record.message.key].append(record)
    return found


def check_publisher(publisher, log):
    """`publisher` has name, idempotent, sent (key: value) and acknowledged (key: how often)."""
    found = by_key(record for record in log if record.message.key.startswith(publisher.name.encode() + b"/"))
    findings = [f"{key} was acknowledged and is lost" for key in publisher.acknowledged if key not in found]
    for key, records in found.items():
        if key not in publisher.sent:
            findings.append(f"{key} was never sent")
        elif any(record.message.value != publisher.sent[key] for record in records):
            findings.append(f"{key} was altered")
        if publisher.idempotent and len(records) > 1:
            findings.append(f"{key} is there {len(records)} times")
    if publisher.idempotent:
        findings += check_order(publisher.name, log)
    return findings


def check_order(name, log):
    """Within a partition the numbers of an idempotent producer ascend."""
    findings, last = [], {}
    for record in log:
        publisher, _, number = record.message.key.decode().rpartition("/")
        if publisher == name:
            if int(number) < last.get(record.partition, -1):
                findings.append(f"{record.message.key} comes after {last[record.partition]} in partition {record.partition}")
            last[record.partition] = int(number)
    return findings


def check_offsets(log):
    """The offsets of each partition begin at 0 and leave nothing out."""
    findings, expected = [], collections.Counter()
    for record in log:
        if record.offset != expected[record.partition]:
            findings.append(f"partition {record.partition}: offset {record.offset} follows {expected[record.partition] - 1}")
        expected[record.partition] = record.offset + 1
    return findings


def check_unchanged(seen, log):
    """What a reader saw at an offset while the daemon was killed again and again is still what is there."""
    now = {(record.partition, record.offset): record.message for record in log}
    return [f"partition {r.partition}, offset {r.offset}: {r.message.key} was read, now it is {now.get((r.partition, r.offset))}"
            for r in seen if now.get((r.partition, r.offset)) != r.message]


def recount(values, not_before):
    """The query, over the whole log: {(window start, part): (orders, quantity)}.

    `not_before` separates the orders that are certainly late, which the query must leave out, from all others, which it
    must count. Nothing lies near that border, so it does not matter which micro-batch a row came in.
    """
    counts = {}
    for order in filter(None, map(parse, values)):
        moment = timestamp(order["event_time"])
        if moment < not_before:
            continue
        for item in order["bom"]:
            orders, quantity = counts.get((window_start(moment), item["part"]), (0, None))
            counts[window_start(moment), item["part"]] = orders + 1, add(quantity, item.get("quantity"))
    return counts


def parse(value):
    try:
        return json.loads(value)
    except ValueError:
        return None


def timestamp(text):
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def window_start(moment):
    return EPOCH + (moment - EPOCH) // WINDOW * WINDOW


def add(total, quantity):
    """sum() in SQL leaves nulls out, and the sum of nothing but nulls is null."""
    if quantity is None:
        return total
    return quantity + (total or 0)


def closed(counts, watermark):
    """The windows whose end the watermark has reached: those an append query has emitted."""
    return {key: count for key, count in counts.items() if key[0] + WINDOW <= watermark}


def check_results(expected, results):
    """`results` are the rows of the result topic; each window and part that is expected must be there exactly once."""
    findings, rows = [], collections.defaultdict(list)
    for row in results:
        findings += check_window(row)
        rows[window_and_part(row)].append(count(row))
    return findings + compare(expected, rows)


def check_window(row):
    start, end = timestamp(row["window_start"]), timestamp(row["window_end"])
    return [] if end - start == WINDOW else [f"{row} has a window of {end - start}"]


def window_and_part(row):
    return timestamp(row["window_start"]), row["part"]


def count(row):
    return row["orders"], row.get("quantity")


def compare(expected, found):
    """`found` has for each key all that is there; what is expected of it must be that, and once."""
    findings = []
    for key, values in found.items():
        name = " ".join(map(str, key))
        if key not in expected:
            findings.append(f"{name} must not be there: {values}")
        elif len(values) > 1:
            findings.append(f"{name} is there {len(values)} times: {values}")
        elif values[0] != expected[key]:
            findings.append(f"{name} is {values[0]}, must be {expected[key]}")
    findings += [f"{' '.join(map(str, key))} is missing" for key in expected if key not in found]
    return findings


def check_updates(expected, log):
    """`log` is the topic of the same count in update mode: a row for each batch in which a window and part changed.

    With each row of a window and part more orders are counted, and the last row is the recount. A batch whose rows are
    there twice repeats a count, whatever the batches were.
    """
    findings, rows, last = [], collections.defaultdict(list), {}
    for record in sorted(log, key=batch):
        row = json.loads(record.message.value)
        findings += check_window(row)
        rows[window_and_part(row)].append(count(row))
    for key, counts in rows.items():
        findings += [f"{' '.join(map(str, key))} is {after} after {before}"
                     for before, after in zip(counts, counts[1:]) if after[0] <= before[0]]
        last[key] = counts[-1:]
    return findings + compare(expected, last)


def batch(record):
    """The number of the micro-batch that wrote the record."""
    _, number, _ = dict(record.message.headers)["millstream.batch"].split(b"/")
    return int(number)


def check_lines(log, results):
    """The stateless query: for each record of the log, whatever it is, exactly one row that says what was in it."""
    rows = collections.defaultdict(list)
    for row in results:
        rows[place(row["source_partition"], row["source_offset"])].append(row)
    return compare({place(record.partition, record.offset): line(record) for record in log}, rows)


def place(partition, offset):
    return f"partition {partition}", f"offset {offset}"


def line(record):
    """A value that is no JSON gives a row all the same: one that has nothing but the record's own columns."""
    row = {"source_partition": record.partition, "source_offset": record.offset, "sender": record.message.key.decode()}
    order = parse(record.message.value)
    if order is None:
        return row
    return {**row, "stores_request_id": order["stores_request_id"], "event_time": order["event_time"], **order["parent_order"]}
