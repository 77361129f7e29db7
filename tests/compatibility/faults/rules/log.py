"""What holds for every log: nothing lost, nothing twice, nothing changed, in order."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator

from ..model import History
from .finding import Finding


def nothing_is_invented_or_altered(history: History) -> Iterator[Finding]:
    """What is read was sent by somebody, to this partition, and has the checksum that it was sent with."""
    for seen in history.invented:
        where = f"{seen.place[0]}/{seen.place[1]} offset {seen.offset}"
        why = f"it was sent to {seen.known.topic}/{seen.known.partition}" if seen.known else "nobody sent it"
        yield Finding(f"{seen.client} read {seen.name} at {where} at {seen.t:.3f}: {why}", records=(seen.name,),
                      places=((seen.place, seen.offset),))


def an_offset_keeps_its_record(history: History) -> Iterator[Finding]:
    """The same offset of a partition always has the same record: in acknowledgements, for every reader, before and after a restart."""
    for seen in history.conflicts:
        yield Finding(f"{seen.place[0]}/{seen.place[1]} offset {seen.offset} is {seen.known.name}, and {seen.name} for {seen.client} "
                      f"at {seen.t:.3f}", records=(seen.known.name, seen.name), places=((seen.place, seen.offset),))


def nothing_acknowledged_is_lost(history: History) -> Iterator[Finding]:
    """An acknowledged record is in the last full read, unless its topic was deleted, a newer record of its key is there
    (compaction), or it is below the log's first offset (retention)."""
    present = {place: {id(record) for record in final.records} for place, final in history.finals("uncommitted")}
    unread = defaultdict(int)
    for record in history.records.values():
        if record.acknowledged is None or record.topic in history.deleted:
            continue
        place = record.topic, record.partition
        if place not in present:
            unread[place] += 1
            continue
        if id(record) in present[place]:
            continue
        policy = history.topics[record.topic].policy
        if policy == "keep" or (policy == "retain" and (record.offset or 0) >= history.logs[place].final["uncommitted"].start):
            yield Finding(f"{record} is not there", records=(record.name,), places=((place, record.offset),) if record.offset else ())
    for (topic, partition), count in unread.items():
        yield Finding(f"{topic}/{partition}, with {count} acknowledged records, could not be read to its end")


def nothing_is_there_twice(history: History) -> Iterator[Finding]:
    """A record of an idempotent or transactional producer has one offset, whoever looks and however often it was sent."""
    for (topic, partition), log in history.logs.items():
        seen: dict[str, int] = {}
        for offset, record in log.at.items():
            if history.producers[record.producer].kind != "plain" and seen.setdefault(record.name, offset) != offset:
                yield Finding(f"{record.name} is in {topic}/{partition} at {seen[record.name]} and at {offset}", records=(record.name,))


def the_order_of_a_producer_stays(history: History) -> Iterator[Finding]:
    """In a partition the records of an idempotent or transactional producer lie in the order in which it sent them."""
    for (topic, partition), log in history.logs.items():
        last: dict[str, int] = {}
        for offset in sorted(log.at):
            record = log.at[offset]
            if history.producers[record.producer].kind == "plain":
                continue
            before = last.get(record.producer)
            if before is not None and log.at[before].number > record.number:
                yield Finding(f"{topic}/{partition}: {record.name} at {offset} follows {log.at[before].name} at {before}",
                              records=(record.name, log.at[before].name))
            last[record.producer] = offset


def readers_go_forward_and_skip_nothing(history: History) -> Iterator[Finding]:
    """The offsets that one reader gets from a partition ascend, and between two of them, or before the first of one that begins
    at the beginning, there is no record that it should have got too."""
    for session in history.sessions.values():
        log = history.logs[session.place]
        final = log.final.get(session.isolation)
        where = f"{session.client} (read {session.isolation}) in {session.place[0]}/{session.place[1]}"
        previous = -1 if session.is_from_start else None
        for offset in session.offsets:
            if previous is not None and offset <= previous:
                yield Finding(f"{where} got offset {offset} after {previous}", places=((session.place, offset), (session.place, previous)))
            elif previous is not None and final and offset > previous + 1:
                first, last = bisect_right(final.offsets, previous), bisect_left(final.offsets, offset)
                if first < last:
                    record = final.records[first]
                    yield Finding(f"{where} got {offset} after {previous}, {last - first} records between them are there: first {record}",
                                  records=(record.name,) if record else (), places=((session.place, offset), (session.place, previous)))
            previous = offset


def offsets_have_no_gaps(history: History) -> Iterator[Finding]:
    """Where neither transactions write nor compaction works, each offset from the first to the high watermark has a record."""
    for place, final in history.finals("uncommitted"):
        topic = history.topics.get(place[0])
        if topic is None or topic.is_transactional or topic.policy == "compact":
            continue
        for expected, offset in zip(range(final.start, final.end), [*final.offsets, final.end]):
            if expected != offset:
                yield Finding(f"{place[0]}/{place[1]} begins at {final.start} and ends at {final.end}: {expected} is missing, {offset} follows",
                              places=((place, expected), (place, offset)))
                break
