"""Groups of the classic protocol with static members, which are known by an instance id."""

from functools import partial

from wire import Bound

from .group import HIGH, MIDDLE, Group, protocols, saying

LEAVER = "client-a-00000000-0000-0000-0000-000000000000"  # a member id that nobody has
VERSIONS = {"middle": MIDDLE, "high": HIGH}


def replaced(s, versions, name):
    """An instance joins again without its member id: it takes the place of its former self, which is fenced."""
    s.create(f"static-{name}")
    group = Group(s, f"static-{name}", versions, names=("range", "roundrobin"))
    one = {"group_instance_id": "one"}
    group.join_new("a", "a new static member", **one)
    group.heartbeat("a", "before SyncGroup", 1, **one)
    group.sync("a", "the leader", 1, ["a"], **one)
    group.heartbeat("a", "with its instance id", 1, **one)
    group.heartbeat("a", "without its instance id", 1)
    group.heartbeat("a", "with another instance id", 1, group_instance_id="other")
    group.heartbeat("a", "unknown member with the instance id", 1, member=LEAVER, **one)
    group.commit("a", "with its instance id", 1, **one)
    group.commit("a", "without its instance id", 1)
    group.describe("a", "one static member")
    group.join_new("new-a", "the instance again, unchanged", **one)
    group.describe("a", "the instance after it joined again")
    group.heartbeat("a", "the former self", 1, **one)
    group.heartbeat("a", "the former self, without instance id", 1)
    group.heartbeat("a", "the former self, wrong generation", 7, **one)
    group.sync("a", "the former self", 1, **one)
    group.sync("a", "the former self, without instance id", 1)
    group.commit("a", "the former self", 1, **one)
    group.commit("a", "the former self, without instance id", 1)
    group.join("a", "the former self", **one)
    group.join("a", "the former self, without instance id")
    group.leave("a", "the former self", {"member_id": Bound("member:a"), **one})
    group.leave("a", "the former self, without instance id", {"member_id": Bound("member:a")})
    group.heartbeat("new-a", "the new self", 1, **one)
    group.sync("new-a", "the new self", 1, **one)
    group.send_join_new("b", "a second static member", group_instance_id="two")
    s.silence("b")
    group.join("new-a", "for the second", **one)
    group.receive_join_new("b", "two")
    group.send_sync("b", "the follower", 2, group_instance_id="two")
    group.sync("new-a", "the leader", 2, ["new-a", "b"], **one)
    s.receive("b")
    group.join_new("new-b", "the follower's instance again, unchanged", group_instance_id="two")
    group.heartbeat("new-a", "after the follower was replaced", 2, **one)
    group.sync("new-b", "the follower's new self", 2, group_instance_id="two")
    group.join_new("newer-a", "the leader's instance again, unchanged", **one)
    group.heartbeat("new-b", "after the leader was replaced", 2, group_instance_id="two")
    group.sync("newer-a", "the leader's new self, other assignments", 2, ["newer-a"], **one)
    group.join("new-b", "the follower with its member id, unchanged", group_instance_id="two")
    group.join("new-b", "the follower with its member id and another's instance id", **one)
    group.join("new-b", "the follower with its member id, without instance id")
    group.join_new("newer-b", "the follower's instance again, other metadata", group_instance_id="two",
                   protocols=saying(b"changed") + protocols("roundrobin"))
    group.heartbeat("newer-a", "after the follower was replaced with other metadata", 2, **one)
    group.describe("newer-a", "after the follower was replaced with other metadata")
    group.send_join_new("newest-b", "the follower's instance again, another protocol", group_instance_id="two", protocols=protocols("roundrobin"))
    s.silence("newest-b")
    group.heartbeat("newer-a", "after the follower was replaced with another protocol", 2, **one)
    group.join("newer-a", "again", **one)
    group.receive_join_new("newest-b", "two")


def replaced_while_waiting(s, versions, name):
    """An instance joins again while its former self waits for an answer."""
    group = Group(s, f"static-waiting-{name}", versions)
    one, two = {"group_instance_id": "one"}, {"group_instance_id": "two"}
    group.join_new("a", "a new static member", **one)
    group.sync("a", "the leader", 1, ["a"], **one)
    group.send_join("b", "a second static member", "", **two)
    s.silence("b")
    group.send_join("new-b", "the second instance again", "", **two)
    group.receive_join("b", True, "two")
    s.silence("new-b")
    group.join("a", "for the second", **one)
    group.receive_join("new-b", True, "two")
    group.send_sync("new-b", "the follower, before the leader", 2, **two)
    s.silence("new-b")
    group.send_join("newer-b", "the follower's instance again, while its former self waits for the leader", "", **two)
    s.receive("new-b")
    group.heartbeat("a", "after that", 2, **one)
    group.join("a", "after that", **one)
    group.receive_join("newer-b", True, "two")


def leave(s, version):
    """Static members leave by instance id, by member id, by both."""
    versions = HIGH._replace(leave=version)
    group = Group(s, f"static-leave-{version}", versions)
    one, two = {"group_instance_id": "one"}, {"group_instance_id": "two"}
    group.join_new("a", **one)
    group.send_join_new("b", **two)
    group.join("a", "for the second", **one)
    group.receive_join_new("b", "two")
    group.sync("a", "the leader", 2, ["a", "b"], **one)
    if version >= 3:
        group.leave("a", "unknown member id with the instance id", {"member_id": LEAVER, **one})
        group.leave("a", "another's member id with the instance id", {"member_id": Bound("member:b"), **one})
        group.leave("a", "instance id, unknown instance id, the same instance id again",
                    {"member_id": "", **one}, {"member_id": "", "group_instance_id": "three"}, {"member_id": "", **one})
    else:
        group.leave("a", "static member by its member id")
    group.describe("a", "after the first left")
    group.heartbeat("b", "after the first left", 2, **two)
    group.leave("b", "member id of a static member")
    group.join("b", "the instance that left, with its member id", **two)
    group.join_new("b", "the instance that left", **two)


SCENARIOS = []
for title, play in {"an instance joins again": replaced, "an instance joins again while it waits": replaced_while_waiting}.items():
    SCENARIOS += [(f"static: {title}, {name} versions", partial(play, versions=versions, name=name)) for name, versions in VERSIONS.items()]
SCENARIOS += [
    (f"static: an instance joins again, JoinGroup v{version}", partial(replaced, versions=HIGH._replace(join=version), name=f"join-{version}"))
    for version in (6, 7, 8)
]
SCENARIOS += [(f"static: LeaveGroup v{version}", partial(leave, version=version)) for version in (1, 3, 5)]
