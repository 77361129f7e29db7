"""The command line: a run, or the check of the files of an earlier one. See README.md."""

import argparse
import os
import pathlib
import random
import sys
import time


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults/run", description="Kills the broker under load and checks the history.")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=None, help="repeats the choices of an earlier run")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--kills", action="store_true", help="the default: kill, end and pause the broker, freeze and kill clients")
    kind.add_argument("--no-faults", action="store_true", help="the same clients, and nobody hurts anybody")
    parser.add_argument("--server", type=pathlib.Path, help="the binary (default: target/debug/millstream)")
    parser.add_argument("--rate", type=float, default=1.0, help="how busy the clients are")
    parser.add_argument("--folder", type=pathlib.Path, help="where data and history go; what is there is removed")
    parser.add_argument("--peer", metavar="HOST:PORT", help="without faults, against a broker that runs already: to test the harness")
    parser.add_argument("--check", type=pathlib.Path, metavar="FOLDER", help="only checks the history of an earlier run")
    chosen = parser.parse_args()
    if chosen.server:
        os.environ["MILLSTREAM"] = str(chosen.server.resolve())
    if chosen.peer and not chosen.no_faults:
        parser.error("--peer goes with --no-faults")
    # They look at MILLSTREAM.
    from . import harness

    if chosen.check:
        outcome = harness.judge(chosen.check / "history", say)
    else:
        seed = random.randrange(10**6) if chosen.seed is None else chosen.seed
        folder = chosen.folder.resolve() if chosen.folder else harness.default_folder(seed)
        if not chosen.peer and not os.access(os.environ.get("MILLSTREAM", ""), os.X_OK):
            parser.error(f"no binary at {os.environ.get('MILLSTREAM')}: build it, or name one with --server")
        say(f"SEED={seed}, folder {folder}")
        outcome = harness.run(harness.Plan(chosen.minutes * 60, seed, not chosen.no_faults, folder, chosen.rate, chosen.peer), say)
        say(f"SEED={seed}, folder {folder}")
    print(outcome.text)
    return 0 if outcome.is_good else 1


def say(sentence: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
