"""What a rule found: a sentence, and what it is about, so that the events that contradict can be shown."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from ..events import Event
from ..model import GroupPlace, Place

SHOWN_MAX = 14


@dataclass(frozen=True)
class Finding:
    text: str
    rule: str = ""
    records: tuple[str, ...] = ()
    places: tuple[tuple[Place, int], ...] = ()  # with an offset
    transactions: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()
    group: GroupPlace | None = None
    positions: Place | None = None
    between: tuple[float, float] | None = None

    def named(self, rule: str) -> Self:
        return replace(self, rule=rule)

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"

    def excerpt(self, event: Event) -> Event | None:
        """The event if it belongs to the counterexample, without what does not matter to it."""
        if self.between and not self.between[0] <= event["t"] <= self.between[1]:
            return None
        op = event["op"]
        if op in ("broker", "freeze", "nemesis") and self.between:
            return event
        if event.get("record") in self.records or (event.get("txn") in self.transactions and op != "produce"):
            return event
        if event.get("producer") in self.producers and op in ("producer", "init", "fatal"):
            return event
        if op == "read" and event["type"] == "ok":
            place = event["topic"], event["partition"]
            offsets = {offset for wanted, offset in self.places if wanted == place}
            shown = [[offset, name] for offset, name in event["records"] if offset in offsets or name in self.records]
            return {**event, "records": shown} if shown else None
        if op == "produce" and event["type"] == "ok":
            return event if ((event["topic"], event["partition"]), event["offset"]) in self.places else None
        if op in ("positions", "offsets") and event["type"] == "ok":
            wanted = self.group[1:] if op == "offsets" and self.group and event["group"] == self.group[0] else None
            wanted = self.positions if op == "positions" else wanted
            shown = [value for value in event["values"] if wanted == (value[0], value[1])]
            return {**event, "values": shown} if shown else None
        if op in ("commit_offsets", "send_offsets") and self.group and event["group"] == self.group[0]:
            shown = [value for value in event["offsets"] if (value[0], value[1]) == self.group[1:]]
            return {**event, "offsets": shown} if shown else None
        return None


def evidence(findings: list[Finding], events: Iterable[Event]) -> list[list[Event]]:
    """The events that belong to each finding: the first ones and the last ones, where there are many."""
    shown: list[list[Event]] = [[] for _ in findings]
    for event in events:
        for finding, found in zip(findings, shown):
            part = finding.excerpt(event)
            if part is not None:
                found.append(part)
                if len(found) > SHOWN_MAX:
                    del found[SHOWN_MAX // 2]
    return shown
