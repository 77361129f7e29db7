"""Transactions over topics: InitProducerId, AddPartitionsToTxn, Produce, EndTxn, and what readers see."""

from functools import partial

from wire import CONTROL, TRANSACTIONAL

from .producer import ADDING, ALL, IMPLICIT, Producer, describe, describe_producers, look

NOBODY = 4_000_000  # a producer id that nobody has


def init(s, version):
    """InitProducerId with a transactional id, while there is no transaction."""
    name = f"init-{version}"
    versions = IMPLICIT._replace(init=version)
    producer = Producer(s, name, versions)

    def refused(what, **values):
        producer.init(what, bind=False, **values)

    refused("timeout 0", timeout=0)
    refused("timeout -1", timeout=-1)
    refused("timeout above transaction.max.timeout.ms", timeout=900_001)
    refused("empty transactional id", transactional_id="")
    refused("empty transactional id and timeout 0", transactional_id="", timeout=0)
    producer.init("unknown transactional id")
    refused("again")
    refused("again, timeout 0", timeout=0)
    refused("again, another timeout", timeout=900_000)
    describe(s, "after three times", name)
    Producer(s, f"{'t' * 298}-{version}", versions).init("transactional id of 300 letters")
    Producer(s, f"{name} ü", versions).init("transactional id with a blank and an umlaut")
    if version >= 3:
        own = producer.identity(0)
        for what, producer_id, epoch in (
            ("epoch 2, which is current", own["producer_id"], 2), ("epoch 2 again, as a repetition", own["producer_id"], 2),
            ("epoch 1, before the repetition", own["producer_id"], 1), ("epoch 0, long ago", own["producer_id"], 0),
            ("epoch 3, which is current", own["producer_id"], 3), ("epoch 9, too high", own["producer_id"], 9),
            ("another producer id", NOBODY, 4), ("another producer id, epoch 0", NOBODY, 0), ("producer id without epoch", own["producer_id"], -1),
            ("epoch without producer id", -1, 4), ("producer id -2, epoch -2", -2, -2),
        ):
            refused(what, producer_id=producer_id, producer_epoch=epoch)
        refused("without producer id and epoch")
        refused("epoch 4, before that", producer_id=own["producer_id"], producer_epoch=4)
        producer = Producer(s, f"{name}-given", versions)
        producer.init("unknown transactional id, with a producer id and an epoch", producer_id=NOBODY, producer_epoch=5)


def init_while_open(s, versions, name):
    """A second producer of a transactional id while the first has a transaction: the transaction is aborted first."""
    topic = f"init-open-{name}"
    s.create(topic)
    producer = Producer(s, topic, versions)
    producer.init()
    producer.begin(topic, 0)
    describe(s, "open", topic)
    producer.init("while the transaction is open", bind=False)
    s.wait(500)
    describe(s, "after the abort", topic)
    producer.init("after the abort", bind=False)
    describe(s, "after the second producer", topic)
    look(s, topic, "after the abort")
    producer.produce("of the first producer", topic, 0, 2)
    producer.end("of the first producer", 0)
    if versions.end < 5:
        producer.add("of the first producer", 0, (topic, 0))
    describe_producers(s, "after the abort", topic, 0)


def add_partitions(s, version):
    """AddPartitionsToTxn up to v3, which clients send."""
    topic = f"add-{version}"
    s.create(topic, 3)
    producer = Producer(s, topic, ADDING._replace(add=version))
    producer.init()
    producer.init("again, for epoch 1", bind=False)
    for what, values in {
        "wrong epoch, too low": {"producer_epoch": 0}, "wrong epoch, too high": {"producer_epoch": 2}, "epoch -1": {"producer_epoch": -1},
        "another producer id": {"producer_id": NOBODY}, "producer id -1": {"producer_id": -1},
        "another producer id and epoch": {"producer_id": NOBODY, "producer_epoch": 7}, "unknown transactional id": {"transactional_id": "add-unknown"},
        "empty transactional id": {"transactional_id": ""},
    }.items():
        producer.add(what, 1, (topic, 0), **values)
    producer.add("unknown topic and known", 1, ("absent", 0, 1), (topic, 0, 1))
    producer.add("unknown partition and known", 1, (topic, 0, 3))
    producer.add("unknown topic and wrong epoch", 0, ("absent", 0))
    producer.add("empty topic name", 1, ("", 0))
    describe(s, "nothing was added", topic)
    producer.add("no topics", 1)
    describe(s, "no topics were added", topic)
    producer.add("no partitions", 1, (topic,))
    describe(s, "no partitions were added", topic)
    producer.add("two partitions", 1, (topic, 0, 1))
    producer.add("one of them again, and another", 1, (topic, 1, 2))
    producer.add("one partition twice", 1, (topic, 1, 1))
    producer.add("no topics, while the transaction is open", 1)
    producer.add("a topic of the broker's own", 1, ("__consumer_offsets", 0))
    describe(s, "partitions were added", topic)
    producer.end("abort", 1, False)


