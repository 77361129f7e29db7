"""Groups of the consumer protocol: static members, regular expressions, topics that come and go, silent members."""

from functools import partial

from .group import HIGH, Group
from .member import ConsumerGroup
from .offsets import fetch, known, wanted
from .producer import IMPLICIT, Producer


def configure(s, group, **values):
    configs = [{"name": name.replace("_", "."), "value": value} for name, value in values.items()]
    s.ask("setup", f"configure {group}", "IncrementalAlterConfigs", 1, {"resources": [{"type": 32, "name": group, "configs": configs}]})


def static(s, version):
    """Members with an instance id, which leave for a while and come back under another member id."""
    topic = f"consumer-static-{version}"
    s.create(topic, 4)
    group = ConsumerGroup(s, topic, version, topic)
    one, two = {"instance_id": "one"}, {"instance_id": "two"}
    group.join("a", "a static member", **one)
    group.refused("b", "the same instance while the first is there", **one)
    group.heartbeat("a", "with its instance id", 2, **one)
    group.heartbeat("a", "without its instance id", 2)
    group.heartbeat("a", "with another instance id", 2, **two)
    group.heartbeat("stranger", "unknown member with the instance id", 2, member_id="stranger", **one)
    group.heartbeat("stranger", "unknown member leaves with the instance id", -1, member_id="stranger", **one)
    group.heartbeat("stranger", "unknown member leaves for a while with the instance id", -2, member_id="stranger", **one)
    group.heartbeat("stranger", "unknown instance id leaves for a while", -2, member_id="stranger", **two)
    group.heartbeat("a", "leave for a while", -2, **one)
    group.describe("while it is away")
    group.heartbeat("a", "leave for a while, again", -2, **one)
    group.heartbeat("a", "its epoch, while it is away", 2, **one)
    group.join("new-a", "the instance comes back", **one)
    group.describe("the instance is back")
    group.heartbeat("a", "the former self", 2, **one)
    group.heartbeat("a", "the former self, without instance id", 2)
    group.heartbeat("a", "the former self leaves", -1, **one)
    group.owning("new-a", "owns all", 2, (topic, 0, 1, 2, 3), **one)
    group.join("b", "a second instance", **two)
    group.heartbeat("new-a", "is told what to keep", 2, **one)
    group.owning("new-a", "has revoked", 2, (topic, 0, 1), **one)
    group.heartbeat("b", "gets what is free", 3, **two)
    group.heartbeat("b", "leave for a while", -2, **two)
    group.heartbeat("new-a", "nothing new, the partitions of the other stay its own", 3, **one)
    group.join("new-b", "comes back with another subscription", subscribed_topic_names=[topic, "absent"], **two)
    group.describe("after it came back with another subscription")
    group.heartbeat("new-b", "leave for good", -1, **two)
    group.heartbeat("new-a", "gets everything", 3, **one)
    group.join("newest-b", "the instance that left for good", **two)
    group.describe("at the end")


def regex(s):
    """A subscription by regular expression; it is resolved after the answer."""
    topic = "regex"
    s.create(f"{topic}-one", 2)
    s.create(f"other-{topic}-one")
    group = ConsumerGroup(s, topic, 1, topic)
    by_regex = {"subscribed_topic_names": None, "subscribed_topic_regex": f"{topic}-.*"}
    group.join("a", "regex", **by_regex)
    s.wait(500)
    group.describe("the regex is resolved")
    group.heartbeat("a", "gets the topics that match", 1)
    group.heartbeat("a", "nothing new", 2)
    group.join("b", "the same regex", **by_regex)
    group.describe("a second member with the same regex")
    group.heartbeat("b", "leave", -1)
    group.heartbeat("a", "invalid regex", 2, subscribed_topic_regex="[")
    group.heartbeat("a", "gets everything back", 2)
    group.heartbeat("a", "a regex and a topic", 4, subscribed_topic_names=[f"other-{topic}-one"])
    group.describe("a regex and a topic")
    group.heartbeat("a", "no regex any more", 5, subscribed_topic_regex="")
    group.describe("no regex any more")
    group.owning("a", "owns the rest", 5, (f"other-{topic}-one", 0))
    group.heartbeat("a", "another regex", 6, subscribed_topic_names=[], subscribed_topic_regex=f".*{topic}-one")
    s.wait(500)
    group.describe("the other regex is resolved")
    group.owning("a", "owns nothing any more, and gets what matches", 6)
    group.describe("the partitions that match")


