"""What the scenarios of transactions are written with."""

from collections import namedtuple

from wire import TRANSACTIONAL, Bound, BoundBatch, batch, records

# One version of each API that goes together in a client. `OLD` and `ADDING` name the partitions before they write to them,
# `IMPLICIT` does not, and is given another epoch with the end of every transaction.
Versions = namedtuple("Versions", "init add produce end add_offsets commit_offsets")
OLD = Versions(1, 0, 3, 0, 0, 0)
ADDING = Versions(4, 3, 11, 4, 3, 4)
IMPLICIT = Versions(5, 3, 12, 5, 4, 5)
ALL = {"old": OLD, "adding": ADDING, "implicit": IMPLICIT}


def producer_id(version):
    """Finds the producer id in an answer to InitProducerId."""
    start = 4 + (version >= 2) + 4 + 2

    def find(response):
        found = response[start : start + 8]
        assert response.index(found) == start
        return found

    return find


class Producer:
    """The requests of one transactional id, sent on connection `a`; its bound producer id is `producer_id:TRANSACTIONAL_ID`."""

    def __init__(self, scenario, transactional_id, versions, connection="a"):
        self.s, self.transactional_id, self.versions, self.connection = scenario, transactional_id, versions, connection

    def ask(self, what, api, version, values, **options):
        return self.s.ask(self.connection, what, api, version, values, **options)

    def identity(self, epoch, values=None):
        bound = Bound(f"producer_id:{self.transactional_id}")
        return {"transactional_id": self.transactional_id, "producer_id": bound, "producer_epoch": epoch} | (values or {})

    def init(self, what="a new producer", bind=True, timeout=60_000, **values):
        values = {"transactional_id": self.transactional_id, "transaction_timeout_ms": timeout} | values
        version = self.versions.init
        bind = {f"producer_id:{self.transactional_id}": producer_id(version)} if bind else None
        self.ask(what, "InitProducerId", version, values, bind=bind)

    def add(self, what, epoch, *topics, **values):
        topics = [{"name": topic, "partitions": list(partitions)} for topic, *partitions in topics]
        self.ask(what, "AddPartitionsToTxn", self.versions.add, self.identity(epoch, {"topics": topics} | values))

    def produce(self, what, topic, epoch, sequence, partition=0, count=2, attributes=TRANSACTIONAL, version=None, **values):
        """Two records, without a transactional id in the request when `values` says so."""
        content = BoundBatch(
            f"producer_id:{self.transactional_id}", lambda own: batch(records(count), count, attributes, (own, epoch, sequence))
        )
        topics = [{"name": topic, "topic_id": Bound(f"topic_id:{topic}"), "partitions": [{"index": partition, "records": content}]}]
        values = {"transactional_id": self.transactional_id, "topics": topics} | values
        self.ask(what, "Produce", self.versions.produce if version is None else version, values)

    def end(self, what, epoch, committed=True, **values):
        self.ask(what, "EndTxn", self.versions.end, self.identity(epoch, {"committed": committed} | values))

    def add_offsets(self, what, epoch, group, **values):
        self.ask(what, "AddOffsetsToTxn", self.versions.add_offsets, self.identity(epoch, {"group_id": group} | values))

    def commit_offsets(self, what, epoch, group, topic, partition=0, offset=7, **values):
        topics = [{"name": topic, "partitions": [{"index": partition, "offset": offset, "metadata": "in a transaction"}]}]
        values = self.identity(epoch, {"group_id": group, "topics": topics} | values)
        self.ask(what, "TxnOffsetCommit", self.versions.commit_offsets, values)

    def begin(self, topic, epoch, sequence=0, partition=0):
        """Opens a transaction with two records, naming the partition first where the versions need it."""
        if self.versions.end < 5:
            self.add("the partition", epoch, (topic, partition))
        self.produce("the first of the transaction", topic, epoch, sequence, partition)

    def after_end(self, epoch):
        """The epoch after the end of a transaction."""
        return epoch + 1 if self.versions.end >= 5 else epoch


def look(s, topic, what, version=12, partition=0, connection="reader"):
    """What readers see: offsets and records, committed or not."""
    name = {"name": topic, "topic_id": Bound(f"topic_id:{topic}")}
    for isolation, kind in enumerate(("read uncommitted", "read committed")):
        topics = [{"name": topic, "partitions": [{"index": partition}]}]
        s.ask(connection, f"{what}, {kind}", "ListOffsets", 7, {"topics": topics, "isolation_level": isolation})
        topics = [name | {"partitions": [{"index": partition}]}]
        s.ask(connection, f"{what}, {kind}", "Fetch", version, {"topics": topics, "isolation_level": isolation})


def describe(s, what, *transactional_ids):
    s.ask("reader", what, "DescribeTransactions", 0, {"transactional_ids": list(transactional_ids)})


def describe_producers(s, what, topic, *partitions):
    s.ask("reader", what, "DescribeProducers", 0, {"topics": [{"name": topic, "partitions": list(partitions)}]})