def add_partitions_of_brokers(s, version):
    """AddPartitionsToTxn from v4 on is for brokers; without an authorizer clients may send it too."""
    topic = f"add-{version}"
    s.create(topic, 3)
    one, two = Producer(s, f"{topic}-one", IMPLICIT), Producer(s, f"{topic}-two", IMPLICIT)
    one.init()
    two.init()

    def ask(what, *transactions):
        s.ask("a", what, "AddPartitionsToTxn", version, {"transactions": list(transactions)})

    def of(producer, *topics, epoch=0, **values):
        topics = [{"name": topic, "partitions": list(partitions)} for topic, *partitions in topics]
        return producer.identity(epoch, {"topics": topics} | values)

    ask("verify, not added", of(one, (topic, 0), verify_only=1))
    ask("verify, unknown topic", of(one, ("absent", 0), (topic, 0), verify_only=1))
    ask("verify, unknown transactional id", of(one, (topic, 0), verify_only=1, transactional_id="add-unknown"))
    ask("add", of(one, (topic, 0, 1)))
    ask("verify, added and not", of(one, (topic, 0, 2), verify_only=1))
    ask("verify, wrong epoch", of(one, (topic, 0), verify_only=1, epoch=7))
    ask("verify, another producer id", of(one, (topic, 0), verify_only=1, producer_id=NOBODY))
    ask("add, two transactions, one with an unknown topic", of(one, (topic, 2)), of(two, (topic, 0), ("absent", 0)))
    ask("add, wrong epoch, too high, and too low", of(one, (topic, 2), epoch=7), of(two, (topic, 2), epoch=-1))
    ask("add, another producer id and an unknown transactional id", of(one, (topic, 2), producer_id=NOBODY),
        of(two, (topic, 2), transactional_id="add-unknown"))
    ask("add, no topics", of(two))
    ask("add, empty transactional id", of(two, (topic, 0), transactional_id=""))
    one.end("abort", 0, False)
    ask("verify, after the end", of(one, (topic, 0), verify_only=1))


def transaction(s, versions, name):
    """Commit and abort, and what readers see at every step."""
    topic = f"transaction-{name}"
    s.create(topic)
    producer = Producer(s, topic, versions)
    producer.init()
    describe(s, "Empty", topic)
    describe_producers(s, "nobody", topic, 0)
    if versions.end < 5:
        producer.produce("partition not added", topic, 0, 0)
        producer.add("the partition", 0, (topic, 0))
        describe(s, "Ongoing, nothing written", topic)
    producer.produce("first", topic, 0, 0)
    producer.produce("second", topic, 0, 2)
    producer.produce("second, repeated", topic, 0, 2)
    producer.produce("gap in the sequence", topic, 0, 9)
    describe(s, "Ongoing", topic)
    describe_producers(s, "open", topic, 0, 1)
    look(s, topic, "open")
    producer.end("commit", 0)
    describe(s, "CompleteCommit", topic)
    describe_producers(s, "committed", topic, 0)
    look(s, topic, "committed")
    producer.end("commit, repeated", 0)
    producer.end("abort, after the commit", 0, False)
    epoch = producer.after_end(0)
    if versions.end >= 5:
        producer.end("commit, nothing to commit", epoch)
        producer.end("abort, nothing to abort", epoch, False)
        producer.end("abort, repeated", epoch, False)
        producer.end("abort, repeated with the epoch before", epoch - 1, False)
        epoch += 1
        describe(s, "after the ends without a transaction", topic)
        producer.produce("of the first epoch", topic, 0, 4)
        producer.produce("of the epoch before", topic, epoch - 1, 0)
    producer.produce("after the end", topic, epoch, 0 if epoch else 4)


def second_transaction(s, versions, name):
    """A transaction that is aborted after one that was committed."""
    topic = f"second-{name}"
    s.create(topic)
    producer = Producer(s, topic, versions)
    producer.init()
    producer.begin(topic, 0)
    producer.end("commit", 0)
    epoch, sequence = (1, 0) if versions.end >= 5 else (0, 2)
    producer.begin(topic, epoch, sequence)
    look(s, topic, "second open")
    producer.end("abort", epoch, False)
    describe(s, "CompleteAbort", topic)
    look(s, topic, "second aborted")
    producer.end("abort, repeated", epoch, False)
    producer.end("commit, after the abort", epoch)
    epoch, sequence = (2, 0) if versions.end >= 5 else (0, 4)
    producer.begin(topic, epoch, sequence)
    producer.end("abort", epoch, False)
    for version in (4, 11, 18):
        look(s, topic, "two aborted", version)


