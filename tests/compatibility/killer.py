"""Kills the daemon where it hurts: at any moment, in the middle of a micro-batch, and while it recovers from a kill."""

import random
import time

TRAFFIC_WITHIN = 30

class Killer:
    def __init__(self, daemon, query, seed, acknowledged):
        """`acknowledged` tells how many records were acknowledged up to now."""
        self.daemon, self.query, self.acknowledged = daemon, query, acknowledged
        self.random = random.Random(seed)
        self.start_seconds = 0.2  # how long the last complete start took

    def kill(self, number):
        """One kill, and a complete restart after it. Says in words what it did."""
        self.wait_for_traffic()
        time.sleep(self.random.uniform(0.2, 2))
        act = [self.at_any_moment, self.in_a_batch, self.while_recovering][number % 3]
        did = act()
        began = time.monotonic()
        self.daemon.start()
        self.start_seconds = time.monotonic() - began
        return f"{did}; started again in {self.start_seconds * 1000:.0f} ms, {self.acknowledged()} orders acknowledged"

    def wait_for_traffic(self):
        """A daemon that is killed before anybody got through to it proves nothing, and everybody must get through soon."""
        before = self.acknowledged()
        deadline = time.monotonic() + TRAFFIC_WITHIN
        while self.acknowledged() == before:
            assert time.monotonic() < deadline, f"nothing was acknowledged within {TRAFFIC_WITHIN} s after the start"
            time.sleep(0.005)

    def at_any_moment(self):
        self.daemon.kill()
        return "at any moment"

    def in_a_batch(self):
        """A batch begins as soon as another one ended, while there is data: so shortly after the batch number changes."""
        before = self.progress().get("batchId")
        deadline = time.monotonic() + 5
        while self.progress().get("batchId") in (None, before) and time.monotonic() < deadline:
            time.sleep(0.002)
        progress = self.progress()
        lasts = progress.get("durationMs", {}).get("triggerExecution", 50) / 1000
        after = self.random.uniform(0, lasts)
        time.sleep(after)
        self.daemon.kill()
        return f"{after * 1000:.0f} ms into the batch after {progress.get('batchId')}"

    def while_recovering(self):
        """This is the second of two kills that follow each other: the first one makes something to recover from."""
        self.daemon.kill()
        self.daemon.spawn()
        after = self.random.uniform(0, 1.2 * self.start_seconds)
        time.sleep(after)
        self.daemon.kill()
        return f"twice, the second time {after * 1000:.0f} ms into the recovery"

    def progress(self):
        return (self.daemon.query(self.query) or {}).get("lastProgress") or {}
