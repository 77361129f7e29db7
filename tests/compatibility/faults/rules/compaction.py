"""What holds for compacted topics."""

from collections.abc import Iterator

from ..model import History, Record
from .finding import Finding


def counts(history: History, record: Record) -> bool:
    """Whether the record is certainly one of the log: acknowledged, and if of a transaction, committed."""
    if record.acknowledged is None or record.offset is None:
        return False
    return record.transaction is None or history.transactions[record.transaction].outcome == "committed"


def the_newest_of_a_key_stays(history: History) -> Iterator[Finding]:
    """For each key the newest acknowledged record, or a newer one of the key, is among the committed ones; where the newest
    is a deletion it may be gone, but then no older record of the key may be there."""
    newest: dict[tuple[str, int, str], Record] = {}
    for record in history.records.values():
        topic = history.topics.get(record.topic)
        if topic and topic.policy == "compact" and record.key is not None and counts(history, record):
            key = record.topic, record.partition, record.key
            if key not in newest or newest[key].offset < record.offset:
                newest[key] = record
    finals = dict(history.finals("committed"))
    present: dict[tuple[str, int, str], tuple[int, Record]] = {}
    for place, final in finals.items():
        for offset, record in zip(final.offsets, final.records):
            if record is not None and record.key is not None:
                present[*place, record.key] = offset, record  # offsets ascend: the last one stays
    for (topic, partition, key), record in newest.items():
        if (topic, partition) not in finals:
            continue
        offset, there = present.get((topic, partition, key), (-1, None))
        if offset >= record.offset or (record.is_deletion and there is None):
            continue
        what = f"{there} at {offset} is" if there else "nothing is"
        uncommitted = history.logs[topic, partition].final.get("uncommitted")
        where = " for readers of committed records; for others it is there" if uncommitted and record in uncommitted.records else ""
        yield Finding(f"key {key} of {topic}/{partition}: the newest is {record}{', a deletion' if record.is_deletion else ''}; "
                      f"{what} left{where}", records=(record.name,) + ((there.name,) if there else ()))
