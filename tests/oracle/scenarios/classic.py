"""Groups of the classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup."""

from functools import partial

from wire import Bound

from .group import ALL, HIGH, LOW, MIDDLE, Group, protocols, saying

LEAVER = "client-a-00000000-0000-0000-0000-000000000000"  # a member id that nobody has


def join_alone(s, version):
    """The first member, from joining to leaving; every version of JoinGroup."""
    versions = {0: LOW, 1: LOW, 2: LOW, 3: LOW, 4: MIDDLE, 5: MIDDLE, 6: HIGH, 7: HIGH, 8: HIGH, 9: HIGH}[version]._replace(join=version)
    group = Group(s, f"alone-{version}", versions)
    group.join_new("a", reason="first")
    group.heartbeat("a", "before SyncGroup", 1)
    group.sync("a", "the leader", 1, ["a"])
    group.heartbeat("a", "good", 1)
    group.join("a", "the leader again")
    group.heartbeat("a", "of the generation before", 1)
    group.sync("a", "the leader, no assignment", 2)
    group.leave("a", "good")
    group.heartbeat("a", "after leaving", 2)
    group.join("a", "the member that left")


def join_refused(s, version):
    """JoinGroup that cannot succeed; each with another group, that stays unknown or empty."""
    versions = HIGH._replace(join=version)

    def join(what, group, member="", new=False, **values):
        Group(s, group, versions).join("a", what, member, new, **values)

    prefix = f"refused-{version}"
    join("empty group id", "")
    join("null group id", None)
    join("session timeout 0", f"{prefix}-1", session_timeout_ms=0)
    join("session timeout -1", f"{prefix}-1", session_timeout_ms=-1)
    join("session timeout below the least", f"{prefix}-1", session_timeout_ms=99)
    join("session timeout above the most", f"{prefix}-1", session_timeout_ms=1_800_001)
    join("unknown member id", f"{prefix}-2", LEAVER)
    join("no protocols", f"{prefix}-3", protocols=[])
    join("null protocols", f"{prefix}-3", protocols=None)
    join("empty protocol type", f"{prefix}-4", protocol_type="")
    join("null protocol type", f"{prefix}-4", protocol_type=None)
    join("empty group id and session timeout 0", "", session_timeout_ms=0)
    join("session timeout 0 and unknown member id", f"{prefix}-5", LEAVER, session_timeout_ms=0)
    join("session timeout 0 and no protocols", f"{prefix}-5", session_timeout_ms=0, protocols=[])
    join("unknown member id and no protocols", f"{prefix}-5", LEAVER, protocols=[])
    if version >= 5:
        join("unknown member id with an instance id", f"{prefix}-6", LEAVER, group_instance_id="instance")


def join_accepted(s, version):
    """JoinGroup that looks odd and succeeds."""
    versions = HIGH._replace(join=version)

    def join(what, connection, number, **values):
        group = Group(s, f"accepted-{version}-{number}", versions)
        group.join_new(connection, what, **values)

    join("shortest session timeout, group id with a blank", "a", "x y", session_timeout_ms=100)
    join("longest session timeout", "b", 1, session_timeout_ms=1_800_000)
    join("rebalance timeout 0", "c", 2, rebalance_timeout_ms=0)
    join("rebalance timeout -1", "d", 3, rebalance_timeout_ms=-1)
    join("ten protocols", "e", 4, protocols=protocols(*(f"protocol-{number}" for number in range(10))))
    join("empty protocol name, empty metadata", "g", 6, protocols=protocols("", metadata=b""))
    join("protocol type that is no consumer's", "h", 7, protocol_type="connect")
    join("group id of 300 letters", "i", "x" * 300)
    if version >= 5:
        for number, instance in enumerate(("", ".", "a/b", "y" * 250)):
            join(f"instance id {instance[:9]!r}", f"instance-{number}", f"instance-{number}", group_instance_id=instance)


