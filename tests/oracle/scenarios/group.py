"""What the scenarios of groups are written with."""

import re
import struct
from collections import namedtuple

from wire import Bound

# One version of each API that goes together in a client: `LOW` is the lowest, `MIDDLE` the last before tagged fields.
Versions = namedtuple("Versions", "join sync heartbeat leave commit fetch describe")
LOW = Versions(0, 0, 0, 0, 2, 1, 0)
MIDDLE = Versions(5, 3, 3, 3, 7, 5, 4)
HIGH = Versions(9, 5, 4, 5, 9, 9, 6)
ALL = {"low": LOW, "middle": MIDDLE, "high": HIGH}
UUID = rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def subscription(*topics, version=0, user_data=None):
    """What a consumer of the classic protocol puts into a protocol's metadata."""
    names = b"".join(struct.pack(">h", len(topic)) + topic.encode() for topic in topics)
    data = b"\xff" * 4 if user_data is None else struct.pack(">i", len(user_data)) + user_data
    owned = struct.pack(">i", 0) if version >= 1 else b""
    return struct.pack(">hi", version, len(topics)) + names + data + owned


def made_id(prefix):
    """Finds the member id that the broker made for a client id or an instance id; the leader's, which stands before it, may look alike."""
    pattern = re.compile(re.escape(prefix.encode()) + b"-" + UUID)
    return lambda response: [found.group() for found in pattern.finditer(response)][:2][-1]


def protocols(*names, metadata=subscription("subscribed")):
    """Kafka reads the metadata of protocol type `consumer`; what it cannot read subscribes to nothing."""
    return [{"name": name, "metadata": metadata} for name in names]


def saying(user_data):
    """One protocol, whose metadata differs by the user data from that of others."""
    return protocols("range", metadata=subscription("subscribed", user_data=user_data))


class Group:
    """The requests of one group. A connection `a` has one member, whose bound id is `member:a`."""

    def __init__(self, scenario, group, versions, names=("range",)):
        self.s, self.group, self.versions, self.protocols = scenario, group, versions, protocols(*names)

    def join_values(self, connection, member=None, values=None):
        member = Bound(f"member:{connection}") if member is None else member
        default = {"group_id": self.group, "member_id": member, "protocols": self.protocols}
        return default | (values or {})

    def send_join(self, connection, what, member=None, **values):
        self.s.send(connection, what, "JoinGroup", self.versions.join, self.join_values(connection, member, values))

    def receive_join(self, connection, new=False, instance=None):
        bind = {f"member:{connection}": made_id(self.s.client_id(connection) if instance is None else instance)} if new else None
        self.s.receive(connection, bind)

    def join(self, connection, what, member=None, new=False, **values):
        self.send_join(connection, what, member, **values)
        self.receive_join(connection, new, values.get("group_instance_id"))

    def send_join_new(self, connection, what="a new member", **values):
        """Up to v3 a member joins without an id; from v4 on it is given one and joins with it, unless it has an instance id."""
        if self.versions.join >= 4 and "group_instance_id" not in values:
            self.join(connection, f"{what}, without member id", "", new=True, **values)
            self.send_join(connection, f"{what}, with its member id", **values)
        else:
            self.send_join(connection, what, "", **values)

    def receive_join_new(self, connection, instance=None):
        is_bound = self.versions.join >= 4 and instance is None
        self.receive_join(connection, not is_bound, instance)

    def join_new(self, connection, what="a new member", **values):
        self.send_join_new(connection, what, **values)
        self.receive_join_new(connection, values.get("group_instance_id"))

    def sync_values(self, connection, generation, assigned=(), member=None, values=None):
        default = {
            "group_id": self.group, "generation_id": generation, "member_id": Bound(f"member:{connection}") if member is None else member,
            "protocol_type": "consumer", "protocol_name": "range",
            "assignments": [{"member_id": Bound(f"member:{to}"), "assignment": b"for " + to.encode()} for to in assigned],
        }
        return default | (values or {})

    def send_sync(self, connection, what, generation, assigned=(), member=None, **values):
        self.s.send(connection, what, "SyncGroup", self.versions.sync, self.sync_values(connection, generation, assigned, member, values))

    def sync(self, connection, what, generation, assigned=(), member=None, **values):
        self.send_sync(connection, what, generation, assigned, member, **values)
        self.s.receive(connection)

    def heartbeat(self, connection, what, generation, member=None, **values):
        member = Bound(f"member:{connection}") if member is None else member
        values = {"group_id": self.group, "generation_id": generation, "member_id": member} | values
        self.s.ask(connection, what, "Heartbeat", self.versions.heartbeat, values)

    def leave(self, connection, what, *members, **values):
        """Of the members v0 to v2 have room for the id of the first."""
        members = [{"member_id": Bound(f"member:{connection}")}] if not members else list(members)
        values = {"group_id": self.group, "member_id": members[0]["member_id"], "members": members} | values
        self.s.ask(connection, what, "LeaveGroup", self.versions.leave, values)

    def commit(self, connection, what, generation, member=None, topics=None, partition=0, **values):
        """To the topic that is named as the group."""
        member = Bound(f"member:{connection}") if member is None else member
        default = [{"name": self.group, "partitions": [{"index": partition, "offset": 5, "metadata": "note"}]}]
        values = {"group_id": self.group, "generation_id": generation, "member_id": member, "topics": default if topics is None else topics} | values
        self.s.ask(connection, what, "OffsetCommit", self.versions.commit, values)

    def describe(self, connection, what):
        self.s.ask(connection, what, "DescribeGroups", self.versions.describe, {"groups": [self.group]})

    def stable(self, *connections, **values):
        """Members join one by one until all are in, the first one leads; returns the generation."""
        leader, *followers = connections
        self.join_new(leader, **values)
        self.sync(leader, "the leader", 1, [leader])
        for generation, newest in enumerate(followers, 2):
            members = connections[:generation]
            self.send_join_new(newest, **values)
            for member in members[:-1]:
                self.send_join(member, "again, for the new member", **values)
            for member in members[:-1]:
                self.receive_join(member)
            self.receive_join_new(newest)
            for member in members[1:]:
                self.send_sync(member, "a follower", generation)
            self.sync(leader, "the leader", generation, members)
            for member in members[1:]:
                self.s.receive(member)
        return len(connections)
