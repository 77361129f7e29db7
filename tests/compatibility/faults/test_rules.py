"""Every rule of the checker: a good history has no finding, and one that is spoilt has the finding that it should have."""

import pytest

from .events import Event
from .model import History
from .rules import RULES, check, name
from .rules.finding import evidence
from .story import Story, at_the_end, before_the_end, changed, good, reread, unread, where, without

GOOD = good().events


def findings(events: list[Event]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in check(History(events)):
        found.setdefault(finding.rule, []).append(finding.text)
    return found


def test_a_good_history_has_no_findings():
    assert findings(GOOD) == {}


def late_read(isolation: str, topic: str, partition: int, records: dict[int, str], **also):
    return before_the_end(GOOD, lambda story: story.read("late", isolation, topic, partition, records, **also))


def fenced(more):
    """The first instance of the transactional id goes on after the second has begun."""
    def tell(story: Story) -> None:
        story.begin("t.0.1#3")
        more(story)
    return before_the_end(GOOD, tell)


def write_and_commit(story: Story) -> None:
    story.send("t.0.1/4", "ledger", 0, None, txn="t.0.1#3")
    story.end("t.0.1#3", "commit")


def late_zombie(story: Story) -> None:
    """What the older one sent in time is appended after something of the newer one."""
    for instance, offset in [("u.0.1", None), ("u.0.2", 0)]:
        story.producer(instance, "transactional", "u")
        story.begin(f"{instance}#1")
        story.send(f"{instance}/0", "ledger", 1, offset, txn=f"{instance}#1")
    story.read("late", "uncommitted", "ledger", 1, {1: "u.0.1/0"})


def one_more_deletion(story: Story) -> None:
    story.send("i.0.2/5", "accounts", 0, 3, key="a", is_deletion=True)


def aborted_offsets(story: Story) -> None:
    story.begin("x.0.1#3")
    story.send_offsets("x.0.1#3", "transform", [["orders", 0, 77]])
    story.end("x.0.1#3", "abort")
    story.fetch("transform", [["orders", 0, 77]])


LEDGER_IS_UNREAD = unread(unread(GOOD, "committed", "ledger", 0, 0), "uncommitted", "ledger", 0, 0)

# What is spoilt, the rule that must see it, and a part of its sentence.
SPOILT = {
    "altered": (late_read("uncommitted", "events", 0, {6: "!altered b'x'"}), "nothing-is-invented-or-altered", "nobody sent it"),
    "elsewhere": (late_read("uncommitted", "ledger", 0, {7: "i.0.1/0"}), "nothing-is-invented-or-altered", "it was sent to events/0"),
    "another record": (late_read("uncommitted", "events", 0, {2: "i.0.1/1"}), "an-offset-keeps-its-record", "offset 2 is i.0.1/2, and i.0.1/1 for late"),
    "another offset than acknowledged": (changed(GOOD, where(op="produce", kind="ok", record="i.0.1/1"), offset=2),
                                         "an-offset-keeps-its-record", "offset 2 is i.0.1/1, and i.0.1/2"),
    "lost": (unread(GOOD, "uncommitted", "events", 0, 2), "nothing-acknowledged-is-lost", "i.0.1/2 (sent to events/0"),
    "lost, though recent": (unread(GOOD, "uncommitted", "recent", 0, 1), "nothing-acknowledged-is-lost", "i.0.2/4"),
    "an unreadable partition": (without(GOOD, lambda e: e["op"] in ("final", "read") and e.get("topic") == "ledger"),
                                "nothing-acknowledged-is-lost", "ledger/0, with 1 acknowledged records, could not be read to its end"),
    "twice": (late_read("uncommitted", "events", 0, {6: "i.0.1/3"}), "nothing-is-there-twice", "i.0.1/3 is in events/0 at 3 and at 6"),
    "order": (before_the_end(GOOD, lambda story: (story.send("i.0.1/4", "events", 1, 9), story.send("i.0.1/5", "events", 1, 8))),
              "the-order-of-a-producer-stays", "events/1: i.0.1/4 at 9 follows i.0.1/5 at 8"),
    "backwards": (late_read("uncommitted", "events", 0, {2: "i.0.1/2", 1: "i.0.1/1"}), "readers-go-forward-and-skip-nothing", "got offset 1 after 2"),
    "skipped": (late_read("uncommitted", "events", 0, {1: "i.0.1/1", 3: "i.0.1/3"}), "readers-go-forward-and-skip-nothing",
                "got 3 after 1, 1 records between them are there: first i.0.1/2"),
    "skipped at the beginning": (late_read("committed", "orders", 0, {4: "t.0.2/0"}, is_from_start=True), "readers-go-forward-and-skip-nothing",
                                 "got 4 after -1"),
    "a gap": (changed(unread(without(GOOD, where(op="produce", kind="ok", record="p.0.1/0")), "uncommitted", "events", 0, 5),
                      where(op="final", kind="ok", topic="events"), end=6), "offsets-have-no-gaps", "5 is missing"),
    "high watermark goes back": (before_the_end(GOOD, lambda story: story.observe("high", [["events", 0, 5]])), "positions-never-go-back",
                                 "the high watermark was 6"),
    "stable offset goes back": (before_the_end(GOOD, lambda story: story.observe("stable", [["orders", 0, 5]])), "positions-never-go-back",
                                "the last stable offset was 6"),
    "first offset goes back": (before_the_end(GOOD, lambda story: story.observe("start", [["recent", 0, 0]])), "positions-never-go-back",
                               "the first offset was 1"),
    "stable beyond high": (before_the_end(GOOD, lambda story: (story.observe("stable", [["ledger", 1, 9]]), story.observe("high", [["ledger", 1, 8]]))),
                           "positions-never-go-back", "the last stable offset was 9"),
    "acknowledged beyond the high watermark": (before_the_end(GOOD, lambda story: story.observe("high", [["ledger", 0, 0]])),
                                               "positions-cover-what-was-seen", "offset 0 was acknowledged before"),
    "read beyond the stable offset": (before_the_end(GOOD, lambda story: story.observe("stable", [["orders", 0, 3]])),
                                      "positions-cover-what-was-seen", "offset 4 was read as committed before"),
    "removed too early": (before_the_end(GOOD, lambda story: story.observe("start", [["recent", 0, 2]])), "only-what-is-old-is-removed", "i.0.2/4"),
    "removed without retention": (before_the_end(GOOD, lambda story: story.observe("start", [["events", 0, 2]])), "only-what-is-old-is-removed",
                                  "events/0 has no retention"),
    "aborted is visible": (late_read("committed", "orders", 0, {2: "t.0.1/3"}), "only-committed-records-are-visible", "the commit was not asked for"),
    "aborted after a failed commit is visible": (
        before_the_end(GOOD, lambda story: (
            story.begin("t.0.2#2"), story.send("t.0.2/1", "orders", 1, 2, txn="t.0.2#2"), story.end("t.0.2#2", "commit", "unknown"),
            story.end("t.0.2#2", "abort"), story.read("late", "committed", "orders", 1, {2: "t.0.2/1"}))),
        "only-committed-records-are-visible", "but it was aborted"),
    "open is visible": (
        before_the_end(GOOD, lambda story: (
            story.begin("t.0.2#2"), story.send("t.0.2/1", "orders", 1, 2, txn="t.0.2#2"), story.read("late", "committed", "orders", 1, {2: "t.0.2/1"}),
            story.end("t.0.2#2", "commit"))),
        "only-committed-records-are-visible", "late read t.0.2/1 as committed"),
    "torn": (LEDGER_IS_UNREAD, "transactions-are-not-torn", "1 of 3 records are not visible as committed: t.0.1/2"),
    "committed and invisible": (unread(GOOD, "committed", "orders", 0, 4), "transactions-are-not-torn", "1 of 1 records"),
    "committed and hidden": (unread(GOOD, "committed", "orders", 0, 4), "what-is-committed-is-visible", "orders/0: 1 records are in the log and hidden"),
    "the newest of a key, hidden": (unread(GOOD, "committed", "accounts", 0, 2), "what-is-committed-is-visible", "first i.0.2/2"),
    "unknown and torn": (changed(LEDGER_IS_UNREAD, where(op="commit", kind="ok", txn="t.0.1#1"), type="unknown"), "transactions-are-not-torn",
                         "1 of 3 records are not visible"),
    "fenced, and commits": (fenced(write_and_commit), "whoever-is-fenced-writes-nothing", "was committed after t.0.2 had begun"),
    "fenced, and writes": (fenced(lambda story: story.send("t.0.1/4", "ledger", 0, 5, txn="t.0.1#3")), "whoever-is-fenced-writes-nothing",
                           "though it was sent after t.0.2 had begun"),
    "fenced, and late": (before_the_end(GOOD, late_zombie), "whoever-is-fenced-writes-nothing", "ledger/1: u.0.1/0 at 1 lies behind u.0.2/0 at 0"),
    "open in the end": (changed(GOOD, where(op="final", kind="ok", isolation="committed", topic="ledger"), end=1), "nothing-stays-open",
                        "the last stable offset stays at 1, the high watermark is 2"),
    "transformed twice": (
        reread(before_the_end(GOOD, lambda story: (
            story.begin("x.0.1#3"), story.send("x.0.1/3", "derived", 0, 5, txn="x.0.1#3", source=["orders", 0, 4, "t.0.2/0"]),
            story.end("x.0.1#3", "commit"))), "committed", "derived", 0, lambda records: [*records, [5, "x.0.1/3"]]),
        "each-record-is-transformed-once", "was transformed twice: x.0.1/2 and x.0.1/3"),
    "offsets without output": (unread(GOOD, "committed", "derived", 0, 3), "each-record-is-transformed-once", "is below it and has no result"),
    "output without offsets": (at_the_end(GOOD, lambda story: story.fetch("transform", [["orders", 0, 1]])), "each-record-is-transformed-once",
                               "is not below it and has a result"),
    "made of something else": (changed(GOOD, where(op="produce", kind="invoke", record="x.0.1/0"), source=["orders", 0, 0, "t.0.1/1"]),
                               "each-record-is-transformed-once", "orders/0 has t.0.1/0 at 0"),
    "a commit is lost": (changed(GOOD, lambda e: e["op"] == "offsets" and e.get("values") == [["events", 0, 6]], values=[["events", 0, 3]]),
                         "committed-offsets-never-go-back", "is 3 at"),
    "a stale commit counts": (before_the_end(GOOD, lambda story: story.fetch("classic", [["events", 0, 2]])), "committed-offsets-never-go-back",
                              "was 6 at"),
    "unknown told as zero": (changed(GOOD, lambda e: e["op"] == "offsets" and e.get("values") == [["events", 0, -1]], values=[["events", 0, 0]]),
                             "committed-offsets-are-not-invented", "is 0 at"),
    "offsets of an aborted transaction": (before_the_end(GOOD, aborted_offsets), "committed-offsets-are-not-invented", "is 77 at"),
    "begins too early": (before_the_end(GOOD, lambda story: (
        story.tell("m.2", "assigned", "info", group="classic", session=1, partitions=[["events", 0]]),
        story.read("m.2", "committed", "events", 0, {3: "i.0.1/3"}, session=1, group="classic"))), "members-go-on-where-the-group-was",
        "when 6 was committed, and began at 3"),
    "passed over": (changed(GOOD, where(op="read", client="m.1"), records=[[5, "p.0.1/0"]]), "groups-skip-nothing",
                    "2 records below it were given to no member: first i.0.1/3"),
    "newest of a key": (unread(GOOD, "committed", "accounts", 0, 2), "the-newest-of-a-key-stays", "key a of accounts/0"),
    "back from the dead": (before_the_end(GOOD, one_more_deletion), "the-newest-of-a-key-stays", "a deletion"),
    "deleted and there": (changed(GOOD, where(op="standing"), names=["churn-a"]), "topics-are-there-until-they-are-deleted", "churn-a is there"),
    "created and gone": (without(GOOD, where(op="delete")), "topics-are-there-until-they-are-deleted", "churn-a is not there"),
    "a producer is given up": (before_the_end(GOOD, lambda story: story.tell("i.0.1", "fatal", "info", producer="i.0.1", error="OUT_OF_ORDER")),
                               "idempotent-producers-go-on", "i.0.1 was given up"),
    "the broker does not end well": (before_the_end(GOOD, lambda story: story.tell("harness", "broker", "fail", state="ended", code=1)),
                                     "clients-and-broker-do-what-they-are-told", "'code': 1"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_spoilt_history_is_seen(spoilt):
    events, rule, sentence = SPOILT[spoilt]
    found = findings(events)
    assert any(sentence in text for text in found.get(rule, [])), found


def test_every_rule_says_what_it_is_and_is_tested():
    assert all(rule.__doc__ for rule in RULES)
    assert {name(rule) for rule in RULES} == {rule for _, rule, _ in SPOILT.values()}


LATE_ARRIVAL = changed(before_the_end(GOOD, lambda story: story.send("i.0.1/4", "events", 0, None)), where(op="final", kind="ok", topic="events"), end=7)
for level in ("uncommitted", "committed"):
    LATE_ARRIVAL = reread(LATE_ARRIVAL, level, "events", 0, lambda records: [*records, [6, "i.0.1/4"]])

LEGAL = {
    "an unknown transaction, visible": changed(GOOD, where(op="commit", kind="ok", txn="t.0.1#1"), type="unknown"),
    "a deletion that is gone with all before it": unread(
        unread(before_the_end(GOOD, one_more_deletion), "committed", "accounts", 0, 2), "uncommitted", "accounts", 0, 2),
    "what compaction removed": unread(unread(GOOD, "uncommitted", "accounts", 0, 1), "uncommitted", "accounts", 0, 2),
    "what compaction removed between the last reads": reread(GOOD, "uncommitted", "accounts", 0, lambda records: [[0, "i.0.2/0"], *records]),
    "a record of unknown fate, there": LATE_ARRIVAL,
    "a record of unknown fate, not there": before_the_end(GOOD, lambda story: story.send("i.0.1/4", "events", 0, None)),
    "a repetition whose offset is not told": changed(GOOD, where(op="produce", kind="ok", record="i.0.1/1"), offset=-1),
    "the same, from a client that says nothing instead": changed(GOOD, where(op="produce", kind="ok", record="i.0.1/1"), offset=None),
    "a fenced producer that is refused": fenced(lambda story: (
        story.send("t.0.1/4", "ledger", 0, None, txn="t.0.1#3"), story.end("t.0.1#3", "commit", "unknown"))),
    "a creation of unknown outcome": before_the_end(GOOD, lambda story: story.tell("churn", "create", "invoke", name="churn-a", topic="churn-a@0.2")),
}


@pytest.mark.parametrize("legal", LEGAL)
def test_what_may_happen_is_no_finding(legal):
    assert findings(LEGAL[legal]) == {}


def test_a_counterexample_has_the_events_that_contradict():
    events = unread(GOOD, "uncommitted", "events", 0, 2)
    [found] = [finding for finding in check(History(events)) if finding.rule == "nothing-acknowledged-is-lost"]
    [shown] = evidence([found], events)
    assert [(event["op"], event["type"]) for event in shown[:3]] == [("produce", "invoke"), ("produce", "ok"), ("read", "ok")]
    assert all(event.get("record") == "i.0.1/2" or event["records"] == [[2, "i.0.1/2"]] for event in shown)