def other_protocols(s, versions, name):
    """A second member whose protocols do not fit, in every state of the group."""
    group = Group(s, f"protocols-{name}", versions)
    group.join_new("a", protocols=protocols("range", "roundrobin"))
    for state in ("while the leader has not synced", "when the group is stable"):
        group.join("b", f"other protocol type, {state}", "", protocol_type="connect")
        group.join("b", f"no common protocol, {state}", "", protocols=protocols("sticky"))
        group.join("b", f"no protocols, {state}", "", protocols=[])
        group.join("b", f"unknown member id and other protocol type, {state}", LEAVER, protocol_type="connect")
        group.join("b", f"unknown member id, {state}", LEAVER)
        group.join("a", f"the member itself, no common protocol, {state}", protocols=protocols("sticky"))
        if "not synced" in state:
            group.join("a", "the member itself with its old protocols", protocols=protocols("range", "roundrobin"))
            group.sync("a", "the leader", 1, ["a"])


def choice_of_protocol(s, versions, name):
    """Every member votes for the first of its protocols that all have."""
    group = Group(s, f"choice-{name}", versions)
    group.join_new("a", protocols=protocols("p1", "p2", "p3"))
    group.sync("a", "the leader", 1, ["a"], protocol_name="p1")
    group.send_join_new("b", protocols=protocols("p4", "p2", "p3"))
    group.join("a", "again", protocols=protocols("p1", "p2", "p3"))
    group.receive_join_new("b")
    group.send_join_new("c", protocols=protocols("p3", "p2"))
    group.send_join("a", "again", protocols=protocols("p1", "p2", "p3"))
    group.send_join("b", "again, another order", protocols=protocols("p4", "p3", "p2"))
    for connection in "ab":
        group.receive_join(connection)
    group.receive_join_new("c")


def two_members(s, versions, name):
    """A second member joins; who sees what."""
    s.create(f"two-{name}")
    group = Group(s, f"two-{name}", versions)
    group.join_new("a", protocols=saying(b"of a"))
    group.sync("a", "the leader", 1, ["a"])
    group.send_join_new("b", protocols=saying(b"of b"))
    s.silence("b")
    group.heartbeat("a", "during the rebalance", 1)
    group.sync("a", "during the rebalance", 1)
    group.commit("a", "during the rebalance", 1)
    group.describe("a", "during the rebalance")
    group.send_join("a", "again", protocols=saying(b"of a"))
    group.receive_join("a")
    group.receive_join_new("b")
    group.heartbeat("a", "while nobody has synced", 2)
    group.commit("a", "while nobody has synced", 2)
    group.describe("a", "while nobody has synced")
    group.send_sync("b", "a follower before the leader", 2)
    s.silence("b")
    group.sync("a", "the leader, an assignment for each and for a stranger", 2, ["a", "b"])
    s.receive("b")
    group.describe("a", "when stable")
    group.sync("b", "a follower again", 2)
    group.sync("a", "the leader again, other assignments", 2, ["a"])
    group.heartbeat("a", "good", 2)
    group.heartbeat("b", "good", 2)
    group.join("b", "the follower again, unchanged", protocols=saying(b"of b"))
    group.heartbeat("a", "after the follower joined again", 2)
    group.send_join("b", "the follower again, other metadata", protocols=saying(b"new of b"))
    s.silence("b")
    group.heartbeat("a", "after the follower joined with other metadata", 2)
    group.join("a", "again, for the other metadata", protocols=saying(b"of a"))
    group.receive_join("b")
    group.sync("a", "the leader before the follower, no assignment for the follower", 3, ["a"])
    group.sync("b", "a follower after the leader", 3)
    group.send_join("a", "the leader again, unchanged", protocols=saying(b"of a"))
    s.silence("a")
    group.heartbeat("b", "after the leader joined again", 3)
    group.join("b", "again, for the leader", protocols=saying(b"new of b"))
    group.receive_join("a")
    group.sync("a", "the leader", 4, ["a", "b"])
    group.sync("b", "a follower", 4)
    group.leave("b", "the follower")
    group.heartbeat("a", "after the follower left", 4)
    group.describe("a", "after the follower left")
    group.join("a", "again, alone")
    group.leave("a", "the leader, while it has not synced")
    group.describe("a", "when empty")


