"""What holds for the first offset of a partition, its last stable offset and its high watermark."""

from collections.abc import Iterator

from ..model import History, Place, Position
from .finding import Finding

NAMES = {"start": "the first offset", "stable": "the last stable offset", "high": "the high watermark"}


def positions_never_go_back(history: History) -> Iterator[Finding]:
    """First offset, last stable offset and high watermark only rise, also across restarts; first <= stable <= high."""
    last: dict[tuple[str, Place], Position] = {}
    for now in history.positions:
        place = now.place
        before = last.get((now.which, place))
        # The order of answers to questions that were open at the same time means nothing.
        if before and before.answered <= now.asked and now.value < before.value:
            yield Finding(f"{place[0]}/{place[1]}: {NAMES[now.which]} was {before.value} at {before.answered:.3f}, and is {now.value} "
                          f"at {now.asked:.3f}", positions=place, between=(before.asked - 0.001, now.answered + 0.001))
        last[now.which, place] = now
        for lower, upper in [("stable", "high"), ("start", "high")]:
            if now.which != upper:
                continue
            below = last.get((lower, place))
            if below and below.answered <= now.asked and below.value > now.value:
                yield Finding(f"{place[0]}/{place[1]}: {NAMES[lower]} was {below.value} at {below.answered:.3f}, beyond {NAMES[upper]}, "
                              f"{now.value} at {now.asked:.3f}", positions=place, between=(below.asked - 0.001, now.answered + 0.001))


def positions_cover_what_was_seen(history: History) -> Iterator[Finding]:
    """The high watermark is beyond everything that was acknowledged or read before, the last stable offset beyond
    everything that a reader of committed records got."""
    for now in history.positions:
        known = {"high": {"acknowledged": now.acknowledged, "read": now.read}, "stable": {"read as committed": now.read_committed}}
        for how, end in known.get(now.which, {}).items():
            if end > now.value:
                yield Finding(f"{now.place[0]}/{now.place[1]}: offset {end - 1} was {how} before {now.asked:.3f}, then {NAMES[now.which]} "
                              f"is {now.value}", positions=now.place, places=((now.place, end - 1),),
                              between=(now.asked - 30, now.answered + 0.001))


def only_what_is_old_is_removed(history: History) -> Iterator[Finding]:
    """Retention removes no record that is younger than the topic's retention time; without retention nothing is removed."""
    for now in history.positions:
        topic = history.topics.get(now.place[0])
        if topic is None or now.which != "start" or now.value == 0:
            continue
        if topic.policy != "retain":
            yield Finding(f"{topic.name}/{now.place[1]} has no retention, and begins at {now.value} at {now.answered:.3f}", positions=now.place)
            continue
        at = history.logs[now.place].at
        # The first one that was seen below the first offset is the youngest.
        youngest = next((at[offset] for offset in range(now.value - 1, max(-1, now.value - 50), -1) if offset in at), None)
        if youngest and now.answered - youngest.sent < topic.retention_seconds - 0.05:
            yield Finding(f"{topic.name}/{now.place[1]} begins at {now.value} at {now.answered:.3f}, but {youngest} is no older than "
                          f"{now.answered - youngest.sent:.3f} s", records=(youngest.name,), positions=now.place,
                          between=(youngest.sent, now.answered))