def regex_grows(s):
    """A topic that is created later and matches is found when the regular expression is resolved again, after ten seconds."""
    topic = "regex-grows"
    s.create(f"{topic}-one")
    group = ConsumerGroup(s, topic, 1, topic)
    group.join("a", "regex", subscribed_topic_names=None, subscribed_topic_regex=f"{topic}-.*")
    s.wait(500)
    group.heartbeat("a", "gets the topic that matches", 1)
    s.create(f"{topic}-two")
    s.wait(11_000)
    group.heartbeat("a", "a topic that matches was created", 2)
    s.wait(500)
    group.heartbeat("a", "gets the topic that was created", 2)
    group.describe("with the topic that was created")


def topics_change(s, version):
    """Topics that are created, grow and are deleted while a member subscribes to them."""
    topic = f"consumer-topics-{version}"
    s.create(topic)
    group = ConsumerGroup(s, topic, version, topic, f"{topic}-later")
    group.join("a")
    s.create(f"{topic}-later")
    s.wait(500)
    group.heartbeat("a", "a topic was created", 2)
    s.ask("setup", "grow", "CreatePartitions", 3, {"topics": [{"name": topic, "count": 3}]})
    s.wait(500)
    group.heartbeat("a", "a topic has grown", 3)
    group.describe("a topic has grown")
    s.ask("setup", "delete", "DeleteTopics", 5, {"names": [topic]})
    s.wait(500)
    group.heartbeat("a", "a topic was deleted", 4)
    group.describe("a topic was deleted")
    group.owning("a", "owns the rest", 4, (f"{topic}-later", 0))
    group.heartbeat("a", "subscribes to nothing", 5, subscribed_topic_names=[])
    group.describe("subscribes to nothing")


def session(s, version):
    """A member that is silent for consumer.session.timeout.ms is removed."""
    topic = f"consumer-session-{version}"
    s.create(topic, 2)
    configure(s, topic, consumer_session_timeout_ms="1000", consumer_heartbeat_interval_ms="200")
    group = ConsumerGroup(s, topic, version, topic)
    group.join("a")
    for number in range(3):
        s.wait(600)
        group.heartbeat("a", "in time", 2)
    s.wait(2_000)
    group.describe("after the session timeout")
    group.heartbeat("a", "after the session timeout", 2)
    group.join("b", "a static member", instance_id="one")
    group.heartbeat("b", "leave for a while", -2, instance_id="one")
    s.wait(500)
    group.describe("away")
    s.wait(1_500)
    group.describe("away for longer than the session timeout")


def rebalance_timeout(s, version):
    """A member that does not give partitions back within its rebalance timeout is removed."""
    topic = f"consumer-revoke-{version}"
    s.create(topic, 2)
    group = ConsumerGroup(s, topic, version, topic)
    group.join("a", rebalance_timeout_ms=1_000)
    group.owning("a", "owns all", 2, (topic, 0, 1))
    group.join("b", "a second member")
    group.heartbeat("a", "is told what to keep", 2)
    s.wait(600)
    group.owning("a", "still owns all", 2, (topic, 0, 1))
    s.wait(1_000)
    group.heartbeat("a", "after the rebalance timeout", 2)
    group.heartbeat("b", "gets everything", 3)
    group.describe("after the rebalance timeout")


def size(s, version):
    """More members than group.consumer.max.size, which is 3."""
    topic = f"consumer-size-{version}"
    s.create(topic)
    group = ConsumerGroup(s, topic, version)
    for connection in "abc":
        group.join(connection, subscribed_topic_names=[topic])
    group.refused("d", "one too many", subscribed_topic_names=[topic])
    group.heartbeat("b", "joins again", 0, **group.join_values({"subscribed_topic_names": [topic]}))


def assignors(s):
    """Members that ask for different assignors: most votes win."""
    topic = "consumer-assignors"
    s.create(topic, 3)
    group = ConsumerGroup(s, topic, 1, topic)
    group.join("a", "no assignor")
    group.describe("no vote")
    group.join("b", "range", server_assignor="range")
    group.describe("one vote for range")
    group.heartbeat("a", "changes to uniform", 2, server_assignor="uniform")
    group.join("c", "range", server_assignor="range")
    group.describe("two votes for range, one for uniform")
    group.heartbeat("c", "unknown assignor", 4, server_assignor="sticky")


