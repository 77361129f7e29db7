"""What the scenarios of the consumer protocol are written with."""

from wire import Bound

MADE_ID_LENGTH = 22


def made_id(response):
    """The member id that the broker made; v0 lets it."""
    start = 4 + 1 + 4 + 2 + 1 + 1
    found = response[start : start + MADE_ID_LENGTH]
    assert response[start - 2 : start] == bytes([0, MADE_ID_LENGTH + 1]), "no error message, and then the id"
    return found


class ConsumerGroup:
    """The heartbeats of one group. From v1 on the member of connection `a` has the id `member-a`, in v0 the bound id `member:a`."""

    def __init__(self, scenario, group, version, *topics):
        self.s, self.group, self.version, self.topics = scenario, group, version, list(topics)

    def member(self, connection):
        return Bound(f"member:{connection}") if self.version == 0 else f"member-{connection}"

    def heartbeat(self, connection, what, epoch, bind=None, **values):
        values = {"group_id": self.group, "member_id": self.member(connection), "member_epoch": epoch} | values
        self.s.ask(connection, what, "ConsumerGroupHeartbeat", self.version, values, bind=bind)

    def join_values(self, values):
        return {"rebalance_timeout_ms": 5_000, "subscribed_topic_names": self.topics, "topic_partitions": []} | values

    def join(self, connection, what="join", **values):
        bind = None
        if self.version == 0 and "member_id" not in values:
            values["member_id"] = ""
            bind = {f"member:{connection}": made_id}
        self.heartbeat(connection, what, 0, bind, **self.join_values(values))

    def refused(self, connection, what, epoch=0, **values):
        """A join, unless `epoch` is given, that is refused; so no member id is bound."""
        member = {"member_id": "" if self.version == 0 and epoch == 0 else self.member(connection)}
        self.heartbeat(connection, what, epoch, **member | self.join_values(values))

    def owning(self, connection, what, epoch, *owned, **values):
        """A heartbeat that says which partitions the member has, as pairs of a topic and a list of partitions."""
        owned = [{"topic_id": Bound(f"topic_id:{topic}"), "partitions": list(partitions)} for topic, *partitions in owned]
        self.heartbeat(connection, what, epoch, **{"topic_partitions": owned} | values)

    def describe(self, what, version=1):
        self.s.ask("reader", what, "ConsumerGroupDescribe", version, {"group_ids": [self.group]})
