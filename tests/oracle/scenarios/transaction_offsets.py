"""Offsets committed in a transaction: AddOffsetsToTxn, TxnOffsetCommit, and what OffsetFetch shows meanwhile."""

from functools import partial

from wire import Bound

from .group import HIGH, Group
from .offsets import fetch, known, wanted
from .producer import ADDING, ALL, IMPLICIT, Producer, describe

NOBODY = 4_000_000  # a producer id that nobody has
LEAVER = "client-a-00000000-0000-0000-0000-000000000000"  # a member id that nobody has


def look(s, what, group, *partitions, version=9):
    for stable in (0, 1):
        kind = "stable" if stable else "any"
        fetch(s, f"{what}, {kind}", version, group, [wanted(group, *partitions)], require_stable=stable)
        fetch(s, f"{what}, all, {kind}", version, group, None, require_stable=stable)


def add_offsets(s, version):
    name = f"add-offsets-{version}"
    producer = Producer(s, name, ADDING._replace(add_offsets=version))
    producer.init()
    producer.init("again, for epoch 1", bind=False)
    for what, values in {
        "epoch too low": {"producer_epoch": 0}, "epoch too high": {"producer_epoch": 2}, "another producer id": {"producer_id": NOBODY},
        "unknown transactional id": {"transactional_id": "add-offsets-unknown"}, "empty transactional id": {"transactional_id": ""},
    }.items():
        producer.add_offsets(what, 1, name, **values)
    producer.add_offsets("empty group id", 1, "")
    producer.add_offsets("null group id", 1, None)
    producer.add_offsets("unknown group", 1, name)
    producer.add_offsets("the same group again", 1, name)
    describe(s, "with offsets", name)
    producer.end("commit, nothing was written", 1)


def commit_offsets(s, version):
    """TxnOffsetCommit into a group without members; the transaction names the group up to v4."""
    name = f"txn-offsets-{version}"
    s.create(name, 3)
    versions = (IMPLICIT if version >= 5 else ADDING)._replace(commit_offsets=version)
    producer = Producer(s, name, versions)
    producer.init()
    producer.init("again, for epoch 1", bind=False)
    wrong = {
        "epoch too low": {"producer_epoch": 0}, "epoch too high": {"producer_epoch": 2}, "another producer id": {"producer_id": NOBODY},
        "unknown transactional id": {"transactional_id": "txn-offsets-unknown"}, "empty transactional id": {"transactional_id": ""},
        "empty group id": {"group_id": ""},
    }
    for what, values in wrong.items():
        producer.commit_offsets(f"{what}, before the transaction", 1, name, name, **values)
    producer.commit_offsets("group not added", 1, name, name)
    if version < 5:
        producer.add_offsets("the group", 1, name)
    else:
        describe(s, "after the group was added by the commit", name)
    for what, values in wrong.items():
        producer.commit_offsets(what, 1, name, name, **values)
    producer.commit_offsets("another group", 1, f"{name}-other", name)
    producer.commit_offsets("unknown partition", 1, name, name, partition=3)
    producer.commit_offsets("unknown topic", 1, name, "absent")
    topics = [{"name": name, "partitions": [{"index": 0, "offset": 7, "metadata": "x" * 4097}, {"index": 1, "offset": 8}, {"index": 9}]}]
    producer.commit_offsets("metadata too large, good, unknown partition", 1, name, name, topics=topics)
    producer.commit_offsets("no topics", 1, name, name, topics=[])
    producer.commit_offsets("good", 1, name, name, partition=2)
    if version >= 3:
        for what, values in {
            "generation 0": {"generation_id": 0}, "generation 1 and a member id": {"generation_id": 1, "member_id": LEAVER},
            "a member id without generation": {"member_id": LEAVER}, "an instance id": {"group_instance_id": "instance"},
        }.items():
            producer.commit_offsets(f"no members: {what}", 1, name, name, **values)
    producer.end("commit", 1)
    fetch(s, "all, committed", 8, name, None)
    producer.commit_offsets("after the end, the old epoch", 1, name, name)


