"""Committed offsets: OffsetCommit, OffsetFetch, OffsetDelete."""

from functools import partial

from wire import Bound

from .group import HIGH, LOW, MIDDLE, Group, protocols, subscription

LEAVER = "client-a-00000000-0000-0000-0000-000000000000"  # a member id that nobody has
UNKNOWN_ID = bytes.fromhex("0123456789abcdef0123456789abcdef")


def known(topic, *partitions, **values):
    """A topic of OffsetCommit by name and id."""
    partitions = [{"index": partition, "offset": 5, "metadata": "note"} | values for partition in partitions]
    return {"name": topic, "topic_id": Bound(f"topic_id:{topic}"), "partitions": partitions}


def unknown(*partitions, name="absent", topic_id=UNKNOWN_ID):
    return {"name": name, "topic_id": topic_id, "partitions": [{"index": partition, "offset": 5, "metadata": ""} for partition in partitions]}


def wanted(topic, *partitions):
    """A topic of OffsetFetch by name and id."""
    return {"name": topic, "topic_id": Bound(f"topic_id:{topic}"), "partitions": list(partitions)}


def absent(*partitions, name="absent", topic_id=UNKNOWN_ID):
    return {"name": name, "topic_id": topic_id, "partitions": list(partitions)}


def fetch(s, what, version, group, topics, member=None, epoch=-1, **values):
    groups = [{"group_id": group, "member_id": member, "member_epoch": epoch, "topics": topics}]
    names = topics and [{"name": topic["name"], "partitions": topic["partitions"]} for topic in topics]
    s.ask("a", what, "OffsetFetch", version, {"group_id": group, "topics": names, "groups": groups} | values)


def commit_without_members(s, version):
    """Commits of a consumer that is no member: generation -1 and no member id."""
    topic = f"commit-{version}"
    s.create(topic, 3)
    group = Group(s, topic, HIGH._replace(commit=version))

    def commit(what, *topics, generation=-1, member="", **values):
        group.commit("a", what, generation, member, topics=list(topics), **values)

    commit("generation 0 in an unknown group", known(topic, 0), generation=0)
    commit("generation 1 and a member id in an unknown group", known(topic, 0), generation=1, member=LEAVER)
    commit("a member id without generation in an unknown group", known(topic, 0), member=LEAVER)
    group.describe("a", "nothing was committed yet")
    commit("no topics")
    commit("no topics, generation 1", generation=1)
    commit("no partitions", known(topic))
    group.describe("a", "nothing was committed yet")
    commit("two partitions", known(topic, 0, 1))
    group.describe("a", "something was committed")
    commit("unknown partition", known(topic, 3))
    commit("partition -1", known(topic, -1))
    commit("unknown topic", unknown(0))
    commit("empty topic name, zero topic id", unknown(0, name="", topic_id=bytes(16)))
    commit("known and unknown", unknown(0, 1), known(topic, 7, 2, 8), unknown(2, name="void", topic_id=UNKNOWN_ID[::-1]))
    commit("one partition twice", known(topic, 2, offset=1), known(topic, 2, offset=2))
    commit("metadata null", known(topic, 0, metadata=None))
    commit("metadata empty", known(topic, 0, metadata=""))
    commit("metadata of 4096 bytes", known(topic, 0, metadata="x" * 4096))
    commit("metadata of 4097 bytes", known(topic, 0, metadata="x" * 4097), known(topic, 1))
    commit("metadata of 2049 letters of two bytes", known(topic, 0, metadata="ü" * 2049))
    commit("unknown topic and metadata too large", {"name": "absent", "topic_id": UNKNOWN_ID, "partitions": [{"index": 0, "metadata": "x" * 4097}]})
    for offset in (-1, -2, 2**62):
        commit(f"offset {offset}", known(topic, 1, offset=offset))
    commit("leader epoch 7", known(topic, 2, leader_epoch=7))
    commit("leader epoch -2", known(topic, 0, leader_epoch=-2))
    commit("empty group id", known(topic, 0), group_id="")
    commit("null group id", known(topic, 0), group_id=None)
    if version <= 4:
        commit("retention time of 1 ms", known(topic, 0), retention_time_ms=1)
    if version >= 7:
        commit("instance id, no generation", known(topic, 0), group_instance_id="instance")
    commit("generation 0", known(topic, 0), generation=0)
    commit("generation 1", known(topic, 0), generation=1)
    commit("generation -2", known(topic, 0), generation=-2)
    commit("a member id without generation", known(topic, 0), member=LEAVER)
    commit("generation 1 and unknown partition", known(topic, 3), generation=1)
    fetch(s, "all", 8, topic, None)


