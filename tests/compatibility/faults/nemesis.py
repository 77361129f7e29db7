"""Hurts the broker and its clients, at moments that a seed decides.

A kill comes at any moment, just after a transaction's end was asked for, just after a segment was begun, or while compaction puts
a new segment in place; every fourth is followed by another one while the broker recovers.
"""

import collections
import os
import pathlib
import random
import signal
import time

from daemon import Daemon

from .crew import Crew
from .events import Recorder
from .watch import Watch

TRAFFIC_WITHIN = 30.0
ACTS = {"kill": 74, "end": 8, "pause": 8, "freeze a client": 5, "kill a client": 5}
AIMS = {"at any moment": 50, "at a commit": 20, "at a new segment": 18, "at a compaction": 12}


class Nemesis:
    def __init__(self, daemon: Daemon, crew: Crew, watch: Watch, record: Recorder, seed: int, say) -> None:
        self.daemon, self.crew, self.watch, self.record, self.say = daemon, crew, watch, record, say
        self.random = random.Random(f"{seed}/nemesis")
        self.counts: collections.Counter[str] = collections.Counter()
        self.start_seconds = 0.2

    def act(self) -> None:
        [act] = self.random.choices(list(ACTS), ACTS.values())
        self.wait_for_traffic()
        # Mostly soon, and sometimes late enough for groups to settle and transactions to time out.
        time.sleep(self.random.uniform(0.2, 1.8) if self.random.random() < 0.75 else self.random.uniform(2, 9))
        {"kill": self.kill, "end": self.end, "pause": self.pause, "freeze a client": self.freeze_client, "kill a client": self.kill_client}[act]()

    def wait_for_traffic(self) -> None:
        if not self.watch.wait_for("produce", "ok", TRAFFIC_WITHIN):
            self.record("broker", "fail", error=f"nothing was acknowledged within {TRAFFIC_WITHIN} s")

    def did(self, what: str, **fields) -> None:
        self.counts[what] += 1
        self.record("nemesis", "info", did=what, **fields)
        self.say(f"{what} {fields or ''}")

    def kill(self) -> None:
        [aim] = self.random.choices(list(AIMS), AIMS.values())
        met = self.wait_for_aim(aim)
        self.signal_kill()
        self.did("kill", aim=aim, met=met)
        while self.random.random() < 0.25:
            after = self.random.uniform(0, 1.3 * self.start_seconds)
            self.daemon.spawn()
            time.sleep(after)
            self.signal_kill()
            self.did("kill while it starts", after_ms=round(after * 1000))
        self.start()

    def signal_kill(self) -> None:
        self.record("broker", "info", state="is killed")
        self.daemon.kill()
        self.record("broker", "info", state="is dead")

    def wait_for_aim(self, aim: str) -> bool:
        met = True
        if aim == "at a commit":
            met = self.watch.wait_for("commit", "invoke", 3)
            time.sleep(self.random.uniform(0, 0.006))
        elif aim == "at a new segment":
            met = self.wait_for_files(".log", 3)
            time.sleep(self.random.uniform(0, 0.004))
        elif aim == "at a compaction":
            met = self.wait_for_files(".swap", 3) or self.wait_for_files(".cleaned", 1)
        return met

    def wait_for_files(self, ending: str, seconds: float) -> bool:
        """Until a file with this ending appears in the data directory."""
        before = self.files(ending)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.files(ending) - before:
                return True
            time.sleep(0.002)
        return False

    def files(self, ending: str) -> set[str]:
        found = set()
        pending = [self.daemon.directory / "data" / "topics"]
        while pending:
            try:
                for entry in os.scandir(pending.pop()):
                    if entry.name.endswith(ending):
                        found.add(entry.path)
                    elif "." not in entry.name and entry.is_dir():
                        pending.append(pathlib.Path(entry.path))
            except OSError:  # it went away meanwhile
                pass
        return found

    def end(self) -> None:
        """SIGTERM, and a new start."""
        self.stop()
        self.did("end")
        self.start()

    def stop(self) -> None:
        self.record("broker", "info", state="is asked to end")
        try:
            code = self.daemon.stop()
        except Exception as failure:
            self.record("broker", "fail", error=f"it does not end: {failure}")
            self.daemon.kill()
            return
        self.record("broker", "info" if code == 0 else "fail", state="ended", code=code)

    def start(self) -> None:
        began = time.monotonic()
        try:
            self.daemon.start()
        except AssertionError as failure:
            self.record("broker", "fail", error=str(failure))
            raise
        self.start_seconds = time.monotonic() - began
        self.record("broker", "info", state="is ready", after_ms=round(self.start_seconds * 1000))

    def pause(self) -> None:
        """Requests time out and are sent again, sessions and transactions run out while nobody looks."""
        seconds = self.random.choice([self.random.uniform(0.2, 2), self.random.uniform(2.6, 7)])
        self.record("broker", "info", state="stands still", seconds=round(seconds, 1))
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(self.daemon.process.pid, signal.SIGCONT)
        self.record("broker", "info", state="goes on")
        self.did("pause", seconds=round(seconds, 1))

    def freeze_client(self) -> None:
        name = self.random.choice(self.crew.names())
        seconds = self.random.uniform(1, 8)
        self.did("freeze a client", whom=name, seconds=round(seconds, 1))
        self.crew.freeze(name)
        time.sleep(seconds)
        self.crew.wake(name)

    def kill_client(self) -> None:
        name = self.random.choice([name for name in self.crew.names() if not name.startswith("churn")])
        self.did("kill a client", whom=name)
        self.crew.replace(name)
