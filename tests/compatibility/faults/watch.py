"""Follows the growing history while it is written: how much was acknowledged, and when something begins."""

import collections
import pathlib
import time


class Watch:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.places: dict[pathlib.Path, int] = {}
        self.rests: dict[pathlib.Path, bytes] = {}
        self.counts: collections.Counter[tuple[str, str]] = collections.Counter()  # op and type

    def look(self) -> None:
        for path in self.folder.glob("*.jsonl"):
            with open(path, "rb") as file:
                file.seek(self.places.get(path, 0))
                read = file.read()
            self.places[path] = self.places.get(path, 0) + len(read)
            *lines, self.rests[path] = (self.rests.get(path, b"") + read).split(b"\n")
            for line in lines:
                # {"t":1.0,"client":"a.0","op":"produce","type":"ok",...
                parts = line[:200].split(b'"', 15)
                self.counts[parts[9].decode(), parts[13].decode()] += 1

    def count(self, op: str, kind: str) -> int:
        self.look()
        return self.counts[op, kind]

    def wait_for(self, op: str, kind: str, seconds: float) -> bool:
        """Until one more of them is there."""
        before = self.count(op, kind)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.count(op, kind) > before:
                return True
            time.sleep(0.002)
        return False
