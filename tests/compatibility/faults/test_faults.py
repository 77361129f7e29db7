"""The short run for every change: a minute with kills, pauses and zombies, then the checker.

    SECONDS_OF_FAULTS=60      SEED=n      repeats the choices of an earlier run
"""

import os
import random

import pytest

from . import harness

SECONDS = float(os.environ.get("SECONDS_OF_FAULTS", 55))
SEED = int(os.environ.get("SEED", random.randrange(10**6)))


@pytest.mark.skipif("KAFKA_PEER" in os.environ, reason="needs a daemon of ours, to kill it")
def test_every_rule_holds_through_faults(tmp_path, capsys):
    def say(sentence: str) -> None:
        with capsys.disabled():
            print(sentence, flush=True)

    say(f"\nSEED={SEED}")
    outcome = harness.run(harness.Plan(SECONDS, SEED, has_faults=True, folder=tmp_path / "run"), say)
    assert outcome.is_good, outcome.text
