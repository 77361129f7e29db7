"""Groups of the classic protocol: what happens when members are silent, and how many there may be."""

from functools import partial

from .group import ALL, HIGH, LOW, Group, saying

LEAVER = "client-a-00000000-0000-0000-0000-000000000000"  # a member id that nobody has
LATE = {name: versions for name, versions in ALL.items() if versions.join >= 4}


def session(s, versions, name):
    """A member that is silent for its session timeout is removed."""
    s.create(f"session-{name}")
    group = Group(s, f"session-{name}", versions)
    group.join_new("a", session_timeout_ms=600)
    group.sync("a", "the leader", 1, ["a"])
    for number in range(3):
        s.wait(400)
        group.heartbeat("a", "in time", 1)
    for number in range(3):
        s.wait(400)
        group.commit("a", "in time", 1)
    s.wait(1_200)
    group.describe("a", "after the session timeout")
    group.heartbeat("a", "after the session timeout", 1)
    group.commit("a", "after the session timeout", 1)
    group.join("a", "after the session timeout")
    group.join_new("a", "anew")


def session_of_one(s, versions, name):
    """The others see a rebalance when a member is removed."""
    group = Group(s, f"session-of-one-{name}", versions)
    group.join_new("a")
    group.sync("a", "the leader", 1, ["a"])
    group.send_join_new("b", session_timeout_ms=600)
    s.wait(1_200)
    group.join("a", "for the second, later than the second's session timeout")
    group.receive_join_new("b")
    group.send_sync("b", "the follower", 2)
    s.wait(1_200)
    group.sync("a", "the leader, later than the follower's session timeout", 2, ["a", "b"])
    s.receive("b")
    group.heartbeat("a", "in time", 2)
    s.wait(1_200)
    group.heartbeat("a", "after the follower was removed", 2)
    group.describe("a", "after the follower was removed")
    group.heartbeat("b", "of the removed", 2)


def rebalance_timeout(s, versions, name):
    """Members that do not join again within the rebalance timeout are removed; v0 takes the session timeout for it."""
    timeouts = {"session_timeout_ms": 1_500 if versions.join == 0 else 30_000, "rebalance_timeout_ms": 1_500}
    group = Group(s, f"rebalance-{name}", versions)
    group.join_new("a", **timeouts)
    group.sync("a", "the leader", 1, ["a"])
    group.send_join_new("b", **timeouts)
    s.silence("b", 700)
    group.heartbeat("a", "during the rebalance", 1)
    s.silence("b", 500)
    group.receive_join_new("b")
    group.heartbeat("a", "after the rebalance timeout", 1)
    group.describe("b", "after the rebalance timeout")


def sync_timeout(s, versions, name):
    """Members that do not send SyncGroup within the rebalance timeout are removed."""
    timeouts = {"session_timeout_ms": 30_000, "rebalance_timeout_ms": 1_500}
    group = Group(s, f"sync-timeout-{name}", versions)
    group.join_new("a", **timeouts)
    group.sync("a", "the leader", 1, ["a"])
    group.send_join_new("b", **timeouts)
    group.join("a", "for the second", **timeouts)
    group.receive_join_new("b")
    group.send_sync("b", "the follower", 2)
    s.silence("b", 1_200)
    s.receive("b")
    group.describe("b", "after the rebalance timeout")
    group.heartbeat("a", "the former leader", 2)
    group.heartbeat("b", "the follower", 2)
    group.join("b", "again, alone", **timeouts)
    group.sync("b", "the new leader", 3, ["b"])
    group.send_join_new("c", **timeouts)
    group.join("b", "for the third", **timeouts)
    group.receive_join_new("c")
    group.sync("b", "the leader", 4, ["b", "c"])
    s.wait(2_000)
    group.heartbeat("b", "after the follower has not sent SyncGroup in time", 4)
    group.heartbeat("c", "of the follower that has not sent SyncGroup in time", 4)


def pending(s, versions, name):
    """A member that was given an id and does not join with it is forgotten after its session timeout."""
    group = Group(s, f"pending-{name}", versions)
    group.join("a", "without member id", "", new=True, session_timeout_ms=600)
    group.heartbeat("a", "of a member id that has not joined", 0)
    group.sync("a", "of a member id that has not joined", 0)
    s.wait(1_200)
    group.join("a", "too late", session_timeout_ms=600)
    group.join("a", "without member id", "", new=True)
    group.leave("a", "a member id that has not joined")
    group.join("a", "the member id that left")


def pending_delays(s, versions, name):
    """A rebalance waits for a member that was given an id."""
    group = Group(s, f"pending-delays-{name}", versions)
    group.join_new("a")
    group.sync("a", "the leader", 1, ["a"])
    group.join("b", "without member id", "", new=True, session_timeout_ms=1_500)
    group.heartbeat("a", "a member id was given", 1)
    group.send_join("a", "the leader again")
    s.silence("a", 1_000)
    s.receive("a")


def size(s, versions, name):
    """More members than group.max.size, which is 3."""
    group = Group(s, f"size-{name}", versions)
    group.stable("a", "b", "c")
    group.join("d", "one too many, when stable", "")
    group.join("d", "one too many, when stable, with an unknown member id", LEAVER)
    group.send_join("b", "a follower again, other metadata", protocols=saying(b"changed"))
    s.silence("b")
    group.send_join_new("d", "one too many, during the rebalance")
    s.silence("d")
    if versions.join >= 4:
        group.join("e", "two too many, during the rebalance", "", new=True)
    group.send_join("c", "again")
    s.silence("c")
    group.join("e", "one too many, when as many as may be have joined", "")
    group.join("a", "again, when as many as may be have joined")


SCENARIOS = []
for title, play, choice in [
    ("session timeout", session, ALL), ("session timeout of one of two", session_of_one, ALL), ("rebalance timeout", rebalance_timeout, ALL),
    ("SyncGroup in the rebalance timeout", sync_timeout, {"low": LOW._replace(join=1), "high": HIGH}), ("member id that does not join", pending, LATE),
    ("rebalance with a member id that does not join", pending_delays, LATE), ("too many members", size, {"low": LOW._replace(join=1), "high": HIGH}),
]:
    SCENARIOS += [(f"expiry: {title}, {name} versions", partial(play, versions=versions, name=name)) for name, versions in choice.items()]
