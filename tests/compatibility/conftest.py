"""Fixtures: a broker to talk to (ours, or the one that KAFKA_PEER names) and topics with fresh names."""

import itertools
import os
import shutil
import time

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from clients import CLIENTS
from daemon import Daemon

PEER = os.environ.get("KAFKA_PEER")
DAEMONS = []
# How low a share group may set what its members have to wait for. Kafka needs the same to be tested with test_queues.py.
SHARE_GROUPS_MAY_BE_QUICK = [
    "group.share.min.session.timeout.ms=1000", "group.share.min.heartbeat.interval.ms=200",
    "group.share.min.record.lock.duration.ms=1000",
]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows what the daemon wrote to stderr beside the failure of a test."""
    report = (yield).get_result()
    if report.failed:
        for daemon in DAEMONS:
            report.sections.append((f"stderr of the daemon in {daemon.directory}", daemon.stderr_tail()))


@pytest.fixture(scope="session")
def make_daemon(tmp_path_factory):
    """Makes daemons that are gone at the end of the run, whatever happened to the test."""
    if PEER:
        pytest.skip("needs a daemon of ours, and KAFKA_PEER names somebody else's broker")

    def make(*settings, **places):
        daemon = Daemon(tmp_path_factory.mktemp("daemon"), settings, **places)
        DAEMONS.append(daemon)
        return daemon

    yield make
    for daemon in DAEMONS:
        if daemon.running():
            daemon.kill()


@pytest.fixture(scope="session")
def daemon(make_daemon):
    """One daemon for all tests that leave it running. It must end cleanly when it is asked to."""
    daemon = make_daemon("auto.create.topics.enable=true", *SHARE_GROUPS_MAY_BE_QUICK).start()
    yield daemon
    code = daemon.stop()
    assert code == 0, f"SIGTERM ended the daemon with code {code}\n{daemon.stderr_tail()}"


@pytest.fixture(scope="session")
def broker(request):
    """The address of the broker under test."""
    return PEER or request.getfixturevalue("daemon").kafka


@pytest.fixture(scope="session")
def admin(broker):
    return AdminClient({"bootstrap.servers": broker})


@pytest.fixture(scope="session")
def make_topic(admin):
    """Creates topics with names that no other test, and no earlier run, has used."""
    numbers = itertools.count()

    def make(partitions=1, **configs):
        name = f"test-{os.getpid()}-{next(numbers)}"
        configs = {key.replace("_", "."): value for key, value in configs.items()}
        admin.create_topics([NewTopic(name, partitions, 1, config=configs)])[name].result(30)
        deadline = time.monotonic() + 10
        while len(admin.list_topics(name, 30).topics[name].partitions) != partitions:
            assert time.monotonic() < deadline, f"{name} was created but is not in the metadata"
            time.sleep(0.02)
        return name

    return make


@pytest.fixture
def new_name(request):
    """A name for a topic that does not exist yet."""
    return f"new-{os.getpid()}-{abs(hash(request.node.name)) % 10**8}"


@pytest.fixture(params=CLIENTS, ids=lambda client: client.NAME)
def client(request):
    """Each client in turn."""
    skip_if_missing(request.param)
    return request.param


@pytest.fixture
def everybody():
    """All clients that are installed, for tests in which each reads what one wrote."""
    return [client for client in CLIENTS if client.NAME != "kcat" or shutil.which("kcat")]


@pytest.fixture
def kcat():
    from clients import kcat

    skip_if_missing(kcat)
    return kcat


def skip_if_missing(client):
    if client.NAME == "kcat" and not shutil.which("kcat"):
        pytest.skip("kcat is not installed")
