"""What the command line and the HTTP API say of groups, and what `produce` does with lines that are none."""

import json
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from daemon import BINARY


@pytest.fixture
def run(daemon):
    def run(*arguments, stdin=b""):
        """The command's code, what it prints, and what it says beside that."""
        command = [BINARY, *arguments, "--bootstrap-servers", daemon.kafka]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


@pytest.fixture
def reset(daemon):
    def reset(group, **body):
        """The status and the document."""
        url = f"http://{daemon.http}/api/v1/groups/{group}/reset-offsets"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return reset


def write(broker, topic, count):
    producer = Producer({"bootstrap.servers": broker, "log_level": 2})
    for number in range(count):
        producer.produce(topic, f"{number}".encode(), partition=0)
    assert producer.flush(30) == 0


def commit(broker, group, topic, offset):
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group, "enable.auto.commit": False, "log_level": 2})
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()


@pytest.mark.parametrize("options, wrong, code, sentence", [
    (["--json"], b"no json\n", 2, "line 30001 is no JSON"),
    (["--key-separator", "{"], b"no key\n", 2, "line 30001 has no key"),
    ([], b"\xff\xfe\n", 1, "line 30001 cannot be read"),
])
def test_the_lines_before_a_wrong_one_are_sent(run, make_topic, options, wrong, code, sentence):
    topic = make_topic(2)
    lines = b"".join(b'{"n": %d}\n' % number for number in range(30_000))
    ended, _, said = run("produce", topic, *options, stdin=lines + wrong + b'{"n": -1}\n')
    assert ended == code and sentence in said and "30000 records sent" in said
    _, printed, _ = run("consume", topic)
    assert len(printed.splitlines()) == 30_000


def test_what_the_broker_says_of_a_record_is_passed_on(run, make_topic):
    ended, _, said = run("produce", make_topic(cleanup_policy="compact"), stdin=b"no key\n")
    assert ended == 1 and "Compacted topic cannot accept message without key" in said


def test_a_partition_that_is_not_there(run, make_topic):
    assert run("produce", make_topic(2), "--partition", "2", stdin=b"x\n")[0] == 3


@pytest.mark.parametrize("place", ["@-1", "@-5", "@+5", "-1", "--5m", "-5", "-m", "-99999999999999999999d", "@99999999999999999999", "@", "", "5x", "x"])
def test_places_that_are_none(run, reset, broker, make_topic, place):
    group = topic = make_topic()
    commit(broker, group, topic, 0)
    ended, _, said = run("group", "reset-offsets", group, f"--to={place}", "--yes")
    assert ended == 2 and f"--to {place}: write beginning" in said


@pytest.mark.parametrize("body", [
    {"offset": -1}, {"timestamp_ms": -1}, {"ago_ms": -1}, {"ago_ms": -(2**63)}, {"to": "nowhere"}, {}, {"to": "end", "offset": 1},
    {"to": "end", "topics": []}, {"to": "end", "unknown": 1}, {"offset": 2**63},
])
def test_bodies_that_are_none(reset, broker, make_topic, body):
    group = topic = make_topic()
    commit(broker, group, topic, 0)
    status, problem = reset(group, dry_run=False, **body)
    assert status == 400 and problem["code"] == "bad_body", problem


def test_before_there_was_time_is_the_beginning(run, reset, broker, make_topic):
    group = topic = make_topic()
    write(broker, topic, 3)
    commit(broker, group, topic, 2)
    for place in ["-99999d", "@0", "earliest", "beginning", "0"]:
        assert json.loads(run("group", "reset-offsets", group, f"--to={place}", "-o", "json")[1])["offsets"][0]["to"] == 0, place
    assert reset(group, ago_ms=2**63 - 1)[1]["offsets"][0] == {"topic": topic, "partition": 0, "from": 2, "to": 0}
    status, done = reset(group, to="latest", topics=[topic, topic], dry_run=False)
    assert status == 200 and done["is_done"] and done["offsets"] == [{"topic": topic, "partition": 0, "from": 2, "to": 3}]


