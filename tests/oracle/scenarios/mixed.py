"""Groups that members of the classic and of the consumer protocol share, or that go over from one protocol to the other.

`group.consumer.migration.policy` decides whether a group with members may: `bidirectional` is the default, with `disabled` none may.
"""

import re
from functools import partial

from wire import Bound

from .group import HIGH, MIDDLE, Group, protocols, subscription
from .member import ConsumerGroup
from .offsets import fetch, known

MADE_ID = re.compile(rb"[\x16\x17]([\w-]{22})(?![\w-])")  # after its length
VERSIONS = {"middle": MIDDLE, "high": HIGH}


class Mixed:
    """One topic and one group of the same name, with the requests of both protocols."""

    def __init__(self, s, name, versions=HIGH, partitions=4):
        s.create(name, partitions)
        self.s, self.topic = s, name
        self.classic = Group(s, name, versions._replace(commit=9))
        self.classic.protocols = protocols("range", metadata=subscription(name))
        self.consumer = ConsumerGroup(s, name, 1, name)

    def join_new(self, connection, what, **values):
        """Binds the id that a classic member of a consumer group is given; it looks like those of consumers."""
        values = self.classic.join_values(connection, "", values)
        bind = {f"member:{connection}": lambda response: MADE_ID.search(response)[1]}
        self.s.ask(connection, what, "JoinGroup", self.classic.versions.join, values, bind=bind)

    def look(self, what):
        self.s.ask("reader", what, "DescribeGroups", 6, {"groups": [self.topic]})
        self.s.ask("reader", what, "ConsumerGroupDescribe", 1, {"group_ids": [self.topic]})

    def fetch(self, what):
        fetch(self.s, what, 9, self.topic, None)


def empty_classic(s, name):
    """A consumer joins a group that has nothing but offsets, and one whose classic members have left."""
    mixed = Mixed(s, f"mixed-empty-{name}")
    mixed.classic.commit("a", "setup", -1, "", topics=[known(mixed.topic, 0)])
    mixed.consumer.join("b", "into a group that has only offsets")
    mixed.look("a consumer group")
    mixed.fetch("the offsets are kept")
    mixed.consumer.heartbeat("b", "leave", -1)
    mixed.look("empty")
    mixed.classic.join_new("c", "a classic member of the empty consumer group")
    mixed.look("a classic group")
    mixed.classic.sync("c", "the leader", 1, ["c"])
    mixed.classic.leave("c", "the classic member")
    mixed.look("empty again")
    mixed.consumer.join("d", "into the group that the classic member left")
    mixed.fetch("the offsets are kept still")


def consumer_into_classic(s, name):
    """A consumer joins a group with a classic member; with `disabled` that is refused."""
    mixed = Mixed(s, f"mixed-upgrade-{name}")
    mixed.classic.join_new("a")
    mixed.consumer.join("b", "while the leader has not synced", group_id=mixed.topic)
    if name == "disabled":
        mixed.consumer.heartbeat("b", "epoch 1", 1)
        mixed.classic.sync("a", "the leader", 1, ["a"])
        mixed.consumer.join("b", "when the group is stable")
        mixed.classic.heartbeat("a", "after the refusal", 1)
        mixed.look("after the refusal")
        return
    mixed.look("after a consumer joined a group whose leader has not synced")
    mixed.classic.heartbeat("a", "after the consumer joined", 1)
    mixed.classic.sync("a", "after the consumer joined", 1, ["a"])


def consumer_into_connect(s, name):
    """A consumer joins groups that no consumer can read."""
    mixed = Mixed(s, f"mixed-connect-{name}")
    mixed.classic.join_new("a", protocol_type="connect")
    mixed.consumer.join("b", "protocol type connect")
    unreadable = Mixed(s, f"mixed-unreadable-{name}")
    unreadable.classic.join_new("c", protocols=protocols("range", metadata=b"\0"))
    unreadable.classic.sync("c", "the leader", 1, ["c"])
    unreadable.consumer.join("d", "metadata that nobody can read")
    pending = Mixed(s, f"mixed-assignment-{name}")
    pending.classic.join_new("e")
    pending.classic.sync("e", "the leader", 1, ["e"])
    pending.consumer.join("f", "an assignment that nobody can read")
    pending.classic.heartbeat("e", "after the consumer", 1)


