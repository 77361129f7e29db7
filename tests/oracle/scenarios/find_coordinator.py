"""FindCoordinator: which node coordinates a group, a transactional id, a partition of a share group."""

from functools import partial

GROUP, TRANSACTION, SHARE = 0, 1, 2
SHARE_KEY = "shared:AAAAAAAAAAAAAAAAAAAAAQ:0"


def one_key(s, version):
    def ask(what, key, key_type=GROUP):
        s.ask("a", what, "FindCoordinator", version, {"key": key, "key_type": key_type})

    ask("group", "find-group")
    ask("empty group", "")
    ask("null group", None)
    if version >= 1:
        ask("transaction", "find-transaction", TRANSACTION)
        ask("empty transaction", "", TRANSACTION)
        ask("share", SHARE_KEY, SHARE)
        ask("key type 3", "find-group", 3)
        ask("key type -1", "find-group", -1)


def many_keys(s, version):
    def ask(what, keys, key_type=GROUP):
        s.ask("a", what, "FindCoordinator", version, {"keys": keys, "key_type": key_type})

    ask("group", ["find-group"])
    ask("two groups", ["find-group", "find-other"])
    ask("one group twice", ["find-group", "find-group"])
    ask("no keys", [])
    ask("empty group", [""])
    ask("group and empty group", ["find-group", ""])
    ask("transaction", ["find-transaction"], TRANSACTION)
    ask("empty transaction", [""], TRANSACTION)
    ask("key type 3", ["find-group"], 3)
    ask("key type -1, two keys", ["find-group", "find-other"], -1)
    ask("key type 3, no keys", [], 3)
    ask("share", [SHARE_KEY], SHARE)
    ask("share, good and bad keys", [SHARE_KEY, "", "shared", "shared:AAAAAAAAAAAAAAAAAAAAAQ", "shared:x:0", f"{SHARE_KEY}x",
                                     ":AAAAAAAAAAAAAAAAAAAAAQ:0", "a:b:AAAAAAAAAAAAAAAAAAAAAQ:0", "shared:AAAAAAAAAAAAAAAAAAAAAQ:-1"], SHARE)


SCENARIOS = [(f"FindCoordinator v{version}", partial(one_key, version=version)) for version in range(4)]
SCENARIOS += [(f"FindCoordinator v{version}", partial(many_keys, version=version)) for version in range(4, 7)]