def leader_leaves(s, versions, name):
    """Who leads after the leader left."""
    group = Group(s, f"leader-{name}", versions)
    group.stable("a", "b")
    group.leave("a", "the leader")
    group.heartbeat("b", "after the leader left", 2)
    group.sync("b", "after the leader left", 2)
    group.join("b", "again, alone")
    group.sync("b", "the new leader", 3, ["b"])
    group.send_join_new("c")
    group.join("b", "again, for the new member")
    group.receive_join_new("c")


def join_before_sync(s, versions, name):
    """Joining again while the leader has not synced."""
    group = Group(s, f"before-sync-{name}", versions)
    group.join_new("a")
    group.join("a", "the leader again, unchanged, before SyncGroup")
    group.send_join_new("b")
    group.join("a", "the leader, for the new member")
    group.receive_join_new("b")
    group.join("b", "the follower again, unchanged, before SyncGroup")
    group.send_sync("b", "the follower, before the leader, until a third joins", 2)
    s.silence("b")
    group.send_join_new("c")
    s.receive("b")
    group.send_join("a", "the leader, for the third")
    group.send_join("b", "the follower, for the third")
    group.receive_join("a")
    group.receive_join("b")
    group.receive_join_new("c")
    group.join("b", "the follower again, unchanged, before SyncGroup")
    group.send_join("b", "the follower again, changed, before SyncGroup", protocols=saying(b"changed"))
    s.silence("b")
    group.heartbeat("a", "after the follower joined with other metadata", 3)


def sync_refused(s, version):
    versions = HIGH._replace(sync=version)
    group = Group(s, f"sync-{version}", versions)
    group.sync("a", "unknown group", 1, member=LEAVER)
    group.join_new("a")
    for state in ("before the leader", "when stable"):
        group.sync("a", f"generation too low, {state}", 0)
        group.sync("a", f"generation too high, {state}", 2)
        group.sync("a", f"generation -1, {state}", -1)
        group.sync("a", f"unknown member, {state}", 1, member=LEAVER)
        group.sync("a", f"empty member, {state}", 1, member="")
        group.sync("a", f"unknown member and wrong generation, {state}", 2, member=LEAVER)
        group.sync("a", f"empty group id, {state}", 1, group_id="")
        if version >= 5:
            group.sync("a", f"wrong protocol type, {state}", 1, protocol_type="connect")
            group.sync("a", f"wrong protocol name, {state}", 1, protocol_name="sticky")
            group.sync("a", f"wrong protocol name and wrong generation, {state}", 2, protocol_name="sticky")
            group.sync("a", f"empty protocol name, {state}", 1, protocol_name="")
            if state == "when stable":
                group.sync("a", "null protocol type and name", 1, protocol_type=None, protocol_name=None)
        if version >= 3:
            group.sync("a", f"unknown instance id, {state}", 1, group_instance_id="instance")
            group.sync("a", f"unknown member and unknown instance id, {state}", 1, member=LEAVER, group_instance_id="instance")
        if state == "before the leader":
            assignments = [{"member_id": LEAVER, "assignment": b"for nobody"}, {"member_id": Bound("member:a"), "assignment": b""}]
            group.sync("a", "an assignment for a stranger, an empty one", 1, assignments=assignments)


def heartbeat_refused(s, version):
    versions = HIGH._replace(heartbeat=version)
    group = Group(s, f"heartbeat-{version}", versions)
    group.heartbeat("a", "unknown group", 1, member=LEAVER)
    group.heartbeat("a", "empty group id", 1, member=LEAVER, group_id="")
    group.heartbeat("a", "unknown group, empty member, generation -1", -1, member="")
    group.stable("a")
    group.heartbeat("a", "good", 1)
    group.heartbeat("a", "generation too low", 0)
    group.heartbeat("a", "generation too high", 2)
    group.heartbeat("a", "generation -1", -1)
    group.heartbeat("a", "unknown member", 1, member=LEAVER)
    group.heartbeat("a", "empty member", 1, member="")
    group.heartbeat("a", "unknown member and wrong generation", 2, member=LEAVER)
    if version >= 3:
        group.heartbeat("a", "unknown instance id", 1, group_instance_id="instance")
        group.heartbeat("a", "unknown member and unknown instance id", 1, member=LEAVER, group_instance_id="instance")
        group.heartbeat("a", "empty instance id", 1, group_instance_id="")


