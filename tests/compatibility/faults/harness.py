"""One run: a broker, its clients, somebody who hurts them, and at the end the judgement."""

import os
import pathlib
import shutil
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from daemon import Daemon, free_address

from . import settings
from .crew import Crew
from .enough import missing
from .events import Recorder, read
from .model import History
from .nemesis import Nemesis
from .observer import GROUPS
from .report import report
from .topics import BY_NAME, TOPICS
from .watch import Watch

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    seconds: float
    seed: int
    has_faults: bool
    folder: pathlib.Path
    rate: float = 1.0
    peer: str | None = None  # another broker to run against, which is not killed


@dataclass(frozen=True)
class Outcome:
    findings: list
    missing: list[str]
    text: str

    @property
    def is_good(self) -> bool:
        return not self.findings and not self.missing


def run(plan: Plan, say: Say) -> Outcome:
    shutil.rmtree(plan.folder, ignore_errors=True)
    history = plan.folder / "history"
    history.mkdir(parents=True)
    record = Recorder(history, "harness")
    record("run", "info", seed=plan.seed, seconds=plan.seconds, has_faults=plan.has_faults, rate=plan.rate)
    properties = [f"{name}={value}" for name, value in settings.BROKER.items()]
    daemon = Daemon(plan.folder, properties, kafka=plan.peer or free_address(), http=free_address())
    crew = Crew(daemon.kafka, history, plan.seed, plan.has_faults, plan.rate, record)
    nemesis = Nemesis(daemon, crew, Watch(history), record, plan.seed, say)
    try:
        if not plan.peer:
            nemesis.start()
        create_topics(daemon.kafka, record, plan.peer is not None)
        commit_beginnings(daemon.kafka, record)
        crew.start()
        work(plan, nemesis, crew, say)
        say("the clients leave")
        crew.end()
        if not plan.peer:
            nemesis.kill() if plan.has_faults else nemesis.end()
        say("everything is read once more")
        crew.read_everything()
        if not plan.peer:
            nemesis.stop()
    except Exception:
        # What is known until here is judged all the same; it cannot be good.
        record("run", "fail", error=traceback.format_exc(limit=-3))
    finally:
        crew.kill()
        if daemon.running():
            daemon.kill()
    return judge(history, say)


def create_topics(broker: str, record: Recorder, is_peer: bool) -> None:
    # Kafka takes no smaller segments.
    least = {"segment.bytes": "1048576"} if is_peer else {}
    new = [NewTopic(topic.name, topic.partitions, 1, config={**topic.configs, **least}) for topic in TOPICS]
    admin = AdminClient(settings.client(broker))
    for created in admin.create_topics(new).values():
        created.result(30)
    for topic in TOPICS:
        record("topic", "info", topic=topic.to_event())


def commit_beginnings(broker: str, record: Recorder) -> None:
    """So that no member has to ask where a partition begins: see "Known of the clients" in README.md."""
    for group, names in GROUPS.items():
        consumer = Consumer(settings.consumer(broker, "uncommitted", group))
        places = [TopicPartition(name, partition, 0) for name in names for partition in range(BY_NAME[name].partitions)]
        told = {"group": group, "session": 0, "offsets": [[place.topic, place.partition, place.offset] for place in places]}
        record("commit_offsets", "invoke", **told)
        consumer.commit(offsets=places, asynchronous=False)
        record("commit_offsets", "ok", **told)
        consumer.close()


def work(plan: Plan, nemesis: Nemesis, crew: Crew, say: Say) -> None:
    """As long as was planned, and longer when the dice fell so that too little happened."""
    until = time.monotonic() + plan.seconds
    latest = until + 2 * plan.seconds
    told = time.monotonic()
    while True:
        if (now := time.monotonic()) >= until:
            lacking = missing_so_far(plan, nemesis)
            if not lacking or now >= latest:
                return
            say(f"goes on: {'; '.join(lacking)}")
            until = now + 0.2 * plan.seconds
        if plan.has_faults:
            nemesis.act()
        else:
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))
        crew.look_after()
        if time.monotonic() - told > 60:
            told = time.monotonic()
            say(f"{nemesis.watch.count('produce', 'ok')} records acknowledged, {sum(nemesis.counts.values())} deeds, "
                f"{until - told:.0f} s to go")


def missing_so_far(plan: Plan, nemesis: Nemesis) -> list[str]:
    return missing(History(read(plan.folder / "history")), plan.seconds, plan.rate, plan.has_faults, nemesis.counts)


def judge(folder: pathlib.Path, say: Say) -> Outcome:
    """From the files alone."""
    say("the history is checked")
    run_event = None
    deeds: Counter[str] = Counter()
    for event in read(folder):
        if event["op"] == "run" and event["type"] == "info":
            run_event = event
        elif event["op"] == "nemesis":
            deeds[event["did"]] += 1
    if run_event is None:
        raise SystemExit(f"no run is described in {folder}")
    history = History(read(folder))
    lacking = missing(history, run_event["seconds"], run_event["rate"], run_event["has_faults"], deeds)
    findings, text = report(history, lambda: read(folder), run_event, deeds, lacking)
    return Outcome(findings, lacking, text)


def default_folder(seed: int) -> pathlib.Path:
    return pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"millstream-faults-{os.getpid()}-{seed}"
