"""What holds for consume, transform, produce: each record once, and offsets move with the output."""

from collections import defaultdict
from collections.abc import Iterator

from ..model import History
from ..topics import DERIVED, SOURCE
from .finding import Finding

GROUP = "transform"


def each_record_is_transformed_once(history: History) -> Iterator[Finding]:
    """Among committed records each source record has at most one result, made of what is at its offset; and exactly those below
    the group's committed offset have one."""
    results: dict[tuple[int, int], str] = {}
    for place, final in history.finals("committed"):
        if place[0] != DERIVED:
            continue
        for offset, record in zip(final.offsets, final.records):
            if record is None or record.source is None:
                continue
            topic, partition, source_offset, name = record.source
            log = history.logs[topic, partition]
            if source_offset in log.at and log.at[source_offset].name != name:
                yield Finding(f"{record} was made of {name}, but {topic}/{partition} has {log.at[source_offset].name} at {source_offset}",
                              records=(record.name, name), places=(((topic, partition), source_offset),))
            other = results.setdefault((partition, source_offset), record.name)
            if other != record.name:
                yield Finding(f"{topic}/{partition} offset {source_offset} ({name}) was transformed twice: {other} and {record.name}",
                              records=(other, record.name), group=(GROUP, topic, partition))
    last = {fetched.place: fetched for fetched in history.fetched if fetched.place[0] == GROUP}
    for place, final in history.finals("committed"):
        fetched = last.get((GROUP, *place))
        if place[0] != SOURCE or fetched is None:
            continue
        wrong = defaultdict(list)
        for offset, record in zip(final.offsets, final.records):
            is_done, has_result = offset < fetched.value, (place[1], offset) in results
            if is_done != has_result:
                wrong[is_done].append((offset, record))
        for is_done, found in wrong.items():
            offset, record = found[0]
            text = "is below it and has no result" if is_done else "is not below it and has a result"
            yield Finding(f"{place[0]}/{place[1]}: the group's offset is {fetched.value}, and {record} at {offset} {text} "
                          f"({len(found)} such)", group=(GROUP, *place), records=(results.get((place[1], offset), ""),))
