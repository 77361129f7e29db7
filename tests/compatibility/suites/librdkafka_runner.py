"""Runs librdkafka's test-runner once for each test number, and prints one table.

A process of its own for each, since a test that runs into its time limit takes the whole test-runner with it. What the
tests printed stays in a folder for each broker beside the tests, so that two brokers can be tested at the same time.
"""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

COLOUR = re.compile(r"\x1b\[[\d;]*m")
STARTED = re.compile(r"=== Running test (\w+) ===")
ENDED = re.compile(r"=== Test (\w+) (PASSED|SKIPPED) ===")
FAILURE = re.compile(r'^### Test "<?(\w+)[^"]*" failed at (\S+) at .*\n(.*)$', re.MULTILINE)
SKIPPED = re.compile(r"^\[(\w+) +/.*SKIPPING TEST: (.*?)(?:\[\d{4}_|$)", re.MULTILINE)
LIMIT = 1200  # seconds, for a test that does not see to its own time limit


def read_skips(path, protocol):
    """Test number or name -> reason."""
    if os.environ.get("EVERYTHING") == "1":
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    skips = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return {key.removeprefix(f"{protocol}:"): reason for key, reason in skips.items()}


def run(number, directory, output, environment):
    """The rows (name, state, seconds, remark) of all tests with that number."""
    command = ["./test-runner", "-p1", "-L"] + (["-Q"] if os.environ.get("QUICK") == "1" else [])
    printed = output / f"{number}.txt"
    began = time.monotonic()
    with printed.open("wb") as file:
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
    return rows(number, COLOUR.sub("", printed.read_text(errors="replace")), process.returncode, time.monotonic() - began)


def rows(number, text, status, elapsed):
    ended = dict(ENDED.findall(text))
    skipped = dict(SKIPPED.findall(text))
    failures = {}
    for name, place, message in FAILURE.findall(text):
        failures.setdefault(name, f"{place} {message}")
    result = []
    for name in STARTED.findall(text):
        state = "FAILED" if name in failures else ended.get(name, "FAILED")
        times = re.findall(rf"^\[{name} */ *([\d.]+)s\]", text, re.MULTILINE)
        remark = failures.get(name) or skipped.get(name) or ("" if state != "FAILED" else f"ended with {status}")
        result.append((name, state, float(times[-1]) if times else 0.0, remark))
    if status != 0 and not any(state == "FAILED" for _, state, _, _ in result):
        result.append((number, "FAILED", elapsed, failures.get("MAIN", f"the test-runner ended with {status}")))
    return result


def main():
    directory, broker, skip_file, *chosen = sys.argv[1:]
    directory = Path(directory)
    protocol = os.environ.get("TEST_CONSUMER_GROUP_PROTOCOL", "classic")
    skips = read_skips(Path(skip_file), protocol)
    output = directory / "output" / f"{broker.replace(':', '-')}-{protocol}"
    output.mkdir(parents=True, exist_ok=True)
    # The suite's own way to run, five tests at a time, multiplies its time limits by 2.7; without that some are too short.
    (output / "test.conf").write_text(f"metadata.broker.list={broker}\ntest.timeout.multiplier=3\n")
    environment = os.environ | {
        "RDKAFKA_TEST_CONF": str(output / "test.conf"),
        "TEST_KAFKA_VERSION": os.environ.get("TEST_KAFKA_VERSION", "4.1.0"),
        "TEST_SCENARIO": os.environ.get("SCENARIO", "default"),
        "LD_LIBRARY_PATH": "../src:../src-cpp",
    }
    numbers = chosen or sorted({path.name[:4] for path in directory.glob("0*.c*") if path.name[:4].isdigit()})
    counts = {"PASSED": 0, "FAILED": 0, "LISTED": 0, "SKIPPED": 0}
    began = time.monotonic()
    with ThreadPoolExecutor(int(os.environ.get("JOBS", "1"))) as pool:
        results = pool.map(lambda number: run(number, directory, output, environment), [n for n in numbers if n not in skips])
        for name, state, seconds, remark in (row for result in results for row in result):
            if state == "FAILED" and name in skips:
                state, remark = "LISTED", f"{skips[name]}: {remark}"
            counts[state] += 1
            print(f"{name:46} {state:7} {seconds:6.1f} s  {remark}".rstrip(), flush=True)
    not_run = [number for number in numbers if number in skips]
    for number in not_run:
        print(f"{number:46} not run           {skips[number]}")
    print(
        f"{counts['PASSED']} passed, {counts['FAILED']} failed, {counts['LISTED']} failed as listed, {counts['SKIPPED']} skipped, "
        f"{len(not_run)} not run, in {time.monotonic() - began:.0f} s"
    )
    return 0 if counts["PASSED"] and not counts["FAILED"] else 1


if __name__ == "__main__":
    sys.exit(main())
