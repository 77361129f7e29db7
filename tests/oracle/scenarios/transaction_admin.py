"""Transactions that take too long, and the administration of transactions."""

from functools import partial

from .producer import ADDING, ALL, IMPLICIT, Producer, describe, describe_producers, look

NOBODY = 4_000_000  # a producer id that nobody has


def timeout(s, versions, name):
    """A transaction that is open for longer than its timeout is aborted, and its producer is fenced."""
    topic = f"timeout-{name}"
    s.create(topic, 2)
    producer = Producer(s, topic, versions)
    producer.init(timeout=500)
    producer.begin(topic, 0)
    s.wait(1_500)
    describe(s, "after the timeout", topic)
    describe_producers(s, "after the timeout", topic, 0)
    look(s, topic, "after the timeout")
    producer.produce("after the timeout", topic, 0, 2)
    producer.produce("after the timeout, another partition", topic, 0, 0, partition=1)
    producer.add("after the timeout", 0, (topic, 0))
    producer.add_offsets("after the timeout", 0, topic)
    producer.commit_offsets("after the timeout", 0, topic, topic)
    producer.end("commit after the timeout", 0)
    producer.end("abort after the timeout", 0, False)
    producer.produce("the epoch of the abort", topic, 1, 0)
    producer.end("abort, the epoch of the abort", 1, False)
    describe(s, "before the producer begins anew", topic)
    producer.init("anew", bind=False)
    describe(s, "anew", topic)


def recovery(s, versions, name):
    """A producer whose transaction timed out goes on with InitProducerId and its former epoch."""
    topic = f"recovery-{name}"
    s.create(topic)
    producer = Producer(s, topic, versions)
    producer.init(timeout=500)
    producer.begin(topic, 0)
    s.wait(1_500)
    own = producer.identity(0)
    producer.init("with its former epoch", bind=False, producer_id=own["producer_id"], producer_epoch=0)
    producer.init("with its former epoch, repeated", bind=False, producer_id=own["producer_id"], producer_epoch=0)
    describe(s, "after that", topic)


def init_with_epoch(s, versions, name):
    """InitProducerId with producer id and epoch while a transaction is open; four transactional ids, each with epoch 3."""
    topic = f"init-epoch-{name}"
    s.create(topic)
    for case, epoch in (("its epoch", 3), ("too low", 0), ("too high", 9), ("another producer id", 3)):
        producer = Producer(s, f"{topic}-{case}", versions)
        producer.init()
        for again in range(3):
            producer.init("again, for epoch 3", bind=False)
        producer.begin(topic, 3)
        own = NOBODY if case == "another producer id" else producer.identity(0)["producer_id"]
        producer.init(f"a transaction is open, {case}", bind=False, producer_id=own, producer_epoch=epoch)
        s.wait(500)
        describe(s, f"after that, {case}", producer.transactional_id)
        producer.init(f"repeated, {case}", bind=False, producer_id=own, producer_epoch=epoch)
        describe(s, f"after the repetition, {case}", producer.transactional_id)


def markers(s, version):
    """WriteTxnMarkers is for brokers; without an authorizer clients may send it too."""
    topic = f"markers-{version}"
    s.create(topic, 2)
    producer = Producer(s, topic, ADDING)
    producer.init()
    producer.init("again, for epoch 1", bind=False)
    own = producer.identity(1)["producer_id"]

    def ask(what, *topics, **values):
        topics = [{"name": topic, "partitions": list(partitions)} for topic, *partitions in topics]
        marker = {"producer_id": own, "producer_epoch": 1, "committed": 1, "topics": topics} | values
        s.ask("a", what, "WriteTxnMarkers", version, {"markers": [marker]})

    s.ask("a", "no markers", "WriteTxnMarkers", version, {"markers": []})
    ask("unknown topic, unknown partition", ("absent", 0), (topic, 5))
    ask("nothing was written", (topic, 1))
    producer.begin(topic, 1)
    ask("epoch too low", (topic, 0), producer_epoch=0)
    ask("good, coordinator epoch 5", (topic, 0), coordinator_epoch=5)
    describe(s, "the coordinator does not know", topic)
    describe_producers(s, "after the marker", topic, 0, 1)
    look(s, topic, "after the marker")
    ask("coordinator epoch too low", (topic, 0), coordinator_epoch=4)
    ask("again, abort", (topic, 0), coordinator_epoch=5, committed=0)
    ask("epoch higher", (topic, 0), coordinator_epoch=5, producer_epoch=2)
    ask("a producer that is unknown", (topic, 0), producer_id=NOBODY)
    if version >= 2:
        ask("transaction version 2, the same epoch", (topic, 0), coordinator_epoch=5, producer_epoch=2, transaction_version=2)
        ask("transaction version 2, the next epoch", (topic, 0), coordinator_epoch=5, producer_epoch=3, transaction_version=2)
        ask("transaction version 9", (topic, 0), coordinator_epoch=5, producer_epoch=4, transaction_version=9)
    look(s, topic, "after all markers")