def commit_of_members(s, version):
    """Commits into a group that has a member."""
    topic = f"commit-member-{version}"
    s.create(topic)
    group = Group(s, topic, HIGH._replace(commit=version))

    def commit(what, generation, member=None, topic=known(topic, 0), **values):
        group.commit("a", what, generation, member, topics=[topic], **values)

    group.join_new("a")
    commit("before SyncGroup", 1)
    commit("before SyncGroup, wrong generation", 0)
    commit("before SyncGroup, no member", -1, "")
    group.sync("a", "the leader", 1, ["a"])
    commit("good", 1)
    commit("good, unknown topic", 1, topic=unknown(0))
    commit("generation too low", 0)
    commit("generation too high", 2)
    commit("generation -1", -1)
    commit("unknown member", 1, LEAVER)
    commit("unknown member and wrong generation", 2, LEAVER)
    commit("unknown member without generation", -1, LEAVER)
    commit("no member, with the generation", 1, "")
    commit("no member, no generation", -1, "")
    commit("wrong generation and unknown topic", 2, topic=unknown(0))
    if version >= 7:
        commit("unknown instance id", 1, group_instance_id="instance")
        commit("no member, no generation, unknown instance id", -1, "", group_instance_id="instance")
    group.leave("a", "the only member")
    commit("the member that left", 1)
    commit("no member, no generation, the group is empty", -1, "")
    commit("no member, the group's generation, the group is empty", 2, "")


def fetch_offsets(s, version):
    """OffsetFetch of a group without members."""
    topic = f"fetch-{version}"
    s.create(topic, 3)
    s.create(f"{topic}-other")
    group = Group(s, topic, HIGH._replace(commit=8))
    one = partial(fetch, s, version=version, group=topic)

    one("unknown group", topics=[wanted(topic, 0, 1)])
    one("unknown group, all", topics=None)
    group.commit("a", "setup", -1, "", topics=[known(topic, 2, offset=7, leader_epoch=3), known(topic, 0, metadata=None), known(f"{topic}-other", 0)])
    one("committed and not committed", topics=[wanted(topic, 2, 1, 0)])
    one("unknown partition", topics=[wanted(topic, 9, -1)])
    one("unknown topic", topics=[absent(0, 1)])
    one("empty topic name, zero topic id", topics=[absent(0, name="", topic_id=bytes(16))])
    one("one partition twice", topics=[wanted(topic, 0, 0)])
    one("one topic twice", topics=[wanted(topic, 0), wanted(topic, 2)])
    one("known and unknown topics", topics=[absent(0), wanted(topic, 0), absent(1, name="void", topic_id=UNKNOWN_ID[::-1]), wanted(f"{topic}-other", 0)])
    one("no partitions", topics=[wanted(topic)])
    one("no topics", topics=[])
    one("all", topics=None)
    one("empty group id", group="", topics=[wanted(topic, 0)])
    one("null group id", group=None, topics=[wanted(topic, 0)])
    if version >= 7:
        one("stable offsets", topics=[wanted(topic, 2, 1)], require_stable=1)
    if version >= 8:
        s.ask("a", "no groups", "OffsetFetch", version, {"groups": []})
        groups = [{"group_id": "fetch-unknown", "topics": [wanted(topic, 0)]}, {"group_id": topic, "topics": None},
                  {"group_id": topic, "topics": [wanted(topic, 2)]}, {"group_id": "", "topics": [wanted(topic, 1)]}]
        s.ask("a", "four groups", "OffsetFetch", version, {"groups": groups})
    if version >= 9:
        one("member id without epoch", topics=[wanted(topic, 0)], member=LEAVER)
        one("member id and epoch", topics=[wanted(topic, 0)], member=LEAVER, epoch=1)
        one("epoch without member id", topics=[wanted(topic, 0)], epoch=1)
        one("empty member id and epoch", topics=[wanted(topic, 0)], member="", epoch=1)
        one("member id and epoch, unknown group", group="fetch-unknown", topics=[wanted(topic, 0)], member=LEAVER, epoch=1)
        one("member id and epoch, all", topics=None, member=LEAVER, epoch=1)


