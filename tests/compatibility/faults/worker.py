"""A client in a process of its own, so that it can be stopped, paused and killed as clients are.

    python -m faults.worker '{"role": "idempotent", "name": "idem-0", "life": 0, ...}'

SIGTERM asks it to end what it does and to leave.
"""

import importlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import traceback
from typing import Any

from .events import Recorder

# Where the class of each role is.
ROLES = {
    "plain": "producers.Plain", "idempotent": "producers.Idempotent", "transactional": "transactional.Transactional",
    "transform": "transform.Transform", "tail": "readers.Tail", "replay": "readers.Replay", "member": "members.Member",
    "churn": "churn.Churn", "observer": "observer.Observer", "final": "final.Final",
}


class Worker:
    """What all clients have: a name that no other life of them had, chance that a seed decides, and a history."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.name: str = spec["name"]
        self.life: int = spec["life"]
        self.client = f"{self.name}.{self.life}"
        self.broker: str = spec["broker"]
        self.options: dict[str, Any] = spec.get("options", {})
        self.has_faults: bool = spec["has_faults"]
        self.rate: float = spec["rate"]
        self.random = random.Random(f"{spec['seed']}/{self.client}")
        self.record = Recorder(pathlib.Path(spec["folder"]), self.client)
        self.is_stopping = False

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self.stop)
        self.record("client", "info", state="began")
        try:
            while not self.is_stopping:
                self.step()
            self.end()
            self.record("client", "info", state="ended")
        except Exception:
            self.record("client", "fail", error=traceback.format_exc(limit=-3))
            sys.exit(1)

    def stop(self, *_: Any) -> None:
        self.is_stopping = True

    def step(self) -> None:
        """Does one thing that takes a second or less."""
        raise NotImplementedError

    def end(self) -> None:
        """Leaves."""

    def pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.is_stopping and (rest := until - time.monotonic()) > 0:
            time.sleep(min(rest, 0.1))

    def freeze(self, seconds: float) -> None:
        """The whole process stands still, its threads and timers too. Somebody else wakes it."""
        self.record("freeze", "info", seconds=seconds)
        subprocess.Popen(["sh", "-c", f"sleep {seconds}; kill -CONT {os.getpid()}"], stdout=subprocess.DEVNULL)
        os.kill(os.getpid(), signal.SIGSTOP)


def main() -> None:
    spec = json.loads(sys.argv[1])
    module, _, name = ROLES[spec["role"]].partition(".")
    getattr(importlib.import_module(f".{module}", __package__), name)(spec).run()


if __name__ == "__main__":
    main()
