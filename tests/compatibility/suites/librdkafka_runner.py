"""Runs librdkafka's test-runner once for each test, and prints one table.

A process of its own for each test, since a test that runs into its time limit takes the whole test-runner with it.
What a test printed is in output/ beside the tests.
"""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# A row of the test-runner's own table: name, state, seconds, and what went wrong or why it was skipped.
ROW = re.compile(r"^\| (\w+) +\| +(\w+) \| +([\d.]+)s \| *(.*)$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[\d;]*m")
LIMIT = 900  # seconds, for a test that does not see to its own time limit


def read_skips(path):
    """Test number or name -> reason."""
    if os.environ.get("EVERYTHING") == "1":
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))


def run(number, directory, environment):
    """The rows (name, state, seconds, remark) of all tests with that number."""
    command = ["./test-runner", "-p1", "-L"] + ([] if os.environ.get("FULL") == "1" else ["-Q"])
    output = directory / "output" / f"{number}.txt"
    started = time.monotonic()
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment | {"TESTS": number},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    rows = ROW.findall(COLOUR.sub("", output.read_text(errors="replace")))
    # A run that was cut short prints its table twice: the later row of a test counts.
    rows = list({name: (name, state, float(seconds), remark.strip()) for name, state, seconds, remark in rows}.values())
    if process.returncode != 0 and not any(state == "FAILED" for _, state, _, _ in rows):
        rows.append((number, "FAILED", time.monotonic() - started, f"the test-runner ended with {process.returncode}"))
    return rows


def main():
    directory, broker, skip_file, *chosen = sys.argv[1:]
    directory = Path(directory)
    skips = read_skips(Path(skip_file))
    (directory / "output").mkdir(exist_ok=True)
    (directory / "test.conf").write_text(f"metadata.broker.list={broker}\n")
    environment = os.environ | {
        "RDKAFKA_TEST_CONF": "test.conf",
        "TEST_KAFKA_VERSION": os.environ.get("TEST_KAFKA_VERSION", "4.1.0"),
        "TEST_SCENARIO": os.environ.get("SCENARIO", "default"),
        "LD_LIBRARY_PATH": "../src:../src-cpp",
    }
    numbers = chosen or sorted({path.name[:4] for path in directory.glob("0*.c*") if path.name[:4].isdigit()})
    not_run = [number for number in numbers if number in skips]

    counts = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    excused = []
    started = time.monotonic()
    with ThreadPoolExecutor(int(os.environ.get("JOBS", "1"))) as pool:
        results = pool.map(lambda number: run(number, directory, environment), [n for n in numbers if n not in skips])
        for name, state, seconds, remark in (row for rows in results for row in rows):
            if name == "MAIN" or "negative test flags" in remark:
                continue
            if state != "PASSED" and name in skips:
                excused.append(name)
                remark = f"{remark} (listed: {skips[name]})"
            counts["SKIPPED" if state == "SKIPPED" else "PASSED" if state == "PASSED" else "FAILED"] += 1
            print(f"{name:46} {state:8} {seconds:7.1f} s  {remark}".rstrip(), flush=True)
    for number in not_run:
        print(f"{number:46} not run             {skips[number]}")
    print(
        f"{counts['PASSED']} passed, {counts['FAILED']} failed ({len(excused)} of them listed), {counts['SKIPPED']} skipped, "
        f"{len(not_run)} not run, in {time.monotonic() - started:.0f} s"
    )
    return 1 if counts["FAILED"] > len(excused) or counts["PASSED"] == 0 else 0


sys.exit(main())
