"""What a history says, put together in one pass over its events: records, transactions, logs, positions, groups.

Nothing is judged here, that is for the rules; but what has to be known of the moment of an event is kept with it.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .events import Event
from .topics import Topic

Place = tuple[str, int]  # topic and partition
GroupPlace = tuple[str, str, int]  # group, topic and partition


@dataclass(slots=True, eq=False)
class Record:
    name: str
    producer: str
    topic: str
    partition: int
    sent: float
    number: int
    transaction: str | None = None
    key: str | None = None
    is_deletion: bool = False
    source: tuple[str, int, int, str] | None = None
    offset: int | None = None  # as acknowledged
    acknowledged: float | None = None
    refused: bool = False

    def __str__(self) -> str:
        came = f"acknowledged at {self.acknowledged:.3f} with offset {self.offset}" if self.acknowledged is not None else "not acknowledged"
        return f"{self.name} (sent to {self.topic}/{self.partition} at {self.sent:.3f}, {came})"


@dataclass(slots=True, eq=False)
class Transaction:
    name: str
    producer: str
    began: float
    commit_asked: float | None = None
    committed: float | None = None
    aborted: float | None = None
    records: list[Record] = field(default_factory=list)
    # group, topic, partition: offset
    offsets: dict[GroupPlace, int] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """committed, aborted, or unknown: then it may be either, and nothing between."""
        if self.committed is not None:
            return "committed"
        return "aborted" if self.aborted is not None or self.commit_asked is None else "unknown"

    def __str__(self) -> str:
        moments = {"began": self.began, "commit asked": self.commit_asked, "commit answered": self.committed, "abort answered": self.aborted}
        return f"transaction {self.name} ({', '.join(f'{name} {t:.3f}' for name, t in moments.items() if t is not None)})"


@dataclass(slots=True)
class Producer:
    name: str
    kind: str
    transactional_id: str | None
    fatal: str | None = None
    init_asked: float | None = None
    init_answered: float | None = None


@dataclass(slots=True)
class Final:
    """A full read after the last restart."""
    start: int  # when it was over
    end: int
    offsets: list[int] = field(default_factory=list)
    records: list[Record | None] = field(default_factory=list)


@dataclass(slots=True)
class Log:
    at: dict[int, Record] = field(default_factory=dict)  # everything ever seen, by offset
    final: dict[str, Final] = field(default_factory=dict)  # by isolation
    # One past the highest offset up to now: acknowledged, read, read as committed.
    acknowledged: int = 0
    read: int = 0
    read_committed: int = 0


@dataclass(slots=True)
class Session:
    """What one reader read of one partition without a jump of its own."""
    client: str
    place: Place
    isolation: str
    number: int
    group: str | None
    began: float
    is_from_start: bool
    committed_before: int = -1  # of its group, acknowledged when it was assigned
    offsets: array = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class Position:
    """An observed position, with what was known to be below it when it was asked for."""
    which: str
    place: Place
    asked: float
    answered: float
    value: int
    acknowledged: int
    read: int
    read_committed: int


@dataclass(slots=True)
class Fetched:
    """An observed offset of a group, with what was acknowledged when it was asked for."""
    place: GroupPlace
    asked: float
    answered: float
    value: int
    acknowledged: int


@dataclass(slots=True)
class Sighting:
    """A reader's record that does not go with what is known."""
    client: str
    t: float
    place: Place
    offset: int
    name: str
    known: Record | None


