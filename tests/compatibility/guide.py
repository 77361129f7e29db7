"""Runs the pages of the guide as a reader would: every block in its order, in one folder, against one server.

A comment in HTML before a block says what a reader would know by himself:

    <!-- background -->        it keeps the terminal: it runs while the following blocks do, until the next such block or the end of the page
    <!-- server stopped -->    what runs in the background is ended before
    <!-- until Ctrl-C -->      it would go on for ever: it gets Ctrl-C after three seconds
    <!-- fails 2 -->           it ends with this exit code
    <!-- not run: reason -->   it cannot be run here
    <!-- file: name -->        it is the content of a file

Blocks of `sh`, `python` and `sql` are run; those of `text`, `json` and `rust` only show something.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from daemon import BINARY

PAGES = pathlib.Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"(?:^<!-- (?P<note>.*?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = {"text", "json", "rust", "toml", "ini"}
RUN = {"sh", "python", "sql"}
TIMEOUT = 60
CTRL_C_AFTER = 3


@dataclasses.dataclass
class Block:
    line: int
    language: str
    text: str
    note: str

    @property
    def is_run(self):
        return self.language in RUN and not self.note.startswith("not run:") and not self.note.startswith("file:")


def blocks(page):
    text = page.read_text()
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        yield Block(line, found["language"], found["text"], found["note"] or "")


class Reader:
    """Who works through a page: against a server at these addresses, which the page may start by itself."""

    def __init__(self, folder, kafka, http):
        self.folder, self.kafka, self.http, self.background = folder, kafka, http, None
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "millstream").symlink_to(os.path.abspath(BINARY))
        self.work = folder / "work"
        self.work.mkdir()
        self.environment = os.environ | {
            "PATH": f"{folder / 'bin'}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
            "MILLSTREAM_BOOTSTRAP_SERVERS": kafka,
            "MILLSTREAM_SERVER": f"http://{http}",
            "MILLSTREAM_KAFKA": kafka,
            "MILLSTREAM_HTTP": http,
        }

    def here(self, text):
        """The page's addresses are the defaults; this server has others."""
        for host in ["127.0.0.1", "localhost"]:
            text = text.replace(f"{host}:9092", self.kafka).replace(f"{host}:8080", self.http)
        return text

    def stop(self):
        if self.background is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.background.pid, signal.SIGINT)
        said = self.background.communicate(timeout=TIMEOUT)[0].decode(errors="replace")
        code, self.background = self.background.returncode, None
        # A shell that is told by Ctrl-C ends by it, whatever its command says.
        assert code in {0, 130, -signal.SIGINT}, f"what ran in the background ended with {code}:\n{said}"

    def wait_until_it_serves(self):
        host, port = self.kafka.rsplit(":", 1)
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            assert self.background.poll() is None, self.background.communicate()[0].decode(errors="replace")
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return
            time.sleep(0.05)
        raise AssertionError("it does not serve")

    def run(self, block):
        text = self.here(block.text)
        if block.note.startswith("file:"):
            (self.work / block.note.removeprefix("file:").strip()).write_text(text)
            return
        command = {
            "sh": ["bash", "-eu", "-o", "pipefail", "-c", text],
            "python": [sys.executable, "-c", text],
            "sql": ["millstream", "sql", text],
        }[block.language]
        if block.note in {"background", "server stopped"}:
            self.stop()
        environment = dict(self.environment)
        if "listeners=" in text:  # the two exclude each other
            del environment["MILLSTREAM_KAFKA"]
        where = {"cwd": self.work, "env": environment, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        # Where these tests run in the background of a script, Ctrl-C is ignored, and children inherit that.
        process = subprocess.Popen(command, start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **where)
        if block.note == "background":
            self.background = process
            self.wait_until_it_serves()
            return
        code = 0
        if block.note.startswith("fails "):
            code = int(block.note.removeprefix("fails "))
        try:
            if block.note == "until Ctrl-C":
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(CTRL_C_AFTER)
                assert process.poll() is None, f"it ended by itself: {process.communicate()[0].decode()}"
                os.killpg(process.pid, signal.SIGINT)
            said = process.communicate(timeout=TIMEOUT)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"it did not end: {process.communicate()[0].decode(errors='replace')}") from None
        # A shell that is told by Ctrl-C ends by it, whatever its command says.
        expected = {code, 130, -signal.SIGINT} if block.note == "until Ctrl-C" else {code}
        assert process.returncode in expected, f"exit code {process.returncode}:\n{said}"

    def close(self):
        self.stop()
        shutil.rmtree(self.work)
