"""Kills the daemon where it hurts.

At any moment; in the middle of a micro-batch; when a batch has written its rows and not been committed; and while it
recovers from such a kill.
"""

import collections
import random
import time

import checker

TRAFFIC_WITHIN = 30


class Killer:
    def __init__(self, daemon, outputs, seed, acknowledged):
        """`outputs` has the watcher of each query's topic, `acknowledged` tells how many records were acknowledged up to now."""
        self.daemon, self.outputs, self.acknowledged = daemon, outputs, acknowledged
        self.random = random.Random(seed)
        self.start_seconds = 0.2  # how long the last complete start took
        self.cut_off = collections.Counter()  # query: how often a kill left rows of a batch that was not committed

    def kill(self, number):
        """One kill, and a complete restart after it. Says in words what it did."""
        self.wait_for_traffic()
        time.sleep(self.random.uniform(0.2, 1.5))
        acts = [self.at_any_moment, self.in_a_batch, self.after_output, self.while_recovering]
        turn, act = divmod(number, len(acts))
        did = acts[act](list(self.outputs)[turn % len(self.outputs)])
        cut_off = self.find_cut_off()
        began = time.monotonic()
        self.daemon.start()
        self.start_seconds = time.monotonic() - began
        return (f"{did}; cut off: {', '.join(cut_off) or 'nothing'}; started again in {self.start_seconds * 1000:.0f} ms, "
                f"{self.acknowledged()} orders acknowledged")

    def wait_for_traffic(self):
        """A daemon that is killed before anybody got through to it proves nothing, and everybody must get through soon."""
        before = self.acknowledged()
        deadline = time.monotonic() + TRAFFIC_WITHIN
        while self.acknowledged() == before:
            assert time.monotonic() < deadline, f"nothing was acknowledged within {TRAFFIC_WITHIN} s after the start"
            time.sleep(0.005)

    def at_any_moment(self, _):
        self.daemon.kill()
        return "at any moment"

    def in_a_batch(self, query):
        """A batch begins as soon as another one ended, while there is data: so shortly after the batch number changes."""
        before = self.daemon.progress(query).get("batchId")
        deadline = time.monotonic() + 5
        while self.daemon.progress(query).get("batchId") in (None, before) and time.monotonic() < deadline:
            time.sleep(0.002)
        progress = self.daemon.progress(query)
        lasts = progress.get("durationMs", {}).get("triggerExecution", 50) / 1000
        after = self.random.uniform(0, lasts)
        time.sleep(after)
        self.daemon.kill()
        return f"{after * 1000:.0f} ms into the batch of {query} after {progress.get('batchId')}"

    def after_output(self, query):
        """A batch is committed after its rows are written: a reader that gets them at once knows of them before that."""
        arrived = self.outputs[query].arrived
        arrived.clear()
        assert arrived.wait(TRAFFIC_WITHIN), f"{query} wrote nothing within {TRAFFIC_WITHIN} s"
        self.daemon.kill()
        return f"after output of {query}"

    def while_recovering(self, query):
        """This is the second of two kills that follow each other: the first one makes something to recover from."""
        self.after_output(query)
        self.find_cut_off()
        self.daemon.spawn()
        after = self.random.uniform(0, 1.2 * self.start_seconds)
        time.sleep(after)
        self.daemon.kill()
        return f"twice, after output of {query} and {after * 1000:.0f} ms into the recovery"

    def find_cut_off(self):
        """The queries whose topic has rows of a batch that is not committed: it runs again, and must not write them again.

        Only while the daemon is down. What a reader did not get before the kill is not known here, so there may be more.
        """
        found = [query for query, output in self.outputs.items()
                 if max(map(checker.batch, output.seen), default=-1) > self.daemon.newest_commit(query)]
        self.cut_off.update(found)
        return found
