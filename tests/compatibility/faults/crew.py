"""The clients of a run: who they are, and their processes."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

from .events import Recorder, read

FOLDER = pathlib.Path(__file__).resolve().parent.parent
END_WITHIN = 25.0
FINAL_WITHIN = 1800.0
# Between kills that follow each other quickly a group may have no time to form again, so that its members are silent for long.
SILENT_SECONDS = {"transform": 20.0}
SILENT_SECONDS_OF_OTHERS = 90.0


def members(seed: int) -> dict[str, dict[str, Any]]:
    """Name, role and options of each client. What `seed` changes is only which protocol the transforming group speaks."""
    return {
        "idem-0": {"role": "idempotent", "codec": "none", "topics": ["events", "orders"]},
        "idem-1": {"role": "idempotent", "codec": "lz4", "topics": ["events", "accounts"]},
        "idem-2": {"role": "idempotent", "codec": "zstd", "topics": ["orders", "recent"]},
        "idem-3": {"role": "idempotent", "codec": "none", "topics": ["events", "ledger", "recent", "accounts"]},
        "plain-0": {"role": "plain", "acks": "all", "topics": ["events", "orders"]},
        "plain-1": {"role": "plain", "acks": "1", "topics": ["events", "recent"]},
        "txn-0": {"role": "transactional"},
        "transform": {"role": "transform", "protocol": ["classic", "consumer"][seed % 2]},
        "tail-0": {"role": "tail", "isolation": "uncommitted"},
        "tail-1": {"role": "tail", "isolation": "committed"},
        "replay": {"role": "replay"},
        "classic-0": {"role": "member", "group": "classic", "protocol": "classic", "isolation": "committed"},
        "classic-1": {"role": "member", "group": "classic", "protocol": "classic", "isolation": "committed"},
        "consumer-0": {"role": "member", "group": "consumer", "protocol": "consumer", "isolation": "uncommitted"},
        "consumer-1": {"role": "member", "group": "consumer", "protocol": "consumer", "isolation": "uncommitted"},
        "churn": {"role": "churn"},
        "observer": {"role": "observer"},
    }


class Crew:
    def __init__(self, broker: str, folder: pathlib.Path, seed: int, has_faults: bool, rate: float, record: Recorder) -> None:
        self.folder = folder
        self.common = {"broker": broker, "folder": str(folder), "seed": seed, "has_faults": has_faults, "rate": rate}
        self.record = record
        self.members = members(seed)
        # What the clients' libraries say, on stderr.
        self.said = open(folder.parent / "clients.txt", "ab")
        self.lives: dict[str, int] = {}
        self.processes: dict[str, subprocess.Popen] = {}

    def names(self) -> list[str]:
        return list(self.processes)

    def start(self) -> None:
        for name in self.members:
            self.begin(name)

    def begin(self, name: str) -> None:
        self.lives[name] = self.lives.get(name, -1) + 1
        self.processes[name] = self.spawn(name, self.lives[name], self.members[name])

    def spawn(self, name: str, life: int, member: dict[str, Any]) -> subprocess.Popen:
        spec = {"name": name, "life": life, "role": member["role"], "options": member, **self.common}
        return subprocess.Popen([sys.executable, "-m", "faults.worker", json.dumps(spec)], cwd=FOLDER, stdin=subprocess.DEVNULL,
                                stderr=self.said)

    def freeze(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGSTOP)

    def wake(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGCONT)

    def replace(self, name: str) -> None:
        """The client dies, and another life of it begins."""
        self.processes[name].kill()
        self.processes[name].wait()
        self.begin(name)

    def look_after(self) -> None:
        """Whoever is gone or silent comes back as another life. A call of librdkafka that never returns is its own affair, and only
        counted: send_offsets_to_transaction, when the broker is killed between its two requests."""
        for name, process in list(self.processes.items()):
            code = process.poll()
            if code is not None:
                self.record("client", "fail", state="crashed", whom=f"{name}.{self.lives[name]}", code=code, said=self.last_words())
                self.begin(name)
            elif self.silent_seconds(name) > SILENT_SECONDS.get(name, SILENT_SECONDS_OF_OTHERS):
                self.record("client", "info", state="stuck", whom=f"{name}.{self.lives[name]}")
                self.replace(name)

    def last_words(self) -> str:
        return (self.folder.parent / "clients.txt").read_bytes()[-300:].decode(errors="replace")

    def silent_seconds(self, name: str) -> float:
        try:
            return time.time() - (self.folder / f"{name}.{self.lives[name]}.jsonl").stat().st_mtime
        except FileNotFoundError:  # it is still starting
            return 0

    def end(self) -> None:
        """Asks everybody to leave. Readers go last: what was written is read."""
        writers = [name for name, member in self.members.items() if member["role"] in ("plain", "idempotent", "transactional", "churn")]
        for group in [writers, [name for name in self.processes if name not in writers]]:
            for name in group:
                self.wake(name)
                self.processes[name].terminate()
            for name in group:
                try:
                    self.processes[name].wait(END_WITHIN)
                except subprocess.TimeoutExpired:
                    self.record("client", "info", state="stuck", whom=f"{name}.{self.lives[name]}")
                    self.processes[name].kill()

    def read_everything(self) -> None:
        """The last full read, when all the others have left."""
        labels = {event["name"]: event["topic"] for event in read(self.folder) if event["op"] == "create" and event["type"] == "invoke"}
        last = self.processes["final"] = self.spawn("final", 0, {"role": "final", "labels": labels})
        code = last.wait(FINAL_WITHIN)
        if code != 0:
            self.record("final", "fail", state="crashed", code=code, said=self.last_words())

    def kill(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