def pending(s, versions, name):
    """What is seen while offsets are pending, after a commit and after an abort."""
    group_id = f"pending-offsets-{name}"
    s.create(group_id, 3)
    group = Group(s, group_id, HIGH)
    producer = Producer(s, group_id, versions)
    producer.init()
    group.commit("a", "outside of a transaction", -1, "", topics=[known(group_id, 0)])

    def begin(epoch, offset):
        if versions.commit_offsets < 5:
            producer.add_offsets("the group", epoch, group_id)
        producer.commit_offsets("partition 0", epoch, group_id, group_id, 0, offset)
        producer.commit_offsets("partition 1", epoch, group_id, group_id, 1, offset)

    begin(0, 7)
    for version in (6, 7, 8, 9, 10):
        look(s, "pending", group_id, 0, 1, 2, version=version)
    group.describe("a", "pending")
    producer.end("commit", 0)
    look(s, "committed", group_id, 0, 1)
    epoch = producer.after_end(0)
    begin(epoch, 11)
    producer.commit_offsets("partition 1, a lower offset", epoch, group_id, group_id, 1, 3)
    group.commit("a", "outside of the transaction, while one is pending", -1, "", topics=[known(group_id, 0, offset=99)])
    look(s, "pending, and committed outside of the transaction", group_id, 0, 1)
    producer.end("abort", epoch, False)
    look(s, "aborted", group_id, 0, 1)
    epoch = producer.after_end(epoch)
    begin(epoch, 21)
    group.commit("a", "outside of the transaction, before the commit", -1, "", topics=[known(group_id, 0, offset=100)])
    producer.end("commit", epoch)
    look(s, "committed after another commit", group_id, 0, 1)


def pending_and_deletion(s, versions, name):
    """Offsets and groups that are deleted while offsets are pending."""
    group_id = f"pending-deleted-{name}"
    s.create(group_id, 2)
    producer = Producer(s, group_id, versions)
    producer.init()

    def begin(epoch, offset):
        if versions.commit_offsets < 5:
            producer.add_offsets("the group", epoch, group_id)
        producer.commit_offsets("partition 0", epoch, group_id, group_id, 0, offset)

    begin(0, 7)
    Group(s, group_id, HIGH).describe("a", "nothing but pending offsets")
    topics = [{"name": group_id, "partitions": [{"index": 0}, {"index": 1}]}]
    s.ask("a", "pending", "OffsetDelete", 0, {"group_id": group_id, "topics": topics})
    look(s, "pending and deleted", group_id, 0)
    producer.end("commit", 0)
    look(s, "deleted, then committed", group_id, 0)
    begin(producer.after_end(0), 8)
    s.ask("a", "offsets are pending", "DeleteGroups", 2, {"groups": [group_id]})
    producer.end("commit", producer.after_end(0))
    look(s, "the group deleted, then committed", group_id, 0)


def members(s, version):
    """TxnOffsetCommit into a group of the classic protocol that has a member."""
    name = f"txn-members-{version}"
    s.create(name)
    versions = (IMPLICIT if version >= 5 else ADDING)._replace(commit_offsets=version)
    producer = Producer(s, name, versions)
    producer.init()
    group = Group(s, name, HIGH)
    group.join_new("a")
    if version < 5:
        producer.add_offsets("the group", 0, name)
    member = {"member_id": Bound("member:a")}

    def commit(what, generation=-1, **values):
        producer.commit_offsets(what, 0, name, name, generation_id=generation, **values)

    commit("before SyncGroup, generation and member", 1, **member)
    group.sync("a", "the leader", 1, ["a"])
    commit("generation and member", 1, **member)
    commit("no generation, no member")
    commit("generation, no member", 1)
    commit("member, no generation", **member)
    commit("generation too low", 0, **member)
    commit("generation too high", 2, **member)
    commit("unknown member", 1, member_id=LEAVER)
    commit("unknown member and wrong generation", 7, member_id=LEAVER)
    commit("unknown instance id", 1, group_instance_id="instance", **member)
    commit("wrong generation and wrong epoch", 7, producer_epoch=9, **member)
    commit("wrong generation and unknown topic", 7, topics=[{"name": "absent", "partitions": [{"index": 0}]}], **member)
    group.send_join_new("b")
    s.silence("b")
    commit("during a rebalance, generation and member", 1, **member)
    group.join("a", "again")
    group.receive_join_new("b")
    commit("the generation before", 1, **member)
    producer.end("abort", 0, False)


SCENARIOS = [(f"transaction offsets: AddOffsetsToTxn v{version}", partial(add_offsets, version=version)) for version in range(5)]
SCENARIOS += [(f"transaction offsets: TxnOffsetCommit v{version}", partial(commit_offsets, version=version)) for version in range(6)]
SCENARIOS += [(f"transaction offsets: a member, TxnOffsetCommit v{version}", partial(members, version=version)) for version in (3, 4, 5)]
for title, play in {"pending offsets": pending, "deletion while offsets are pending": pending_and_deletion}.items():
    SCENARIOS += [(f"transaction offsets: {title}, {name} versions", partial(play, versions=versions, name=name)) for name, versions in ALL.items()]