class History:
    def __init__(self, events: Iterable[Event]) -> None:
        self.topics: dict[str, Topic] = {}
        self.deleted: dict[str, float] = {}  # label: when the deletion was asked for
        self.churn: list[Event] = []
        self.records: dict[str, Record] = {}
        self.transactions: dict[str, Transaction] = {}
        self.producers: dict[str, Producer] = {}
        self.logs: dict[Place, Log] = defaultdict(Log)
        self.sessions: dict[tuple, Session] = {}
        self.positions: list[Position] = []
        self.fetched: list[Fetched] = []
        self.asked_offsets: dict[GroupPlace, dict[int, float]] = defaultdict(dict)  # offset: when it was first asked for
        self.acknowledged_offsets: dict[GroupPlace, int] = {}
        self.assigned: dict[tuple[str, int, Place], tuple[float, int]] = {}
        self.invented: list[Sighting] = []
        self.conflicts: list[Sighting] = []
        self.too_early: list[tuple[Transaction, Sighting]] = []
        self.seen_committed: dict[str, Sighting] = {}  # the first record of each transaction that a reader of committed records saw
        self.failures: list[Event] = []
        self.counts: dict[str, int] = defaultdict(int)
        self.began = self.ended = 0.0
        self._asking: dict[tuple, tuple] = {}
        self._reading: dict[tuple, Final] = {}
        for event in events:
            self.began = self.began or event["t"]
            self.ended = event["t"]
            self.counts[f"{event['op']} {event['type']}" + (f" ({event['state']})" if "state" in event else "")] += 1
            take = getattr(self, f"_{event['op']}", None)
            if take:
                take(event)
            elif event["type"] == "fail":
                self.failures.append(event)

    # ---- topics

    def _topic(self, event: Event) -> None:
        self.topics[event["topic"]["name"]] = Topic(**event["topic"])

    def _create(self, event: Event) -> None:
        if event["type"] == "invoke":
            self.topics[event["topic"]] = Topic(event["topic"], 1, is_transactional=False)
        self.churn.append(event)

    def _delete(self, event: Event) -> None:
        if event["type"] == "invoke":
            self.deleted.setdefault(event["topic"], event["t"])
        self.churn.append(event)

    def _standing(self, event: Event) -> None:
        self.churn.append(event)

    # ---- producers and transactions

    def _producer(self, event: Event) -> None:
        self.producers[event["producer"]] = Producer(event["producer"], event["kind"], event["transactional_id"])

    def _fatal(self, event: Event) -> None:
        self.producers[event["producer"]].fatal = event["error"]

    def _init(self, event: Event) -> None:
        producer = self.producers[event["producer"]]
        if event["type"] == "invoke":
            producer.init_asked = event["t"]
        elif event["type"] == "ok":
            producer.init_answered = event["t"]

    def _produce(self, event: Event) -> None:
        name = event["record"]
        if event["type"] == "invoke":
            record = Record(name, event["producer"], event["topic"], event["partition"], event["t"], int(name.rpartition("/")[2]),
                            event.get("txn"), event.get("key"), event.get("is_deletion", False))
            if "source" in event:
                record.source = tuple(event["source"])
            self.records[name] = record
            if record.transaction:
                self.transactions[record.transaction].records.append(record)
        elif event["type"] == "ok":
            record = self.records[name]
            record.acknowledged = event["t"]
            if event["offset"] is not None and event["offset"] >= 0:  # of a repetition that was recognised it may not be told
                record.offset = event["offset"]
                self.logs[record.topic, record.partition].acknowledged = max(
                    self.logs[record.topic, record.partition].acknowledged, record.offset + 1)
                self._see(event, (event["topic"], event["partition"]), record.offset, name)
        elif event["type"] == "fail":
            self.records[name].refused = True

    def _begin(self, event: Event) -> None:
        self.transactions[event["txn"]] = Transaction(event["txn"], event["producer"], event["t"])

    def _commit(self, event: Event) -> None:
        transaction = self.transactions[event["txn"]]
        if event["type"] == "invoke":
            transaction.commit_asked = event["t"]
            for place, offset in transaction.offsets.items():
                self.asked_offsets[place].setdefault(offset, event["t"])
        elif event["type"] == "ok":
            transaction.committed = event["t"]
            self._acknowledge(transaction.offsets)

    def _abort(self, event: Event) -> None:
        if event["type"] == "ok":
            self.transactions[event["txn"]].aborted = event["t"]

    def _send_offsets(self, event: Event) -> None:
        if event["type"] == "invoke":
            self.transactions[event["txn"]].offsets |= {(event["group"], topic, partition): offset for topic, partition, offset in event["offsets"]}

    # ---- groups

    def _acknowledge(self, offsets: dict[GroupPlace, int]) -> None:
        for place, offset in offsets.items():
            self.acknowledged_offsets[place] = max(self.acknowledged_offsets.get(place, -1), offset)

    def _commit_offsets(self, event: Event) -> None:
        offsets = {(event["group"], topic, partition): offset for topic, partition, offset in event["offsets"]}
        if event["type"] == "invoke":
            for place, offset in offsets.items():
                self.asked_offsets[place].setdefault(offset, event["t"])
        elif event["type"] == "ok":
            self._acknowledge(offsets)

    def _assigned(self, event: Event) -> None:
        for topic, partition in event["partitions"]:
            before = self.acknowledged_offsets.get((event["group"], topic, partition), -1)
            self.assigned[event["client"], event["session"], (topic, partition)] = event["t"], before

    def _offsets(self, event: Event) -> None:
        if event["type"] == "invoke":
            self._asking[event["client"], event["group"]] = event["t"], dict(self.acknowledged_offsets)
        elif event["type"] == "ok":
            asked, acknowledged = self._asking[event["client"], event["group"]]
            for topic, partition, value in event["values"]:
                place = event["group"], topic, partition
                self.fetched.append(Fetched(place, asked, event["t"], value, acknowledged.get(place, -1)))

    # ---- what is read

    def _positions(self, event: Event) -> None:
        if event["type"] == "invoke":
            known = {place: (log.acknowledged, log.read, log.read_committed) for place, log in self.logs.items()}
            self._asking[event["client"], event["which"]] = event["t"], known
        elif event["type"] == "ok":
            asked, known = self._asking[event["client"], event["which"]]
            for topic, partition, value in event["values"]:
                place = topic, partition
                self.positions.append(Position(event["which"], place, asked, event["t"], value, *known.get(place, (0, 0, 0))))

    def _final(self, event: Event) -> None:
        if event["type"] == "ok":
            self._reading[event["topic"], event["partition"], event["isolation"]] = Final(event["start"], event["end"])
        elif event["type"] == "info":
            # It counts when it is over.
            final = self._reading[event["topic"], event["partition"], event["isolation"]]
            final.start = event["start"]
            self.logs[event["topic"], event["partition"]].final[event["isolation"]] = final
        elif event["type"] == "fail":
            self.failures.append(event)

    def _read(self, event: Event) -> None:
        if event["type"] != "ok":
            self.failures.append(event)
            return
        place = event["topic"], event["partition"]
        log = self.logs[place]
        final = self._reading[*place, event["isolation"]] if event.get("is_final") else None
        session = None if final else self._session(event, place)
        is_committed = event["isolation"] == "committed"
        for offset, name in event["records"]:
            record = self._see(event, place, offset, name)
            if final:
                final.offsets.append(offset)
                final.records.append(record)
            else:
                session.offsets.append(offset)
            if is_committed and record is not None and record.transaction:
                self._see_committed(event, place, offset, record)
        end = max(offset for offset, _ in event["records"]) + 1
        log.read = max(log.read, end)
        if is_committed:
            log.read_committed = max(log.read_committed, end)

    def _session(self, event: Event, place: Place) -> Session:
        key = event["client"], event["session"], place
        if key not in self.sessions:
            began, before = self.assigned.get(key, (event["t"], -1))
            self.sessions[key] = Session(event["client"], place, event["isolation"], event["session"], event.get("group"), began,
                                         event.get("is_from_start", False), before)
        return self.sessions[key]

    def _see(self, event: Event, place: Place, offset: int, name: str) -> Record | None:
        record = self.records.get(name)
        if record is None or (record.topic, record.partition) != place:
            self.invented.append(Sighting(event["client"], event["t"], place, offset, name, record))
            return None
        known = self.logs[place].at.setdefault(offset, record)
        if known is not record:
            self.conflicts.append(Sighting(event["client"], event["t"], place, offset, name, known))
        return record

    def _see_committed(self, event: Event, place: Place, offset: int, record: Record) -> None:
        transaction = self.transactions[record.transaction]
        if transaction.name not in self.seen_committed or transaction.commit_asked is None:
            sighting = Sighting(event["client"], event["t"], place, offset, record.name, record)
            self.seen_committed.setdefault(transaction.name, sighting)
            if transaction.commit_asked is None:
                self.too_early.append((transaction, sighting))

    # ---- for the rules

    def kept(self, record: Record) -> bool:
        """Whether nothing but a loss can explain that the record is gone."""
        return record.topic in self.topics and self.topics[record.topic].policy == "keep" and record.topic not in self.deleted

    def finals(self, isolation: str) -> Iterator[tuple[Place, Final]]:
        for place, log in self.logs.items():
            if isolation in log.final:
                yield place, log.final[isolation]
