"""A Millstream process under the control of a test: start, stop, kill, start again at the same place."""

import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time
import urllib.request

BINARY = os.environ.get("MILLSTREAM", "target/debug/millstream")
READY_WITHIN = 60
ENDS_WITHIN = 30
PORTS = iter(range(20_000 + os.getpid() % 5000, 32_000))  # each is given out once


def free_address():
    """An address below the range from which the system takes the ports of outgoing connections.

    While the daemon is down its clients knock on its port many times a second. A port inside that range could meanwhile
    become the near end of some client's own connection, and the daemon could not come back to it.
    """
    for port in PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return f"127.0.0.1:{port}"
            except OSError:
                continue
    raise RuntimeError("no free port")


class Daemon:
    """`millstream serve` on one data directory. Addresses with port 0 are chosen at the first start and kept after it.

    With `kafka=None` the settings name the listeners.
    """

    def __init__(self, directory, settings=(), kafka="127.0.0.1:0", http="127.0.0.1:0"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.settings = list(settings)
        self.kafka = kafka
        self.has_listeners = kafka is None
        self.http = http
        self.stdout = self.directory / "stdout.txt"
        self.stderr = self.directory / "stderr.txt"
        self.process = None
        self.open_files = None  # (soft, hard) limit, where it is not the test's own

    def start(self):
        self.spawn()
        self.wait_until_ready()
        return self

    def spawn(self):
        """Begins a start without waiting for its end, so that a test can kill the daemon while it recovers."""
        command = [BINARY, "serve", "--data-dir", str(self.directory / "data"), "--http", self.http]
        if not self.has_listeners:
            command += ["--kafka", self.kafka]
        for setting in self.settings:
            command += ["--set", setting]
        with open(self.stdout, "wb") as stdout, open(self.stderr, "ab") as stderr:
            stderr.write(f"--- {' '.join(command)}\n".encode())
            stderr.flush()
            limit = self.open_files and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, self.open_files))
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, preexec_fn=limit)

    def wait_until_ready(self):
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            addresses = dict(line.split(" ", 1) for line in self.stdout.read_text().splitlines() if " " in line)
            if "kafka" in addresses and "http" in addresses:
                self.kafka, self.http = addresses["kafka"], addresses["http"]
                return
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended at start with code {self.process.returncode}\n{self.stderr_tail()}")
            time.sleep(0.005)
        raise AssertionError(f"the daemon was not ready within {READY_WITHIN} s\n{self.stderr_tail()}")

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """Asks the daemon to end (SIGTERM) and gives its exit code, which is 0 when all went well."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(ENDS_WITHIN)

    def kill(self):
        """Ends the daemon in the middle of whatever it does (SIGKILL)."""
        self.process.kill()
        self.process.wait(ENDS_WITHIN)

    def restart(self):
        """Starts again on the same directory and ports; kills first when the daemon still runs."""
        if self.running():
            self.kill()
        return self.start()

    def sql(self, statement):
        """Runs one statement through the command line."""
        command = [BINARY, "sql", "--server", f"http://{self.http}", statement]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"code {done.returncode} from: {statement}\n{done.stderr}"
        return done.stdout

    def query(self, name):
        """What the daemon says of a streaming query, or None while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{self.http}/api/v1/queries/{name}", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return None

    def progress(self, name):
        """The last micro-batch that a streaming query completed since the start, or nothing."""
        return (self.query(name) or {}).get("lastProgress") or {}

    def newest_commit(self, name):
        """The last batch that a streaming query has committed, by the checkpoint on the disk; -1 before the first."""
        commits = self.directory / "data/processor/checkpoints" / name.encode().hex() / "commits"
        return max((int(path.name) for path in commits.glob("*") if path.name.isdigit()), default=-1)

    def stderr_tail(self, size=4000):
        text = self.stderr.read_bytes() if self.stderr.exists() else b""
        return text[-size:].decode(errors="replace")
