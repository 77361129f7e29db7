"""Histories made up by hand, to test the checker with: a good one, and ways to spoil it."""

from collections.abc import Callable
from typing import Any

from .events import Event
from .topics import TOPICS


class Story:
    """Events in the order in which they are told, a tenth of a second apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.t = 1000.0

    def tell(self, client: str, op: str, kind: str, /, **fields: Any) -> None:
        self.t += 0.1
        self.events.append({"t": round(self.t, 3), "client": client, "op": op, "type": kind, **fields})

    def wait(self, seconds: float) -> None:
        self.t += seconds

    def producer(self, name: str, kind: str, transactional_id: str | None = None) -> None:
        self.tell(name, "producer", "info", producer=name, kind=kind, transactional_id=transactional_id)
        if transactional_id:
            self.tell(name, "init", "invoke", producer=name, transactional_id=transactional_id)
            self.tell(name, "init", "ok", producer=name, transactional_id=transactional_id)

    def send(self, record: str, topic: str, partition: int, offset: int | None, **also: Any) -> None:
        """Without an offset it is not acknowledged."""
        producer = record.partition("/")[0]
        self.tell(producer, "produce", "invoke", producer=producer, record=record, topic=topic, partition=partition, **also)
        if offset is not None:
            self.tell(producer, "produce", "ok", producer=producer, record=record, topic=topic, partition=partition, offset=offset)

    def begin(self, txn: str) -> None:
        producer = txn.partition("#")[0]
        self.tell(producer, "begin", "ok", producer=producer, txn=txn)

    def end(self, txn: str, op: str, answer: str = "ok") -> None:
        producer = txn.partition("#")[0]
        self.tell(producer, op, "invoke", producer=producer, txn=txn)
        self.tell(producer, op, answer, producer=producer, txn=txn)

    def send_offsets(self, txn: str, group: str, offsets: list) -> None:
        producer = txn.partition("#")[0]
        for kind in ("invoke", "ok"):
            self.tell(producer, "send_offsets", kind, producer=producer, txn=txn, group=group, offsets=offsets)

    def read(self, client: str, isolation: str, topic: str, partition: int, records: dict[int, str], session: int = 0, **also: Any) -> None:
        self.tell(client, "read", "ok", topic=topic, partition=partition, isolation=isolation, session=session,
                  records=[[offset, name] for offset, name in records.items()], **also)

    def commit_offsets(self, client: str, group: str, offsets: list, answer: str = "ok") -> None:
        for kind in ("invoke", answer):
            self.tell(client, "commit_offsets", kind, group=group, session=1, offsets=offsets)

    def observe(self, which: str, values: list) -> None:
        self.tell("observer", "positions", "invoke", which=which)
        self.tell("observer", "positions", "ok", which=which, values=values)

    def fetch(self, group: str, values: list) -> None:
        self.tell("observer", "offsets", "invoke", group=group)
        self.tell("observer", "offsets", "ok", group=group, values=values)

    def final(self, isolation: str, topic: str, partition: int, end: int, records: dict[int, str], start: int = 0) -> None:
        self.tell("harness", "final", "ok", topic=topic, partition=partition, isolation=isolation, start=0, end=end)
        if records:
            self.read("harness", isolation, topic, partition, records, is_final=True)
        self.tell("harness", "final", "info", topic=topic, partition=partition, isolation=isolation, start=start)


def good() -> Story:
    """A little of everything, and all of it as it should be."""
    story = Story()
    for topic in TOPICS:
        story.tell("harness", "topic", "info", topic=topic.to_event())
    story.tell("churn", "create", "invoke", name="churn-a", topic="churn-a@0.1")
    story.tell("churn", "create", "ok", name="churn-a", topic="churn-a@0.1")

    # An idempotent producer, and a plain one that repeats itself.
    story.producer("i.0.1", "idempotent")
    for number in range(4):
        story.send(f"i.0.1/{number}", "events", 0, number)
    story.producer("p.0.1", "plain")
    story.send("p.0.1/0", "events", 0, 5)
    events = {0: "i.0.1/0", 1: "i.0.1/1", 2: "i.0.1/2", 3: "i.0.1/3", 4: "p.0.1/0", 5: "p.0.1/0"}
    story.observe("stable", [["events", 0, 6]])
    story.observe("high", [["events", 0, 6]])
    story.observe("start", [["events", 0, 0]])
    story.read("tail", "uncommitted", "events", 0, events, is_from_start=True)

    # Two transactions, one of them aborted, and another instance with a third.
    story.producer("t.0.1", "transactional", "t")
    story.begin("t.0.1#1")
    story.send("t.0.1/0", "orders", 0, 0, txn="t.0.1#1")
    story.send("t.0.1/1", "orders", 1, 0, txn="t.0.1#1")
    story.send("t.0.1/2", "ledger", 0, 0, txn="t.0.1#1")
    story.end("t.0.1#1", "commit")
    story.begin("t.0.1#2")
    story.send("t.0.1/3", "orders", 0, 2, txn="t.0.1#2")
    story.end("t.0.1#2", "abort")
    story.producer("t.0.2", "transactional", "t")
    story.begin("t.0.2#1")
    story.send("t.0.2/0", "orders", 0, 4, txn="t.0.2#1")
    story.end("t.0.2#1", "commit")
    story.read("tail-c", "committed", "orders", 0, {0: "t.0.1/0", 4: "t.0.2/0"}, is_from_start=True)
    story.observe("stable", [["orders", 0, 6]])
    story.observe("high", [["orders", 0, 6]])

    # Each committed order is transformed once.
    story.producer("x.0.1", "transactional", "x")
    story.begin("x.0.1#1")
    story.send("x.0.1/0", "derived", 0, 0, txn="x.0.1#1", source=["orders", 0, 0, "t.0.1/0"])
    story.send("x.0.1/1", "derived", 0, 1, txn="x.0.1#1", source=["orders", 1, 0, "t.0.1/1"])
    story.send_offsets("x.0.1#1", "transform", [["orders", 0, 1], ["orders", 1, 1]])
    story.end("x.0.1#1", "commit")
    story.fetch("transform", [["orders", 0, 1], ["orders", 1, 1]])
    story.begin("x.0.1#2")
    story.send("x.0.1/2", "derived", 0, 3, txn="x.0.1#2", source=["orders", 0, 4, "t.0.2/0"])
    story.send_offsets("x.0.1#2", "transform", [["orders", 0, 5]])
    story.end("x.0.1#2", "commit")

    # Compaction and retention.
    story.producer("i.0.2", "idempotent")
    for number, key in enumerate(["a", "b", "a"]):
        story.send(f"i.0.2/{number}", "accounts", 0, number, key=key)
    story.send("i.0.2/3", "recent", 0, 0)
    story.wait(20)
    story.send("i.0.2/4", "recent", 0, 1)
    story.observe("start", [["recent", 0, 1]])
    story.observe("high", [["recent", 0, 2]])

    # A group, and its partition given to somebody else.
    story.fetch("classic", [["events", 0, -1]])
    story.tell("m.0", "assigned", "info", group="classic", session=1, partitions=[["events", 0]])
    story.read("m.0", "committed", "events", 0, {offset: events[offset] for offset in range(3)}, session=1, group="classic")
    story.commit_offsets("m.0", "classic", [["events", 0, 3]])
    story.fetch("classic", [["events", 0, 3]])
    story.tell("m.1", "assigned", "info", group="classic", session=1, partitions=[["events", 0]])
    story.read("m.1", "committed", "events", 0, {offset: events[offset] for offset in range(3, 6)}, session=1, group="classic")
    story.commit_offsets("m.0", "classic", [["events", 0, 2]], "fail")
    story.commit_offsets("m.1", "classic", [["events", 0, 6]])
    story.fetch("classic", [["events", 0, 6]])

    story.tell("churn", "delete", "invoke", name="churn-a", topic="churn-a@0.1")
    story.tell("churn", "delete", "ok", name="churn-a", topic="churn-a@0.1")
    story.tell("harness", "broker", "info", state="is killed")
    story.tell("harness", "broker", "info", state="is ready")

    story.tell("harness", "standing", "info", names=[])
    for isolation in ("uncommitted", "committed"):
        aborted = {2: "t.0.1/3"} if isolation == "uncommitted" else {}
        story.final(isolation, "events", 0, 6, events)
        story.final(isolation, "orders", 0, 6, {0: "t.0.1/0", **aborted, 4: "t.0.2/0"})
        story.final(isolation, "orders", 1, 2, {0: "t.0.1/1"})
        story.final(isolation, "ledger", 0, 2, {0: "t.0.1/2"})
        story.final(isolation, "derived", 0, 5, {0: "x.0.1/0", 1: "x.0.1/1", 3: "x.0.1/2"})
        story.final(isolation, "accounts", 0, 3, {1: "i.0.2/1", 2: "i.0.2/2"})
        story.final(isolation, "recent", 0, 2, {1: "i.0.2/4"}, start=1)
    story.fetch("transform", [["orders", 0, 5], ["orders", 1, 1]])
    story.fetch("classic", [["events", 0, 6]])
    return story


def where(**wanted: Any) -> Callable[[Event], bool]:
    """Whether an event has these fields; `kind` stands for type."""
    fields = {("type" if name == "kind" else name): value for name, value in wanted.items()}
    return lambda event: all(event.get(name) == value for name, value in fields.items())


def without(events: list[Event], chosen: Callable[[Event], bool]) -> list[Event]:
    left = [event for event in events if not chosen(event)]
    assert len(left) < len(events), "nothing was chosen"
    return left


def changed(events: list[Event], chosen: Callable[[Event], bool], **fields: Any) -> list[Event]:
    assert any(map(chosen, events)), "nothing was chosen"
    return [{**event, **fields} if chosen(event) else event for event in events]


def unread(events: list[Event], isolation: str, topic: str, partition: int, offset: int) -> list[Event]:
    """As if the last full read had not found a record."""
    return reread(events, isolation, topic, partition, lambda records: [pair for pair in records if pair[0] != offset])


def reread(events: list[Event], isolation: str, topic: str, partition: int, change: Callable[[list], list]) -> list[Event]:
    """As if the last full read had found something else."""
    chosen = where(op="read", topic=topic, partition=partition, isolation=isolation, is_final=True)
    assert any(map(chosen, events)), "nothing was chosen"
    events = [{**event, "records": change(event["records"])} if chosen(event) else event for event in events]
    return [event for event in events if event.get("records") != []]


def before_the_end(events: list[Event], more: Callable[[Story], None]) -> list[Event]:
    """With more events, before everything is read for the last time."""
    end = next(place for place, event in enumerate(events) if event["op"] == "standing")
    story = Story()
    story.t = events[end - 1]["t"]
    more(story)
    late = story.t - events[end - 1]["t"]
    return events[:end] + story.events + [{**event, "t": round(event["t"] + late, 3)} for event in events[end:]]


def at_the_end(events: list[Event], more: Callable[[Story], None]) -> list[Event]:
    story = Story()
    story.t = events[-1]["t"]
    more(story)
    return events + story.events