def offsets(s, version):
    """OffsetCommit and OffsetFetch with member epochs; `version` is that of OffsetCommit."""
    topic = f"consumer-offsets-{version}"
    s.create(topic, 4)
    consumer = ConsumerGroup(s, topic, 1, topic)
    group = Group(s, topic, HIGH._replace(commit=version))
    consumer.join("a")
    consumer.owning("a", "owns all", 2, (topic, 0, 1, 2, 3))
    one = partial(fetch, s, group=topic, topics=[wanted(topic, 0, 3)])

    def commit(what, epoch, member="member-a", partitions=(0, 3), **values):
        group.commit("a", what, epoch, member, topics=[known(topic, *partitions)], **values)

    commit("its epoch", 2)
    commit("epoch too high", 3)
    commit("epoch before", 1)
    commit("epoch 0", 0)
    commit("epoch -1", -1)
    commit("unknown member", 2, "stranger")
    commit("no member, no epoch", -1, "")
    commit("no member, the epoch", 2, "")
    commit("wrong epoch and unknown partition", 7, partitions=(0, 9))
    commit("an instance id", 2, group_instance_id="instance")
    for fetch_version in (8, 9, 10):
        one("its epoch", version=fetch_version, member="member-a", epoch=2)
        one("epoch too high", version=fetch_version, member="member-a", epoch=3)
        one("epoch before", version=fetch_version, member="member-a", epoch=1)
        one("epoch -1", version=fetch_version, member="member-a")
        one("unknown member", version=fetch_version, member="stranger", epoch=2)
        one("no member, no epoch", version=fetch_version)
        one("no member, the epoch", version=fetch_version, epoch=2)
        one("empty member id, the epoch", version=fetch_version, member="", epoch=2)
        one("epoch too high, stable offsets", version=fetch_version, member="member-a", epoch=3, require_stable=1)
    consumer.join("b", "a second member")
    commit("before it is told what to keep", 2)
    consumer.heartbeat("a", "is told what to keep", 2)
    commit("before it has revoked", 2)
    consumer.owning("a", "has revoked", 2, (topic, 0, 1))
    commit("the epoch before, partitions that are still its own", 2, partitions=(0, 1))
    commit("the epoch before, a partition that it has lost", 2, partitions=(3,))
    commit("the epoch before, both", 2)
    commit("its epoch, a partition that it has lost", 3, partitions=(3,))
    commit("long before", 1, partitions=(0,))
    one("the epoch before", version=9, member="member-a", epoch=2)
    consumer.heartbeat("b", "gets what is free", 3)
    commit("the second member, its epoch", 3, "member-b", partitions=(3,))
    consumer.heartbeat("a", "leave", -1)
    consumer.heartbeat("b", "leave", -1)
    commit("after leaving", 3)
    commit("no member, no epoch, the group is empty", -1, "")
    one("no member, no epoch, the group is empty", version=9)
    one("member id, the group is empty", version=9, member="member-a", epoch=3)


def offsets_in_transactions(s, version):
    topic = f"consumer-txn-{version}"
    s.create(topic, 2)
    consumer = ConsumerGroup(s, topic, 1, topic)
    consumer.join("a")
    producer = Producer(s, topic, IMPLICIT._replace(commit_offsets=version))
    producer.init()
    if version < 5:
        producer.add_offsets("the group", 0, topic)

    def commit(what, epoch, member="member-a", **values):
        producer.commit_offsets(what, 0, topic, topic, generation_id=epoch, member_id=member, **values)

    commit("its epoch", 2)
    commit("epoch too high", 3)
    commit("epoch before", 1)
    commit("epoch -1", -1)
    commit("unknown member", 2, "stranger")
    commit("no member, no epoch", -1, "")
    commit("no member, the epoch", 2, "")
    producer.end("commit", 0)
    fetch(s, "committed", 9, topic, None)


