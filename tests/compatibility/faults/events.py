"""The history: one JSON line an event, a file for each life of a client, one clock for all of them.

An event has t (seconds of the machine's monotonic clock), client, op and type; the rest depends on the op. Types:

    invoke    it is about to be asked for; written before the request can leave
    ok        it was answered, and it is so
    fail      it was answered, or never sent: it did not happen
    unknown   nobody can tell: it may have happened
    info      something that is good to know
"""

import heapq
import json
import os
import pathlib
import time
from collections.abc import Iterator
from typing import Any

Event = dict[str, Any]


class Recorder:
    """Writes events, each with one write() and at once: what a killed client knew is in its file."""

    def __init__(self, folder: pathlib.Path, client: str) -> None:
        self.client = client
        self.file = os.open(folder / f"{client}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def __call__(self, op: str, kind: str, /, **fields: Any) -> None:
        event = {"t": round(time.monotonic(), 6), "client": self.client, "op": op, "type": kind, **fields}
        os.write(self.file, json.dumps(event, separators=(",", ":")).encode() + b"\n")


def read(folder: pathlib.Path) -> Iterator[Event]:
    """All events of a run in the order of their times."""
    return heapq.merge(*map(read_file, sorted(folder.glob("*.jsonl"))), key=lambda event: event["t"])


def read_file(path: pathlib.Path) -> Iterator[Event]:
    """A last line without an end was being written when its client died: nothing that followed from it can have happened."""
    last = 0.0
    with open(path, "rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            event = json.loads(line)
            # Threads of one client may write in another order than they looked at the clock.
            event["t"] = last = max(last, event["t"])
            yield event
