"""What the harness stands on: files, payloads, the watch over a growing history, and the demand that enough happens."""

import collections
import pathlib
import subprocess
import types

import pytest

from . import harness
from .enough import missing
from .events import Recorder, read
from .model import History
from .payload import make, name_of
from .story import good
from .watch import Watch


MUTANTS = sorted((pathlib.Path(__file__).parent / "mutants").glob("*.patch"))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda path: path.stem)
def test_a_mutant_still_fits_the_broker(mutant):
    repository = mutant.parents[4]
    done = subprocess.run(["git", "apply", "--check", mutant], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_files_give_back_what_was_written(tmp_path):
    first, second = Recorder(tmp_path, "a.0"), Recorder(tmp_path, "b.0")
    for number in range(3):
        first("x", "info", number=number)
        second("x", "ok", number=number)
    with open(tmp_path / "b.0.jsonl", "ab") as file:
        file.write(b'{"t": 1')  # its client was killed while it wrote
    assert [(event["client"], event["number"]) for event in read(tmp_path)] == [
        ("a.0", 0), ("b.0", 0), ("a.0", 1), ("b.0", 1), ("a.0", 2), ("b.0", 2)]


def test_a_payload_tells_its_name_and_its_damage():
    value = make("a.0.1/7", 40)
    assert name_of(value) == "a.0.1/7"
    assert name_of(value.replace(b"a.0.1/7", b"a.0.1/8")).startswith("!altered")
    assert name_of(None, [("name", b"a.0.1/8")]) == "a.0.1/8"
    assert name_of(None) == "!nameless"


def test_the_watch_counts_what_is_added(tmp_path):
    record, watch = Recorder(tmp_path, "a.0"), Watch(tmp_path)
    record("produce", "ok", record="a.0.1/0")
    record("produce", "invoke", record="a.0.1/1")
    assert watch.count("produce", "ok") == 1
    record("produce", "ok", record="a.0.1/1")
    assert watch.count("produce", "ok") == 2 and watch.count("commit", "invoke") == 0
    assert not watch.wait_for("commit", "invoke", 0.01)


@pytest.mark.parametrize("lacking, checks", [([[]], 1), ([["x"], ["x"], []], 3), ([["x"]] * 99, 11)])
def test_a_run_goes_on_until_enough_happened_and_not_for_ever(tmp_path, monkeypatch, lacking, checks):
    """With a check after the time is over, and then after each fifth of it, until three times as much is over."""
    answers, now = iter(lacking), [0.0]

    def pass_time(seconds: float) -> None:
        now[0] += max(seconds, 1e-6)

    asked = []
    monkeypatch.setattr(harness, "missing_so_far", lambda *_: asked.append(now[0]) or next(answers))
    monkeypatch.setattr(harness, "time", types.SimpleNamespace(monotonic=lambda: now[0], sleep=pass_time))
    crew = types.SimpleNamespace(look_after=lambda: None)
    harness.work(harness.Plan(10.0, 1, False, tmp_path), None, crew, lambda _: None)
    assert len(asked) == checks and now[0] < 33 and asked[0] >= 10


def test_a_run_in_which_little_happened_says_so():
    lacking = missing(History(good().events), 60, 1.0, True, collections.Counter())
    for what in ("acknowledged records of idem-0: 0", "committed transactions of txn-0: 0", "kills: 0", "records that tail-0 read"):
        assert any(sentence.startswith(what) for sentence in lacking), lacking