def upgrade(s, versions, name):
    """A consumer joins a stable group with a classic member, which stays."""
    mixed = Mixed(s, f"mixed-stable-{name}", versions)
    mixed.classic.join_new("a")
    assignment = b"\0\0" + (1).to_bytes(4) + len(mixed.topic).to_bytes(2) + mixed.topic.encode() + (4).to_bytes(4)
    assignment += b"".join(partition.to_bytes(4) for partition in range(4)) + b"\xff" * 4
    assignments = [{"member_id": Bound("member:a"), "assignment": assignment}]
    mixed.classic.sync("a", "the leader", 1, assignments=assignments)
    mixed.consumer.join("b", "a consumer joins the classic group")
    mixed.look("a consumer group with a classic member")
    s.ask("reader", "mixed", "ListGroups", 5, {"types_filter": ["consumer"]})
    mixed.classic.heartbeat("a", "the classic member", 1)
    mixed.classic.commit("a", "the classic member", 1, topics=[known(mixed.topic, 0)])
    mixed.classic.join("a", "the classic member again, unchanged")
    mixed.classic.sync("a", "the classic member, generation before", 1)
    mixed.classic.sync("a", "the classic member", 2)
    mixed.classic.heartbeat("a", "the classic member", 2)
    mixed.look("the classic member has synced")
    mixed.consumer.heartbeat("b", "the consumer", 2)
    mixed.classic.commit("a", "the classic member, the new generation", 2, topics=[known(mixed.topic, 0)])
    mixed.classic.join("a", "the classic member gives back what it must", protocols=protocols("range", metadata=subscription(mixed.topic, version=1)))
    mixed.classic.sync("a", "the classic member, after giving back", 2)
    mixed.consumer.heartbeat("b", "the consumer gets what is free", 2)
    mixed.look("both have partitions")
    mixed.consumer.heartbeat("b", "the last consumer leaves", -1)
    mixed.look("a classic group again")
    mixed.classic.heartbeat("a", "the classic member after the consumer left", 2)
    mixed.classic.join("a", "the classic member after the consumer left")
    mixed.fetch("at the end")


def downgrade(s, versions, name):
    """A classic member joins a consumer group; when the last consumer has left the group is a classic one."""
    mixed = Mixed(s, f"mixed-downgrade-{name}", versions)
    mixed.consumer.join("a")
    mixed.consumer.owning("a", "owns all", 2, (mixed.topic, 0, 1, 2, 3))
    mixed.join_new("b", "a classic member, without member id")
    mixed.classic.join("b", "a classic member, with its member id")
    mixed.classic.sync("b", "the classic member", 3)
    mixed.classic.heartbeat("b", "the classic member", 3)
    mixed.consumer.heartbeat("a", "is told what to keep", 2)
    mixed.consumer.owning("a", "has revoked", 2, (mixed.topic, 0, 1))
    mixed.classic.heartbeat("b", "partitions are free now", 3)
    mixed.classic.join("b", "partitions are free now")
    mixed.classic.sync("b", "gets what is free", 3)
    mixed.look("both have partitions")
    mixed.consumer.heartbeat("a", "the last consumer leaves", -1)
    mixed.look("a classic group")
    mixed.classic.heartbeat("b", "after the last consumer left", 3)
    mixed.classic.join("b", "after the last consumer left")
    mixed.classic.sync("b", "the leader", 4, ["b"])
    mixed.look("a stable classic group")


def classic_into_consumer(s, name):
    """A classic member knocks at a consumer group; that is no migration, so `disabled` does not keep it out."""
    mixed = Mixed(s, f"mixed-classic-{name}")
    mixed.consumer.join("a")
    mixed.join_new("b", "without member id")
    mixed.classic.join("b", "protocol type connect", "", protocol_type="connect")
    mixed.classic.join("b", "no protocols", "", protocols=[])
    mixed.classic.join("b", "metadata that nobody can read, static", "", protocols=[{"name": "range", "metadata": b"\0"}],
                       group_instance_id="one")
    if name == "disabled":
        mixed.classic.join("b", "the consumer's member id", "member-a")
        mixed.classic.join("b", "unknown member id", "stranger")
        mixed.join_new("c", "an instance id", group_instance_id="instance")
        mixed.classic.heartbeat("b", "the consumer's member id", 2, "member-a")
        mixed.classic.sync("b", "the consumer's member id", 2, member="member-a")
        mixed.look("with classic members")
        mixed.consumer.heartbeat("a", "is a consumer again", 2)
        mixed.consumer.heartbeat("a", "the last consumer leaves", -1)
        mixed.look("without a consumer")
        return
    mixed.classic.join("b", "unknown member id", "stranger")
    mixed.look("after an unknown member id")
    mixed.classic.join("c", "the consumer's member id", "member-a")
    mixed.look("after the consumer went over")


SCENARIOS = [(f"mixed: {title}", partial(play, name="bidirectional")) for title, play in {
    "empty groups": empty_classic, "a consumer joins before SyncGroup": consumer_into_classic, "a classic member knocks": classic_into_consumer,
    "a consumer joins what it cannot read": consumer_into_connect,
}.items()]
for title, play in {"upgrade": upgrade, "downgrade": downgrade}.items():
    SCENARIOS += [(f"mixed: {title}, {name} versions of the group", partial(play, versions=versions, name=name))
                  for name, versions in VERSIONS.items()]

# Of a Kafka with group.consumer.migration.policy=disabled.
WITHOUT_MIGRATION = [(f"mixed, migration disabled: {title}", partial(play, name="disabled")) for title, play in {
    "empty groups": empty_classic, "a consumer joins a classic group": consumer_into_classic,
    "a classic member joins a consumer group": classic_into_consumer,
}.items()]