def fetch_of_members(s, version):
    """OffsetFetch with member id and generation in a group of the classic protocol."""
    topic = f"fetch-member-{version}"
    s.create(topic)
    group = Group(s, topic, HIGH._replace(commit=8))
    group.stable("a")
    group.commit("a", "good", 1)
    one = partial(fetch, s, version=version, group=topic, topics=[wanted(topic, 0)])
    one("no member id")
    one("member id and generation", member=Bound("member:a"), epoch=1)
    one("member id, wrong generation", member=Bound("member:a"), epoch=2)
    one("member id, no generation", member=Bound("member:a"))
    one("unknown member id", member=LEAVER, epoch=1)
    one("unknown member id, no generation", member=LEAVER)
    one("empty member id and generation", member="", epoch=1)


def fetch_after_deletion(s, version):
    """What remains of the offsets of a topic that is deleted."""
    topic = f"fetch-deleted-{version}"
    s.create(topic)
    group = Group(s, topic, HIGH._replace(commit=8))
    group.commit("a", "setup", -1, "", topics=[known(topic, 0)])
    s.ask("a", "the topic", "DeleteTopics", 4, {"names": [topic]})
    fetch(s, "all, after the topic was deleted", version, topic, None)
    fetch(s, "after the topic was deleted", version, topic, [wanted(topic, 0)])
    group.describe("a", "after the topic was deleted")


def delete_offsets(s, versions, name):
    topic = f"delete-offsets-{name}"
    s.create(topic, 2)
    s.create(f"{topic}-subscribed", 2)

    def delete(what, group, *topics):
        topics = [{"name": topic, "partitions": [{"index": partition} for partition in partitions]} for topic, *partitions in topics]
        s.ask("a", what, "OffsetDelete", 0, {"group_id": group, "topics": topics})

    delete("unknown group", "delete-offsets-unknown", (topic, 0))
    delete("empty group id", "", (topic, 0))
    delete("null group id", None, (topic, 0))
    group = Group(s, topic, versions._replace(commit=8))
    group.protocols = protocols("range", metadata=subscription(f"{topic}-subscribed"))
    offsets = [known(topic, 0, 1), known(f"{topic}-subscribed", 0, 1)]
    group.commit("a", "setup", -1, "", topics=offsets)
    delete("empty group: committed, unknown partition, unknown topic", topic, (topic, 0, 5), ("absent", 0), ("", 0))
    delete("empty group: deleted just now", topic, (topic, 0))
    delete("empty group: no topics", topic)
    delete("empty group: no partitions", topic, (topic,))
    delete("empty group: one partition twice", topic, (topic, 1, 1))
    fetch(s, "all, after that", 8, topic, None)
    group.commit("a", "setup", -1, "", topics=offsets)
    group.join_new("a")
    delete("before SyncGroup: subscribed topic and another", topic, (f"{topic}-subscribed", 0, 5), (topic, 0), ("absent", 0))
    group.sync("a", "the leader", 1, ["a"])
    delete("stable: subscribed topic and another", topic, (topic, 1), (f"{topic}-subscribed", 0, 5), ("absent", 0))
    fetch(s, "all, after that", 8, topic, None)
    group.leave("a", "the only member")
    delete("empty group again: the topic that was subscribed", topic, (f"{topic}-subscribed", 0, 5))
    other = Group(s, f"{topic}-connect", versions._replace(commit=8))
    other.join_new("b", protocol_type="connect")
    other.sync("b", "the leader", 1, ["b"], protocol_type="connect")
    delete("stable group of another protocol type", f"{topic}-connect", (topic, 0))


SCENARIOS = [(f"offsets: no member, OffsetCommit v{version}", partial(commit_without_members, version=version)) for version in (2, 5, 6, 7, 8, 9, 10)]
SCENARIOS += [(f"offsets: a member, OffsetCommit v{version}", partial(commit_of_members, version=version)) for version in (2, 7, 8, 9, 10)]
SCENARIOS += [(f"offsets: OffsetFetch v{version}", partial(fetch_offsets, version=version)) for version in range(1, 11)]
SCENARIOS += [(f"offsets: a member, OffsetFetch v{version}", partial(fetch_of_members, version=version)) for version in (8, 9, 10)]
SCENARIOS += [(f"offsets: deleted topic, OffsetFetch v{version}", partial(fetch_after_deletion, version=version)) for version in (5, 8, 10)]
SCENARIOS += [(f"offsets: OffsetDelete, {name} versions of the group", partial(delete_offsets, versions=versions, name=name))
              for name, versions in {"low": LOW, "middle": MIDDLE, "high": HIGH}.items()]