def administration(s):
    """The APIs of groups, asked about a group of the consumer protocol."""
    topic = "consumer-administration"
    s.create(topic)
    s.create(f"{topic}-other")
    consumer = ConsumerGroup(s, topic, 1, topic)
    consumer.join("a")
    group = Group(s, topic, HIGH)
    stranger = {"member_id": "stranger"}
    group.heartbeat("a", "its member id and epoch", 2, "member-a")
    group.heartbeat("a", "unknown member", 2, "stranger")
    group.sync("a", "its member id and epoch", 2, member="member-a")
    group.sync("a", "unknown member", 2, member="stranger")
    group.leave("a", "unknown member", stranger)
    group.leave("a", "unknown instance id", {"member_id": "", "group_instance_id": "instance"})
    group.join("b", "a new member, protocol type connect", "", protocol_type="connect")
    topics = [{"name": name, "partitions": [{"index": 0}, {"index": 7}]} for name in (topic, f"{topic}-other", "absent")]
    s.ask("a", "a subscribed topic and others", "OffsetDelete", 0, {"group_id": topic, "topics": topics})
    s.ask("a", "not empty", "DeleteGroups", 2, {"groups": [topic]})
    s.ask("a", "several groups", "ConsumerGroupDescribe", 0, {"group_ids": [topic, "unknown", topic, ""], "include_authorized_operations": 1})
    classic = Group(s, f"{topic}-classic", HIGH)
    classic.join_new("c")
    s.ask("a", "a classic group", "ConsumerGroupDescribe", 1, {"group_ids": [f"{topic}-classic"]})
    s.ask("a", "null group id", "ConsumerGroupDescribe", 1, {"group_ids": [None]})
    s.ask("a", "no groups", "ConsumerGroupDescribe", 1, {"group_ids": []})
    group.leave("a", "the member, by LeaveGroup", {"member_id": "member-a"})
    consumer.describe("after LeaveGroup")
    consumer.join("d", "a static member", instance_id="one")
    group.leave("a", "the instance, by LeaveGroup", {"member_id": "", "group_instance_id": "one"})
    consumer.describe("after LeaveGroup of the instance")
    s.ask("a", "empty", "DeleteGroups", 2, {"groups": [topic]})
    consumer.describe("deleted")


def assignment_interval(s):
    """consumer.assignment.interval.ms: the assignment is not computed anew more often than that."""
    topic = "consumer-interval"
    s.create(topic, 2)
    configure(s, topic, consumer_assignment_interval_ms="1500")
    group = ConsumerGroup(s, topic, 1, topic)
    group.join("a")
    group.owning("a", "owns all", 2, (topic, 0, 1))
    group.join("b", "a second member, too early")
    group.describe("before the interval is over")
    group.heartbeat("b", "the epoch of the group, which is not assigned yet", 3)
    group.heartbeat("b", "its epoch", 2)
    group.heartbeat("a", "before the interval is over", 2)
    s.wait(2_000)
    group.heartbeat("a", "after the interval", 2)
    group.describe("after the interval")
    group.owning("a", "has revoked", 2, (topic, 0))
    group.heartbeat("b", "gets what is free", 2)


def changes_within_the_interval(s):
    """What a member unsubscribes from it gives up before there is a new assignment, and gets it back only with one."""
    group, other, topic = "consumer-pause", "consumer-pause-other", "consumer-pause-topic"
    s.create(topic, 2)
    s.create(other, 2)
    configure(s, group, consumer_assignment_interval_ms="2500")
    group = ConsumerGroup(s, group, 1, topic, other)
    group.join("a")
    group.owning("a", "owns all", 2, (topic, 0, 1), (other, 0, 1))
    group.heartbeat("a", "wants one topic less", 2, subscribed_topic_names=[other])
    group.describe("one topic less")
    group.owning("a", "has not given it up", 2, (topic, 0, 1), (other, 0, 1))
    group.owning("a", "has given it up", 2, (other, 0, 1))
    group.describe("it is given up")
    group.owning("a", "wants it again", 2, (other, 0, 1), subscribed_topic_names=[other, topic])
    group.join("b", "a member that wants the other topic", subscribed_topic_names=[topic])
    group.describe("before the interval is over")
    s.wait(3_000)
    group.owning("a", "after the interval", 2, (other, 0, 1))
    group.describe("after the interval")
    group.heartbeat("b", "after the interval", 2)
    group.join("c", "a third member, too early again", subscribed_topic_names=[])
    group.describe("the third member")


SCENARIOS = []
for title, play in {
    "static members": static, "topics change": topics_change, "session timeout": session, "rebalance timeout": rebalance_timeout,
    "too many members": size,
}.items():
    SCENARIOS += [(f"consumer: {title}, ConsumerGroupHeartbeat v{version}", partial(play, version=version)) for version in (0, 1)]
SCENARIOS += [("consumer: regex", regex), ("consumer: a regex that matches more later", regex_grows), ("consumer: assignors", assignors)]
SCENARIOS += [(f"consumer: OffsetCommit v{version} and OffsetFetch", partial(offsets, version=version)) for version in (8, 9, 10)]
SCENARIOS += [(f"consumer: TxnOffsetCommit v{version}", partial(offsets_in_transactions, version=version)) for version in (3, 5)]
SCENARIOS += [("consumer: administration of groups", administration), ("consumer: assignment interval", assignment_interval)]
SCENARIOS += [("consumer: changes within the assignment interval", changes_within_the_interval)]
