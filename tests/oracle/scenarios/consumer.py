"""Groups of the consumer protocol: ConsumerGroupHeartbeat and ConsumerGroupDescribe."""

from functools import partial

from .member import ConsumerGroup


def join_and_leave(s, version):
    topic = f"consumer-{version}"
    s.create(topic, 2)
    group = ConsumerGroup(s, topic, version, topic)
    group.describe("unknown group", 0)
    group.describe("unknown group", 1)
    group.join("a")
    group.describe("one member", 0)
    group.describe("one member", 1)
    group.heartbeat("a", "nothing new", 2)
    group.owning("a", "the partitions are taken", 2, (topic, 0, 1))
    group.heartbeat("a", "nothing new", 2)
    group.heartbeat("a", "everything again", 2, **group.join_values({}))
    group.owning("a", "owns a partition less than assigned", 2, (topic, 0))
    group.describe("the partitions are taken")
    s.ask("reader", "a consumer group", "DescribeGroups", 5, {"groups": [topic]})
    s.ask("reader", "a consumer group", "DescribeGroups", 6, {"groups": [topic]})
    group.heartbeat("a", "leave", -1)
    group.heartbeat("a", "leave again", -1)
    group.heartbeat("a", "after leaving", 2)
    group.describe("empty", 0)
    group.describe("empty", 1)
    s.ask("reader", "an empty consumer group", "DescribeGroups", 6, {"groups": [topic]})
    group.join("b", "a new member")


def refused(s, version):
    topic = f"consumer-refused-{version}"
    s.create(topic)
    group = ConsumerGroup(s, topic, version, topic)

    def join(what, **values):
        group.refused("a", what, **values)

    join("empty group id", group_id="")
    join("null group id", group_id=None)
    join("blank group id", group_id=" ")
    join("no rebalance timeout", rebalance_timeout_ms=-1)
    join("no topics and no regex", subscribed_topic_names=None)
    join("no owned partitions", topic_partitions=None)
    join("owned partitions", topic_partitions=[{"topic_id": bytes(15) + b"\1", "partitions": [0]}])
    join("unknown assignor", server_assignor="sticky")
    join("empty assignor", server_assignor="")
    join("empty instance id", instance_id="")
    join("empty rack id", rack_id="")
    join("null member id", member_id=None)
    if version >= 1:
        join("empty member id", member_id="")
        join("invalid regex", subscribed_topic_names=None, subscribed_topic_regex="(")
        join("invalid regex beside topics", subscribed_topic_regex="*")
    join("epoch -2 without instance id", epoch=-2, member_id="member-a")
    join("epoch -3", epoch=-3, member_id="member-a")
    join("epoch 1, unknown group", epoch=1, member_id="member-a")
    join("epoch 1, empty member id", epoch=1, member_id="")
    join("epoch -1, unknown group", epoch=-1, member_id="member-a")
    join("epoch -1, empty member id", epoch=-1, member_id="")
    group.describe("still unknown")
    join("empty group id and no rebalance timeout", group_id="", rebalance_timeout_ms=-1)
    join("unknown assignor and no rebalance timeout", server_assignor="sticky", rebalance_timeout_ms=-1)


def accepted(s, version):
    """Joins that look odd and succeed."""
    topic = f"consumer-accepted-{version}"
    s.create(topic)

    def join(connection, what, **values):
        group = ConsumerGroup(s, f"{topic}-{connection}", version, topic)
        group.join(connection, what, **values)
        group.describe(what)

    join("a", "no topics", subscribed_topic_names=[])
    join("b", "unknown topic", subscribed_topic_names=["absent"])
    join("c", "known, unknown, illegal topic, and one topic twice", subscribed_topic_names=["absent", topic, "a/b", topic])
    join("d", "rack id", rack_id="rack")
    join("k", "rebalance timeout 0", rebalance_timeout_ms=0)
    join("e", "assignor range", server_assignor="range")
    join("f", "a member id that the client made", member_id="made by the client")
    join("g", "a group id with blanks", group_id=f"{topic} with blanks")
    if version >= 1:
        join("h", "a regex that matches nothing", subscribed_topic_names=None, subscribed_topic_regex="nothing-like-this")
        join("i", "empty regex", subscribed_topic_names=None, subscribed_topic_regex="")
        join("j", "empty regex and topics", subscribed_topic_regex="")


