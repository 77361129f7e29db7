"""What holds for consumer groups: what was committed stays, and nothing is passed over."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from ..model import Fetched, GroupPlace, History
from .finding import Finding


def committed_offsets_never_go_back(history: History) -> Iterator[Finding]:
    """A fetched offset of a group is no lower than one fetched before, and no lower than a commit that was acknowledged before
    the question. (Nobody here resets one. A commit of a member whose partitions went to somebody else must be refused.)"""
    last: dict[GroupPlace, Fetched] = {}
    for now in history.fetched:
        group, topic, partition = now.place
        before = last.get(now.place)
        if before and before.answered <= now.asked and now.value < before.value:
            yield Finding(f"{topic}/{partition} of group {group} was {before.value} at {before.answered:.3f}, and is {now.value} at "
                          f"{now.asked:.3f}", group=now.place, between=(before.asked - 10, now.answered + 0.001))
        elif now.value < now.acknowledged:
            by = tuple(transaction.name for transaction in history.transactions.values() if transaction.offsets.get(now.place) == now.acknowledged)
            yield Finding(f"{topic}/{partition} of group {group} is {now.value} at {now.asked:.3f}, though {now.acknowledged} was "
                          f"acknowledged", group=now.place, transactions=by, between=(now.asked - 30, now.answered + 0.001))
        last[now.place] = now


def committed_offsets_are_not_invented(history: History) -> Iterator[Finding]:
    """A fetched offset was committed by somebody before, and if in a transaction, then the commit of that was asked for before;
    one that is not known is told as none, and never as 0."""
    told = set()
    for now in history.fetched:
        asked = history.asked_offsets.get(now.place, {}).get(now.value)
        if now.value != -1 and (asked is None or asked > now.answered) and (now.place, now.value) not in told:
            told.add((now.place, now.value))
            group, topic, partition = now.place
            when = "nobody committed" if asked is None else f"nobody had committed before {asked:.3f}"
            yield Finding(f"{topic}/{partition} of group {group} is {now.value} at {now.answered:.3f}, which {when}",
                          group=now.place, between=(now.asked - 10, now.answered + 0.001))


def members_go_on_where_the_group_was(history: History) -> Iterator[Finding]:
    """Who is given a partition begins no earlier than where the group had come when it was given."""
    for session in history.sessions.values():
        if session.group and session.offsets and session.offsets[0] < session.committed_before:
            topic, partition = session.place
            yield Finding(f"{session.client} was given {topic}/{partition} at {session.began:.3f}, when {session.committed_before} was committed, "
                          f"and began at {session.offsets[0]}", group=(session.group, topic, partition),
                          places=((session.place, session.offsets[0]),), between=(session.began - 20, session.began + 5))


def groups_skip_nothing(history: History) -> Iterator[Finding]:
    """Every record below the offset that a group has committed in the end was given to a member."""
    given: dict[GroupPlace, set[int]] = defaultdict(set)
    isolation: dict[str, str] = {}
    for session in history.sessions.values():
        if session.group:
            given[session.group, *session.place].update(session.offsets)
            isolation[session.group] = session.isolation
    last = {fetched.place: fetched for fetched in history.fetched if fetched.place[0] in isolation}
    for (group, topic, partition), fetched in last.items():
        final = history.logs[topic, partition].final.get(isolation[group])
        if final is None:
            continue
        got = given[group, topic, partition]
        below = bisect_left(final.offsets, fetched.value)
        missing = [place for place in range(below) if final.offsets[place] not in got]
        if missing:
            record = final.records[missing[0]]
            yield Finding(f"group {group} has committed {fetched.value} in {topic}/{partition}, and {len(missing)} records below it were given to no "
                          f"member: first {record} at {final.offsets[missing[0]]}", group=fetched.place, records=(record.name,) if record else ())