def test_a_group_at_work(run, reset, broker, make_topic):
    """Its partitions are shown before anything is committed, and nobody moves or deletes what it has."""
    group = topic = make_topic(2)
    write(broker, topic, 3)
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest", "log_level": 2})
    consumer.subscribe([topic])
    deadline = time.monotonic() + 30
    while len(consumer.assignment()) < 2 and time.monotonic() < deadline:
        consumer.poll(0.1)
    try:
        described = json.loads(run("group", "describe", group, "-o", "json")[1])
        member = described["members"][0]["id"]
        assert [offset | {"member_id": offset["member_id"] == member} for offset in described["offsets"]] == [
            {"topic": topic, "partition": partition, "committed_offset": None, "end_offset": end, "lag": None, "member_id": True}
            for partition, end in [(0, 3), (1, 0)]]
        for command in [["reset-offsets", group, "--to=end", "--topic", topic], ["delete", group]]:
            for how in [["--yes"], ["--dry-run"]]:
                ended, _, said = run("group", *command, *how)
                assert ended == 4 and "stop them first" in said, (command, how)
        for dry_run in [True, False]:
            status, problem = reset(group, to="end", topics=[topic], dry_run=dry_run)
            assert (status, problem["code"]) == (409, "non_empty_group")
    finally:
        consumer.close()


def test_committed_beyond_the_end(run, broker, make_topic):
    group = topic = make_topic()
    write(broker, topic, 3)
    commit(broker, group, topic, 500)
    assert json.loads(run("group", "describe", group, "-o", "json")[1])["offsets"][0]["lag"] == -497


def test_a_name_with_a_line_break_does_not_break_a_table(run, broker, make_topic):
    topic = make_topic()
    commit(broker, f"{topic}\nsecond\tline", topic, 0)
    assert f"{topic}\\nsecond\\tline  " in run("group", "list")[1]


def test_an_address_without_a_port(daemon):
    for address in ["nohost", "nohost:", "nohost:99999", ""]:
        done = subprocess.run([BINARY, "topic", "list", "--bootstrap-servers", address], capture_output=True, timeout=60)
        assert (done.returncode, b"HOST:PORT" in done.stderr) == (2, True), (address, done.stderr)


def test_a_dry_run_promises_nothing_that_is_refused(run, broker, make_topic):
    commit(broker, "makes-the-topic", make_topic(1), 0)
    for how in ["--dry-run", "--yes"]:
        code, _, said = run("topic", "delete", "__consumer_offsets", how)
        assert code == 4 and "the broker's own" in said


def test_a_name_in_a_path_that_is_none(daemon):
    for path in ["topics", "groups", "queries"]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://{daemon.http}/api/v1/{path}/%ff", timeout=30)
        assert refused.value.code == 400 and json.load(refused.value)["code"] == "bad_path"


def test_what_is_counted_of_groups_and_transactions(make_daemon):
    # One of its own: what other tests left behind comes and goes meanwhile.
    daemon = make_daemon()
    daemon.start()
    broker, topic = daemon.kafka, "counted"
    write(broker, topic, 1)

    def counted():
        with urllib.request.urlopen(f"http://{daemon.http}/metrics", timeout=30) as answer:
            lines = [line.split() for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name.removeprefix("millstream_"): int(value) for name, value in lines}

    commit(broker, "group", topic, 0)
    member = Consumer({"bootstrap.servers": broker, "group.id": "group", "log_level": 2})
    member.subscribe([topic])
    deadline = time.monotonic() + 30
    while not member.assignment():
        assert time.monotonic() < deadline
        member.poll(0.1)
    producer = Producer({"bootstrap.servers": broker, "transactional.id": "producer", "log_level": 2})
    producer.init_transactions(30)
    for end in [producer.commit_transaction, producer.commit_transaction, producer.abort_transaction]:
        producer.begin_transaction()
        producer.produce(topic, b"x")
        producer.flush(30)
        assert counted()["open_transactions"] == 1
        end(30)
    assert {name: value for name, value in counted().items() if "group" in name or "transaction" in name or "offsets" in name} == {
        "groups": 1, "group_members": 1, "committed_offsets_total": 1, "transactional_ids": 1, "open_transactions": 0,
        "committed_transactions_total": 2, "aborted_transactions_total": 1,
    }
    member.close()
    assert counted()["group_members"] == 0
    assert daemon.stop() == 0