def leave(s, version):
    versions = HIGH._replace(leave=version)
    group = Group(s, f"leave-{version}", versions)
    group.leave("a", "unknown group", {"member_id": LEAVER})
    group.leave("a", "empty group id", {"member_id": LEAVER}, group_id="")
    group.join_new("a")
    group.sync("a", "the leader", 1, ["a"])
    group.leave("a", "unknown member", {"member_id": LEAVER})
    group.leave("a", "empty member", {"member_id": ""})
    if version >= 3:
        group.leave("a", "no members", members=[])
        group.leave("a", "unknown instance id, without member id", {"member_id": "", "group_instance_id": "instance"})
        group.leave("a", "unknown instance id, with a member id", {"member_id": Bound("member:a"), "group_instance_id": "instance"})
        group.leave("a", "unknown member, the member, the member again", {"member_id": LEAVER}, {"member_id": Bound("member:a"), "reason": "enough"},
                    {"member_id": Bound("member:a")})
    else:
        group.leave("a", "the member")
    group.leave("a", "the member again, from the empty group")
    group.describe("a", "when empty")


def leave_while_waiting(s, versions, name):
    """Members that leave or join twice while they wait for an answer."""
    group = Group(s, f"waiting-{name}", versions)
    group.stable("a")
    group.join("b", "without member id", "", new=True)
    group.send_join("b", "waits until it is made to leave")
    s.silence("b")
    group.leave("a", "another member, which waits for its join", {"member_id": Bound("member:b")})
    s.receive("b")
    group.heartbeat("a", "after the new member left", 1)
    group.join("a", "again, alone")
    group.sync("a", "the leader", 2, ["a"])
    group.join("c", "a third, without member id", "", new=True)
    group.send_join("c", "a third, with its member id")
    group.send_join("d", "the third on another connection", Bound("member:c"))
    s.silence("c")
    s.silence("d")
    group.join("a", "again, for the third")
    s.receive("d")
    s.silence("c")


def disconnect_while_waiting(s, versions, name):
    """A member whose connection closes while it waits for its join remains a member."""
    group = Group(s, f"disconnected-{name}", versions)
    group.stable("a")
    group.join("b", "without member id", "", new=True)
    group.send_join("b", "with its member id")
    s.silence("b")
    s.disconnect("b")
    group.heartbeat("a", "after the new member disconnected", 1)
    group.join("a", "again, for the member that disconnected")


SCENARIOS = [(f"classic: one member, JoinGroup v{version}", partial(join_alone, version=version)) for version in range(10)]
SCENARIOS += [(f"classic: JoinGroup v{version} refused", partial(join_refused, version=version)) for version in (0, 3, 4, 5, 9)]
SCENARIOS += [(f"classic: JoinGroup v{version} that looks odd", partial(join_accepted, version=version)) for version in (0, 5, 9)]
SCENARIOS += [(f"classic: SyncGroup v{version} refused", partial(sync_refused, version=version)) for version in (0, 3, 4, 5)]
SCENARIOS += [(f"classic: Heartbeat v{version} refused", partial(heartbeat_refused, version=version)) for version in (0, 3, 4)]
SCENARIOS += [(f"classic: LeaveGroup v{version}", partial(leave, version=version)) for version in range(6)]
for title, play in {
    "protocols that do not fit": other_protocols, "choice of protocol": choice_of_protocol, "two members": two_members,
    "the leader leaves": leader_leaves, "joining again before SyncGroup": join_before_sync,
}.items():
    SCENARIOS += [(f"classic: {title}, {name} versions", partial(play, versions=versions, name=name)) for name, versions in ALL.items()]
for title, play in {"waiting": leave_while_waiting, "disconnected": disconnect_while_waiting}.items():
    SCENARIOS += [(f"classic: {title}, {name} versions", partial(play, versions=ALL[name], name=name)) for name in ("middle", "high")]
