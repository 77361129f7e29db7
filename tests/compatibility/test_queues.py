"""Share groups (KIP-932): members take the records of a partition side by side and acknowledge them one by one.

The client is confluent-kafka's ShareConsumer. Each test makes a group of its own, which begins with the oldest record unless
the test says otherwise.
"""

import collections
import itertools
import os
import random
import threading
import time

import pytest
from confluent_kafka import AcknowledgeType, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import queues
from conftest import SHARE_GROUPS_MAY_BE_QUICK
from daemon import free_address
from queues import commit, poll, poll_some

SOON = {"share.heartbeat.interval.ms": 500, "share.session.timeout.ms": 10_000}
NUMBERS = itertools.count()
FAST = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 300}
KILLS = 6


@pytest.fixture
def make_group(admin):
    """Makes up the name of a group and sets properties of it, which are written without `share.` and with `_`."""

    def make(**properties):
        group = f"queue-{os.getpid()}-{next(NUMBERS)}"
        named = {f"share.{name.replace('_', '.')}": value for name, value in properties.items()}
        queues.set_up(admin, group, {"share.auto.offset.reset": "earliest", **SOON, **named})
        return group

    return make


@pytest.fixture
def join(broker):
    """Makes members, which leave at the end of the test."""
    joined = []

    def make(group, *topics, **settings):
        joined.append(queues.share_consumer(broker, group, list(topics), **settings))
        return joined[-1]

    yield make
    for consumer in joined:
        consumer.close()


def publish(broker, topic, *values, partition=0, **settings):
    producer = Producer({"bootstrap.servers": broker, **settings})
    for value in values:
        producer.produce(topic, str(value), partition=partition)
    assert producer.flush(30) == 0


def numbers(records):
    """Records that hold numbers: the numbers."""
    return [int(record.value()) for record in records]


def accept_all(consumer, records):
    for record in records:
        consumer.acknowledge(record)
    assert commit(consumer) == []


def take(consumer, count, explicit=False):
    """Takes and accepts records until so many came; gives their numbers."""
    taken = []
    deadline = time.monotonic() + queues.PATIENCE
    while len(taken) < count:
        assert time.monotonic() < deadline, f"{len(taken)} of {count} records came: {taken}"
        records = poll(consumer)
        taken += numbers(records)
        if explicit:
            accept_all(consumer, records)
    return taken


def nothing_but(consumer, broker, topic, marker):
    """The next record that this member gets is a new one, so no older one is left for it."""
    publish(broker, topic, marker)
    assert numbers(poll_some(consumer)) == [marker]


