"""The administration of groups: DescribeGroups, ListGroups, DeleteGroups."""

from functools import partial

from wire import Bound

from .group import HIGH, Group, protocols


def describe(s, version):
    """Every state of a group of the classic protocol, and groups that are none."""
    prefix = f"describe-{version}"
    s.create(prefix)
    group = Group(s, prefix, HIGH._replace(commit=8, describe=version))

    def ask(what, *groups, **values):
        s.ask("a", what, "DescribeGroups", version, {"groups": list(groups)} | values)

    ask("unknown group", prefix)
    ask("empty group id", "")
    ask("null group id", None)
    ask("no groups")
    group.join("a", "without member id", "", new=True)
    group.join("a", "with its member id")
    ask("CompletingRebalance", prefix)
    group.sync("a", "the leader", 1, ["a"])
    ask("Stable", prefix)
    ask("Stable, unknown, and Stable again", prefix, f"{prefix}-unknown", prefix)
    if version >= 3:
        ask("authorized operations", prefix, f"{prefix}-unknown", include_authorized_operations=1)
    group.send_join_new("b")
    s.silence("b")
    ask("PreparingRebalance", prefix)
    group.join("a", "again")
    group.receive_join_new("b")
    group.leave("a", "both", {"member_id": Bound("member:a")}, {"member_id": Bound("member:b")})
    ask("Empty", prefix)
    only_offsets = Group(s, f"{prefix}-offsets", HIGH._replace(commit=8))
    only_offsets.commit("a", "setup", -1, "", topics=[{"name": prefix, "partitions": [{"index": 0}]}])
    ask("nothing but offsets", f"{prefix}-offsets")
    s.ask("a", "the group", "DeleteGroups", 2, {"groups": [prefix]})
    ask("deleted", prefix)


def list_groups(s, version):
    """The groups of other scenarios are listed too; those of this one begin with `list-VERSION-`."""
    prefix = f"list-{version}"
    s.create(prefix)
    versions = HIGH._replace(commit=8)
    Group(s, f"{prefix}-stable", versions).stable("a")
    Group(s, f"{prefix}-completing", versions).join_new("b")
    preparing = Group(s, f"{prefix}-preparing", versions)
    preparing.stable("c")
    preparing.send_join_new("d")
    empty = Group(s, f"{prefix}-empty", versions)
    empty.stable("e")
    empty.leave("e", "the only member")
    offsets = Group(s, f"{prefix}-offsets", versions)
    offsets.commit("a", "setup", -1, "", topics=[{"name": prefix, "partitions": [{"index": 0}]}])
    connect = Group(s, f"{prefix}-connect", versions)
    connect.join_new("g", protocol_type="connect", protocols=protocols("default"))
    consumer = {"group_id": f"{prefix}-consumer", "member_id": "consumer-a", "rebalance_timeout_ms": 5_000, "subscribed_topic_names": [prefix],
                "topic_partitions": []}
    s.ask("h", "join", "ConsumerGroupHeartbeat", 1, consumer)
    s.ask("h", "unknown group", "DescribeGroups", 6, {"groups": [f"{prefix}-unknown"]})

    def ask(what, **values):
        s.ask("a", what, "ListGroups", version, values)

    ask("all")
    if version >= 4:
        for states in (["Stable"], ["stable"], ["PREPARINGREBALANCE", "CompletingRebalance"], ["Empty"], ["Dead"], ["Bogus"], ["Stable", "Bogus"],
                       [""], ["Assigning", "Reconciling"]):
            ask(f"states {states}", states_filter=states)
    if version >= 5:
        for types in (["classic"], ["Consumer"], ["consumer", "CLASSIC"], ["share"], ["streams"], ["bogus"], ["classic", "bogus"], [""]):
            ask(f"types {types}", types_filter=types)
        ask("state Empty, type classic", states_filter=["Empty"], types_filter=["classic"])
        ask("state Bogus, type classic", states_filter=["Bogus"], types_filter=["classic"])


def delete(s, version):
    prefix = f"delete-{version}"
    s.create(prefix)
    group = Group(s, prefix, HIGH._replace(commit=8))
    offsets = {"topics": [{"name": prefix, "partitions": [{"index": 0, "offset": 5}]}]}

    def ask(what, *groups):
        s.ask("a", what, "DeleteGroups", version, {"groups": list(groups)})

    ask("unknown group", prefix)
    ask("empty group id", "")
    ask("null group id", None)
    ask("no groups")
    group.join("a", "without member id", "", new=True)
    ask("a member id was given", prefix)
    group.join("a", "with the member id of the deleted group")
    group.join_new("a")
    ask("not empty", prefix)
    group.leave("a", "the only member")
    group.commit("a", "setup", -1, "", **offsets)
    Group(s, f"{prefix}-offsets", HIGH._replace(commit=8)).commit("a", "setup", -1, "", **offsets)
    busy = Group(s, f"{prefix}-busy", HIGH)
    busy.join_new("b")
    ask("empty group, unknown, busy, nothing but offsets, no id", prefix, f"{prefix}-unknown", f"{prefix}-busy", f"{prefix}-offsets", "")
    ask("deleted already", prefix)
    s.ask("a", "of the deleted group", "OffsetFetch", 5, {"group_id": prefix, "topics": None})
    group.commit("a", "anew", -1, "", **offsets)
    ask("one group twice", prefix, prefix)
    group.join_new("c", "a new member of the deleted group")


SCENARIOS = [(f"groups: DescribeGroups v{version}", partial(describe, version=version)) for version in range(7)]
SCENARIOS += [(f"groups: ListGroups v{version}", partial(list_groups, version=version)) for version in range(6)]
SCENARIOS += [(f"groups: DeleteGroups v{version}", partial(delete, version=version)) for version in range(3)]