def describe_all(s):
    """DescribeTransactions and DescribeProducers with unknown names."""
    topic = "describe-transactions"
    s.create(topic, 2)
    one, two = Producer(s, f"{topic}-one", IMPLICIT), Producer(s, f"{topic}-two", ADDING)
    one.init()
    two.init()
    one.begin(topic, 0)
    one.produce("another partition", topic, 0, 0, partition=1)
    two.begin(topic, 0)
    describe(s, "two, unknown, and one of them again", f"{topic}-two", f"{topic}-one", "unknown", f"{topic}-two")
    describe(s, "empty transactional id", "")
    describe(s, "null transactional id", None)
    describe(s, "none")

    def ask(what, *topics):
        topics = [{"name": topic, "partitions": list(partitions)} for topic, *partitions in topics]
        s.ask("reader", what, "DescribeProducers", 0, {"topics": topics})

    ask("two partitions", (topic, 0, 1))
    ask("unknown partition, negative partition, one partition twice", (topic, 2, -1, 1, 1))
    ask("unknown topic, and known", ("absent", 0), (topic, 1))
    ask("empty topic name", ("", 0))
    ask("no partitions", (topic,))
    ask("no topics")
    ask("a topic of the broker's own", ("__transaction_state", 99))


def list_all(s, version):
    """The transactions of other scenarios are listed too; those of this one begin with `txn-list-VERSION-`."""
    prefix = f"txn-list-{version}"
    s.create(prefix)
    producers = {name: Producer(s, f"{prefix}-{name}", IMPLICIT) for name in ("empty", "ongoing", "committed", "aborted")}
    for producer in producers.values():
        producer.init()
    for name in ("ongoing", "committed", "aborted"):
        producers[name].begin(prefix, 0)
    producers["committed"].end("commit", 0)
    producers["aborted"].end("abort", 0, False)
    own = {name: producer.identity(0)["producer_id"] for name, producer in producers.items()}

    def ask(what, **values):
        s.ask("reader", what, "ListTransactions", version, values)

    ask("all")
    for states in (["Ongoing"], ["ongoing"], ["CompleteCommit", "CompleteAbort"], ["Empty"], ["Dead"], ["Bogus"], ["Bogus", "Ongoing", ""],
                   ["PrepareCommit", "PrepareAbort", "PrepareEpochFence"]):
        ask(f"states {states}", state_filters=states)
    ask("one producer id", producer_id_filters=[own["ongoing"]])
    ask("two producer ids and an unknown one", producer_id_filters=[own["ongoing"], NOBODY, own["empty"]])
    ask("unknown producer id", producer_id_filters=[NOBODY])
    ask("state Ongoing, producer id of another", state_filters=["Ongoing"], producer_id_filters=[own["empty"]])
    if version >= 1:
        ids = list(own.values())
        for duration in (-1, 0, 1, 10_000_000, -2):
            ask(f"duration {duration}", duration_filter=duration, producer_id_filters=ids)
    if version >= 2:
        for pattern in (f"{prefix}-.*", f"{prefix}-", f".*-{version}-ongoing", f"{prefix}-(ongoing|empty)", "(", "*", ""):
            ask(f"pattern {pattern!r}", transactional_id_pattern=pattern, producer_id_filters=list(own.values()))
        ask("unknown state and bad pattern", transactional_id_pattern="(", state_filters=["Bogus"])


SCENARIOS = [(f"transactions: timeout, {name} versions", partial(timeout, versions=versions, name=name)) for name, versions in ALL.items()]
for title, play in {"recovery after the timeout": recovery, "InitProducerId with an epoch while one is open": init_with_epoch}.items():
    SCENARIOS += [(f"transactions: {title}, {name} versions", partial(play, versions=ALL[name], name=name)) for name in ("adding", "implicit")]
SCENARIOS += [(f"transactions: WriteTxnMarkers v{version}", partial(markers, version=version)) for version in (1, 2)]
SCENARIOS += [("transactions: DescribeTransactions and DescribeProducers", describe_all)]
SCENARIOS += [(f"transactions: ListTransactions v{version}", partial(list_all, version=version)) for version in range(3)]