def test_each_record_goes_to_one_member(broker, make_topic, make_group):
    """Four members of one group on one partition all get something, and nothing comes twice."""
    topic, group = make_topic(), make_group()
    seen = collections.defaultdict(list)
    stop = threading.Event()

    def member(number):
        consumer = queues.share_consumer(broker, group, [topic])
        while not stop.is_set():
            seen[number] += numbers(poll(consumer, 0.5))
        consumer.close()

    threads = [threading.Thread(target=member, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    producer = Producer({"bootstrap.servers": broker})
    published = 0
    deadline = time.monotonic() + queues.PATIENCE
    try:
        while len([some for some in seen.values() if some]) < 4 or sum(map(len, list(seen.values()))) < published:
            assert time.monotonic() < deadline, f"of {published} records the members got {dict(seen)}"
            if published < 2000 and len([some for some in seen.values() if some]) < 4:
                producer.produce(topic, str(published))
                published += 1
            producer.flush(30)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sorted(itertools.chain(*seen.values())) == list(range(published))


def test_every_group_gets_everything(broker, make_topic, make_group, join):
    topic = make_topic(2)
    for partition in (0, 1):
        publish(broker, topic, *range(partition * 50, partition * 50 + 50), partition=partition)
    for group in (make_group(), make_group()):
        assert sorted(take(join(group, topic), 100)) == list(range(100))


def test_the_next_poll_accepts_what_the_last_one_gave(broker, make_topic, make_group, join):
    """In implicit mode: what a member polled counts as done when it polls again, and what it did not poll goes to others."""
    topic, group = make_topic(), make_group()
    for number in range(10):  # one by one, since a poll takes whole batches
        publish(broker, topic, number)
    first = queues.share_consumer(broker, group, [topic], **{"max.poll.records": 4})
    assert numbers(poll_some(first)) == [0, 1, 2, 3]
    assert numbers(poll_some(first)) == [4, 5, 6, 7]
    assert commit(first) == []
    first.close()
    assert take(join(group, topic), 2) == [8, 9]


def test_every_acknowledgement_is_answered(broker, make_topic, make_group, join):
    """The callback is told of each offset once, without an error."""
    topic, group = make_topic(), make_group()
    publish(broker, topic, *range(10))
    told = []
    consumer = join(group, topic)
    consumer.set_acknowledgement_commit_callback(lambda offsets, error: told.append((offsets, error)))
    assert take(consumer, 10) == list(range(10))
    consumer.commit_async()
    deadline = time.monotonic() + queues.PATIENCE
    while sum(len(found) for offsets, _ in told for found in offsets.values()) < 10:
        assert time.monotonic() < deadline, told
        poll(consumer)
    assert [error for _, error in told if error] == []
    assert sorted(itertools.chain(*(found for offsets, _ in told for found in offsets.values()))) == list(range(10))


def test_accepted_released_and_rejected(broker, make_topic, make_group, join):
    """What is released comes again and is counted; what is accepted or rejected does not."""
    topic, group = make_topic(), make_group()
    publish(broker, topic, *range(6))
    consumer = join(group, topic, mode="explicit")
    records = poll_some(consumer)
    assert [(int(r.value()), r.delivery_count()) for r in records] == [(n, 1) for n in range(6)]
    kinds = [AcknowledgeType.ACCEPT, AcknowledgeType.RELEASE, AcknowledgeType.REJECT]
    for record, kind in zip(records, kinds + kinds):
        consumer.acknowledge(record, kind)
    assert commit(consumer) == []
    records = poll_some(consumer)
    assert [(int(r.value()), r.delivery_count()) for r in records] == [(1, 2), (4, 2)]
    accept_all(consumer, records)
    nothing_but(consumer, broker, topic, 100)


def test_a_released_record_may_go_to_another_member(broker, make_topic, make_group, join):
    topic, group = make_topic(), make_group()
    publish(broker, topic, *range(3))
    one, other = join(group, topic, mode="explicit"), join(group, topic, mode="explicit")
    for record in poll_some(one):
        one.acknowledge(record, AcknowledgeType.RELEASE)
    assert commit(one) == []
    records = poll_some(other)
    assert [(int(r.value()), r.delivery_count()) for r in records] == [(n, 2) for n in range(3)]
    accept_all(other, records)


def test_a_member_that_leaves_gives_its_records_back(broker, make_topic, make_group, join):
    """Long before the lock of the records ends."""
    topic, group = make_topic(), make_group(record_lock_duration_ms=60_000)
    publish(broker, topic, *range(5))
    leaver = queues.share_consumer(broker, group, [topic], "explicit")
    records = poll_some(leaver)
    assert numbers(records) == list(range(5))
    leaver.acknowledge(records[0])
    began = time.monotonic()
    leaver.close()
    assert take(join(group, topic, mode="explicit"), 4, explicit=True) == [1, 2, 3, 4]
    assert time.monotonic() - began < 30


def test_records_of_a_killed_member_go_to_another(broker, make_topic, make_group, join):
    """The kill closes the member's connections, and that is enough: neither the lock nor the session of the member ends."""
    topic, group = make_topic(), make_group(record_lock_duration_ms=60_000, session_timeout_ms=45_000)
    publish(broker, topic, *range(20))
    victim = queues.OtherProcess(broker, group, topic)
    held = victim.offsets()
    assert held == list(range(20))
    other = join(group, topic)
    publish(broker, topic, 20)
    assert numbers(poll_some(other)) == [20], "what the member holds is not for others"
    began = time.monotonic()
    victim.kill()
    assert take(other, 20) == held
    assert time.monotonic() - began < 30


def test_a_lock_ends(broker, make_topic, make_group, join):
    """A member that takes too long loses its records to another one, and is told so when it acknowledges them."""
    topic, group = make_topic(), make_group(record_lock_duration_ms=3000)
    publish(broker, topic, *range(5))
    slow, other = join(group, topic, mode="explicit"), join(group, topic, mode="explicit")
    began = time.monotonic()
    late = poll_some(slow)
    assert numbers(late) == list(range(5))
    records = poll_some(other)
    assert 3 <= time.monotonic() - began < 25
    assert [(int(r.value()), r.delivery_count()) for r in records] == [(n, 2) for n in range(5)]
    for record in late:
        slow.acknowledge(record)
    assert commit(slow) == [KafkaError.INVALID_RECORD_STATE]
    accept_all(other, records)
    nothing_but(other, broker, topic, 100)


def test_the_limit_of_deliveries(broker, make_topic, make_group, join):
    """A record that is released too often is given up; the one behind it goes on."""
    topic, group = make_topic(), make_group(delivery_count_limit=3)
    publish(broker, topic, 0)
    consumer = join(group, topic, mode="explicit")
    for count in (1, 2, 3):
        (record,) = poll_some(consumer)
        assert (int(record.value()), record.delivery_count()) == (0, count)
        consumer.acknowledge(record, AcknowledgeType.RELEASE)
        assert commit(consumer) == []
    nothing_but(consumer, broker, topic, 1)


def test_no_more_records_than_may_be_locked(broker, make_topic, make_group, join):
    """A member that acknowledges nothing gets no more than that, and goes on when it acknowledged."""
    topic, group = make_topic(), make_group(partition_max_record_locks=100)
    for first in range(0, 300, 10):  # small batches: Kafka may go beyond the limit by the rest of a batch
        publish(broker, topic, *range(first, first + 10))
    one, other = join(group, topic, mode="explicit"), join(group, topic, mode="explicit")
    records = poll_some(one)
    assert numbers(records) == list(range(100))
    assert poll(other, 1.0) == []
    accept_all(one, records)
    assert take(other, 100, explicit=True)[:100] == list(range(100, 200))


def test_isolation(admin, broker, make_topic, make_group, join):
    """With read_committed a group gets what was committed, before and after an abort; with read_uncommitted everything."""
    topic = make_topic()
    producer = Producer({"bootstrap.servers": broker, "transactional.id": f"{topic}-id"})
    producer.init_transactions(30)
    for values, end in [((0, 1), producer.commit_transaction), ((2, 3), producer.abort_transaction), ((4, 5), producer.commit_transaction)]:
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, str(value), partition=0)
        producer.flush(30)
        end(30)
    committed, everything = make_group(isolation_level="read_committed"), make_group()
    consumer = join(committed, topic, mode="explicit")
    assert take(consumer, 4, explicit=True) == [0, 1, 4, 5]
    nothing_but(consumer, broker, topic, 100)
    assert take(join(everything, topic, mode="explicit"), 7, explicit=True) == [0, 1, 2, 3, 4, 5, 100]


def test_an_open_transaction_is_waited_for(broker, make_topic, make_group, join):
    topic, group = make_topic(), make_group(isolation_level="read_committed")
    producer = Producer({"bootstrap.servers": broker, "transactional.id": f"{topic}-id"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, "1", partition=0)
    producer.flush(30)
    publish(broker, topic, 2)
    consumer = join(group, topic)
    assert poll(consumer, 1.0) == []
    producer.commit_transaction(30)
    assert take(consumer, 2) == [1, 2]


def test_where_a_group_begins(broker, make_topic, make_group, join):
    """A new group begins with what comes after it began, with the oldest record, or with records of a certain age."""
    topic = make_topic()
    hour_ms = 3_600_000
    producer = Producer({"bootstrap.servers": broker})
    for number, age in enumerate((3, 3, 1, 0)):
        producer.produce(topic, str(number), partition=0, timestamp=int(time.time() * 1000) - age * hour_ms)
        assert producer.flush(30) == 0
    assert take(join(make_group(), topic), 4) == [0, 1, 2, 3]
    assert take(join(make_group(auto_offset_reset="by_duration:PT2H"), topic), 2) == [2, 3]

    latest = join(make_group(auto_offset_reset="latest"), topic)
    number = 3
    deadline = time.monotonic() + queues.PATIENCE
    while not (records := poll(latest)):  # the group begins with one of the polls: from then on nothing is left out
        assert time.monotonic() < deadline
        number += 1
        publish(broker, topic, number)
    found = numbers(records)
    publish(broker, topic, number + 1)
    found += take(latest, number + 1 - found[-1])
    assert found == list(range(found[0], number + 2)) and found[0] > 3


def test_a_group_goes_on_where_it_was(broker, make_topic, make_group, join):
    """All members leave, others come: what was accepted does not come again, whatever the group begins with."""
    topic, group = make_topic(2), make_group()
    for partition in (0, 1):
        publish(broker, topic, *range(partition * 10, partition * 10 + 10), partition=partition)
    first = queues.share_consumer(broker, group, [topic])
    assert sorted(take(first, 20)) == list(range(20))
    assert commit(first) == []
    first.close()
    publish(broker, topic, 20)
    assert numbers(poll_some(join(group, topic))) == [20]


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_acknowledgements_are_still_there_after_a_restart(make_daemon, way):
    """The same members go on: what was accepted or rejected is gone, the rest comes again, the released with its count."""
    daemon = make_daemon(*SHARE_GROUPS_MAY_BE_QUICK, kafka=free_address(), http=free_address()).start()
    admin = AdminClient({"bootstrap.servers": daemon.kafka})
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(30)
    queues.set_up(admin, "group", {"share.auto.offset.reset": "earliest", **SOON})
    publish(daemon.kafka, "kept", *range(5))
    consumer = queues.share_consumer(daemon.kafka, "group", ["kept"], "explicit", **FAST)
    records = poll_some(consumer)
    assert numbers(records) == [0, 1, 2, 3, 4]
    accept, release, reject = AcknowledgeType.ACCEPT, AcknowledgeType.RELEASE, AcknowledgeType.REJECT
    for record, kind in zip(records, [accept, release, reject, accept, release]):
        consumer.acknowledge(record, kind)
    assert commit(consumer) == []
    if way == "stop":
        assert daemon.stop() == 0
    else:
        daemon.kill()
    daemon.start()
    records = poll_some(consumer)
    assert [(int(r.value()), r.delivery_count()) for r in records] == [(1, 2), (4, 2)]
    accept_all(consumer, records)
    nothing_but(consumer, daemon.kafka, "kept", 100)
    consumer.close()
    daemon.kill()


class Publisher(threading.Thread):
    """Publishes numbers one after the other until it is told to stop; remembers what was acknowledged."""

    def __init__(self, broker, topic, partitions):
        super().__init__(name="publisher")
        self.producer = Producer({"bootstrap.servers": broker, "enable.idempotence": True, "linger.ms": 5, "log_level": 2, **FAST})
        self.topic, self.partitions = topic, partitions
        self.published, self.errors = set(), []
        self.stopping = threading.Event()
        self.start()

    def run(self):
        for number in itertools.count():
            if self.stopping.wait(0.001):
                break
            self.producer.produce(self.topic, str(number), partition=number % self.partitions, on_delivery=self.delivered)
            self.producer.poll(0)
        assert self.producer.flush(60) == 0

    def delivered(self, error, message):
        if error:
            self.errors.append(error)
        else:
            self.published.add((message.partition(), message.offset()))

    def stop(self):
        self.stopping.set()
        self.join(queues.PATIENCE)
        assert self.errors == []


def test_a_broker_is_killed_under_eight_workers(make_daemon):
    """Nothing is lost, and what a worker was told to be acknowledged is not delivered afterwards."""
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    print(f"SEED={seed}")
    choices = random.Random(seed)
    daemon = make_daemon(*SHARE_GROUPS_MAY_BE_QUICK, kafka=free_address(), http=free_address()).start()
    admin = AdminClient({"bootstrap.servers": daemon.kafka})
    admin.create_topics([NewTopic("work", 3, 1)])["work"].result(30)
    queues.set_up(admin, "workers", {"share.auto.offset.reset": "earliest", "share.delivery.count.limit": 10,
                                     "share.record.lock.duration.ms": 5000, **SOON})
    history, kills = [], []
    publisher = Publisher(daemon.kafka, "work", 3)
    workers = [queues.Worker(number, daemon.kafka, "workers", "work", history, **{"max.poll.records": 10, **FAST}) for number in range(8)]

    def confirmed():
        return {delivery.place for delivery in list(history) if delivery.confirmed}

    def wait_until(what, condition):
        deadline = time.monotonic() + queues.PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"not within {queues.PATIENCE} s: {what}"
            time.sleep(0.02)

    try:
        for _ in range(KILLS):
            before = len(confirmed())
            wait_until("acknowledgements go on", lambda: len(confirmed()) > before + 100)
            time.sleep(choices.uniform(0, 1))
            before = time.monotonic()
            daemon.kill()
            kills.append((before, time.monotonic()))
            daemon.start()
        before = len(confirmed())
        wait_until("acknowledgements go on", lambda: len(confirmed()) > before + 100)
        publisher.stop()
        # An acknowledgement may count although its answer was lost in a kill.
        wait_until("everything is acknowledged",
                   lambda: publisher.published <= confirmed() | {d.place for d in list(history) if d.error})
    finally:
        publisher.stopping.set()
        for worker in workers:
            worker.stopping.set()
    for worker in workers:
        worker.stop()

    # Nothing is held by anybody now: what is left comes at once, and before the end of each partition.
    last = queues.share_consumer(daemon.kafka, "workers", ["work"], "explicit")
    for partition in range(3):
        publish(daemon.kafka, "work", -1, partition=partition)
    left, ends = [], 0
    while ends < 3:
        asked = time.monotonic()
        records = poll_some(last)
        accept_all(last, records)
        ends += numbers(records).count(-1)
        left += [queues.Delivery(8, (r.partition(), r.offset()), r.value().decode(), r.delivery_count(), asked, time.monotonic())
                 for r in records if int(r.value()) >= 0]
    last.close()
    history += left
    for delivery in left:
        delivery.answered, delivery.confirmed = delivery.came, True
    daemon.kill()

    never_delivered = publisher.published - {delivery.place for delivery in history}
    assert never_delivered == set()
    unsure = publisher.published - confirmed()
    errors = [d for d in history if d.error]
    again = collections.Counter(d.place for d in history)
    print(collections.Counter(d.error for d in errors))
    print(f"{len(publisher.published)} published, {len(history)} deliveries, {sum(n > 1 for n in again.values())} records more than once, "
          f"{len(errors)} acknowledgements without a good answer, of which {len(unsure)} counted, {len(left)} left at the end")
    assert queues.delivered_again(history, kills) == []
    assert errors, "no kill came between a delivery and the answer to its acknowledgement"
    without_reason = [d for d in errors if not any(d.asked < after and before < d.answered for before, after in kills)]
    assert without_reason == [], "acknowledgements fail only when the broker is killed"
    assert len(unsure) <= KILLS * len(workers), "a worker has one acknowledgement under way"
    assert {d.worker for d in history} >= set(range(8))


def test_the_history_shows_what_comes_too_late():
    """Without a broker: a delivery after the answer to an acknowledgement is seen, one from before a kill is not held against it."""

    def delivery(worker, asked, came, **ends):
        return queues.Delivery(worker, (0, 7), "7", 1, asked, came, **ends)

    first, again = delivery(0, 1.0, 1.1), delivery(1, 3.0, 3.1, answered=3.2, confirmed=True)
    assert queues.delivered_again([first, again], kills=[(1.9, 2.0)]) == []
    late = delivery(2, 3.9, 4.0)
    assert queues.delivered_again([first, again, late], kills=[(1.9, 2.0), (3.8, 3.95)]) == [late]
    from_before = delivery(2, 1.8, 4.0)
    assert queues.delivered_again([first, again, from_before], kills=[(1.9, 2.0)]) == []