def epochs(s, version):
    """Member epochs that are not current."""
    topic = f"consumer-epochs-{version}"
    s.create(topic, 2)
    s.create(f"{topic}-more")
    group = ConsumerGroup(s, topic, version, topic)
    group.join("a")
    group.heartbeat("a", "epoch too high", 3)
    group.heartbeat("a", "epoch before", 1)
    group.owning("a", "epoch before, owning nothing", 1)
    group.owning("a", "epoch before, owning what is assigned", 1, (topic, 0, 1))
    group.heartbeat("a", "the epoch of joining, everything again", 0, **group.join_values({}))
    group.heartbeat("a", "its epoch", 2)
    group.heartbeat("a", "unknown member", 2, member_id="stranger")
    group.heartbeat("a", "unknown member, epoch too high", 9, member_id="stranger")
    group.heartbeat("a", "unknown member leaves", -1, member_id="stranger")
    group.heartbeat("a", "another subscription", 2, subscribed_topic_names=[topic, f"{topic}-more"])
    group.describe("after the other subscription")
    group.heartbeat("a", "the epoch before the subscription", 2)
    group.owning("a", "the epoch before the subscription, owning what was assigned", 2, (topic, 0, 1))
    group.owning("a", "the epoch before the subscription, owning what is assigned", 2, (topic, 0, 1), (f"{topic}-more", 0))
    group.owning("a", "the epoch before the subscription, owning a partition that was not assigned", 2, (topic, 0, 1, 2))
    group.owning("a", "long before", 1, (topic, 0, 1))
    group.heartbeat("a", "its epoch", 3)
    group.heartbeat("a", "another rack", 3, rack_id="rack")
    group.heartbeat("a", "another assignor", 3, server_assignor="range")
    group.heartbeat("a", "another rebalance timeout", 3, rebalance_timeout_ms=9_000)
    group.heartbeat("a", "the same topics in another order", 3, subscribed_topic_names=[f"{topic}-more", topic])
    group.describe("at the end")


def reconciliation(s, version):
    """A second member, then a third: partitions are revoked before they are assigned anew."""
    topic = f"consumer-two-{version}"
    s.create(topic, 6)
    group = ConsumerGroup(s, topic, version, topic)
    group.join("a")
    group.owning("a", "owns all", 2, (topic, 0, 1, 2, 3, 4, 5))
    group.join("b", "a second member")
    group.describe("the second member has joined")
    group.heartbeat("b", "nothing is free yet", 3)
    group.heartbeat("a", "is told what to keep", 2)
    group.describe("the first is told what to keep")
    group.heartbeat("a", "has not revoked yet", 2)
    group.owning("a", "still owns all", 2, (topic, 0, 1, 2, 3, 4, 5))
    group.heartbeat("b", "nothing is free yet", 3)
    group.owning("a", "has revoked", 2, (topic, 0, 1, 2))
    group.describe("the first has revoked")
    group.heartbeat("b", "gets what is free", 3)
    group.owning("b", "has taken them", 3, (topic, 3, 4, 5))
    group.heartbeat("a", "nothing new", 3)
    group.describe("stable again")
    group.heartbeat("b", "leave", -1)
    group.heartbeat("a", "gets everything back", 3)
    group.owning("a", "owns all", 4, (topic, 0, 1, 2, 3, 4, 5))
    group.describe("alone again")


SCENARIOS = []
for title, play in {
    "join and leave": join_and_leave, "joins refused": refused, "joins that look odd": accepted, "epochs": epochs, "two members": reconciliation,
}.items():
    SCENARIOS += [(f"consumer: {title}, ConsumerGroupHeartbeat v{version}", partial(play, version=version)) for version in (0, 1)]