def two_producers(s, versions, name):
    """Two transactions in one partition: readers are held back by the older one."""
    topic = f"both-{name}"
    s.create(topic)
    one, two = Producer(s, f"{topic}-one", versions), Producer(s, f"{topic}-two", versions, "b")
    one.init()
    two.init()
    one.begin(topic, 0)
    two.begin(topic, 0)
    two.end("commit of the younger", 0)
    look(s, topic, "the younger is committed")
    one.end("abort of the older", 0, False)
    look(s, topic, "the older is aborted too")


def produce_refused(s, versions, name):
    """Produce that does not fit the transaction."""
    topic = f"produce-{name}"
    s.create(topic, 2)
    producer, other = Producer(s, topic, versions), Producer(s, f"{topic}-other", versions)
    producer.init()
    producer.init("again, for epoch 1", bind=False)
    other.init()
    producer.produce("transactional, without transactional id in the request", topic, 1, 0, transactional_id=None)
    producer.produce("transactional, another's transactional id", topic, 1, 0, transactional_id=f"{topic}-other")
    producer.produce("transactional, unknown transactional id", topic, 1, 0, transactional_id="produce-unknown")
    producer.produce("transactional, empty transactional id", topic, 1, 0, transactional_id="")
    producer.produce("epoch too low, before the transaction", topic, 0, 0)
    producer.produce("epoch too high, before the transaction", topic, 2, 0)
    producer.produce("not transactional, with transactional id, before the transaction", topic, 1, 0, partition=1, attributes=0)
    producer.begin(topic, 1)
    producer.produce("epoch too low", topic, 0, 2)
    producer.produce("epoch too high", topic, 2, 2)
    producer.produce("not transactional, with transactional id, in the transaction", topic, 1, 2, attributes=0)
    producer.produce("not transactional, without transactional id, in the transaction", topic, 1, 2, attributes=0, transactional_id=None)
    producer.produce("a marker", topic, 1, 2, attributes=TRANSACTIONAL | CONTROL)
    producer.produce("transactional, without transactional id in the request, in the transaction", topic, 1, 2, transactional_id=None)
    producer.produce("acks 1", topic, 1, 2, acks=1)
    producer.end("abort", 1, False)
    epoch = producer.after_end(1)
    producer.produce("not transactional, after the end", topic, epoch, 0 if epoch > 1 else 4, attributes=0, transactional_id=None)


def end_refused(s, version):
    """EndTxn that does not fit, and without a transaction."""
    topic = f"end-{version}"
    s.create(topic)
    producer = Producer(s, topic, ADDING._replace(end=version))
    producer.init()
    producer.init("again, for epoch 1", bind=False)

    def refused():
        for what, values in {
            "epoch too low": {"producer_epoch": 0}, "epoch too high": {"producer_epoch": 2}, "epoch -1": {"producer_epoch": -1},
            "another producer id": {"producer_id": NOBODY}, "another producer id and epoch": {"producer_id": NOBODY, "producer_epoch": 7},
            "unknown transactional id": {"transactional_id": "end-unknown"}, "empty transactional id": {"transactional_id": ""},
        }.items():
            producer.end(what, 1, **values)

    refused()
    producer.end("commit without a transaction", 1)
    producer.end("abort without a transaction", 1, False)
    describe(s, "after the ends without a transaction", topic)
    if version >= 5:
        producer = Producer(s, f"{topic}-open", ADDING._replace(end=version))
        producer.init()
        producer.init("again, for epoch 1", bind=False)
    producer.add("the partition", 1, (topic, 0))
    refused()
    producer.end("commit, nothing was written", 1)
    describe(s, "committed, nothing was written", producer.transactional_id)
    producer.end("commit, repeated", 1)
    producer.end("abort, after the commit", 1, False)
    look(s, topic, "committed, nothing was written")


SCENARIOS = [(f"transactions: InitProducerId v{version}", partial(init, version=version)) for version in range(6)]
SCENARIOS += [(f"transactions: AddPartitionsToTxn v{version}", partial(add_partitions, version=version)) for version in range(4)]
SCENARIOS += [(f"transactions: AddPartitionsToTxn v{version}", partial(add_partitions_of_brokers, version=version)) for version in (4, 5)]
SCENARIOS += [(f"transactions: EndTxn v{version}", partial(end_refused, version=version)) for version in range(6)]
SCENARIOS += [("transactions: commit, topics by id", partial(transaction, versions=IMPLICIT._replace(produce=13), name="by-id"))]
for title, play in {
    "InitProducerId while one is open": init_while_open, "commit": transaction, "commit, then abort": second_transaction,
    "two producers": two_producers, "Produce refused": produce_refused,
}.items():
    SCENARIOS += [(f"transactions: {title}, {name} versions", partial(play, versions=versions, name=name)) for name, versions in ALL.items()]
