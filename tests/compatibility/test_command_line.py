"""What the command line and the HTTP API do with what is given to them, above all with what makes no sense."""

import base64
import json
import os
import pty
import re
import shutil
import signal
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
    for address in ["nohost:", "nohost:99999", "", ","]:
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


@pytest.mark.parametrize("options, line, sentence", [
    (["--encoding", "hex"], b"0g", "line 1 is not hex"),
    (["--encoding", "base64"], b"?", "line 1 is not base64"),
    (["--input", "json"], b'{"vlaue": 1}', "line 1 is no record in JSON: unknown field `vlaue`"),
    (["--input", "json", "--encoding", "hex"], b"", "leave out"),
    (["--key-separator", "\\q"], b"", "\\q is no escape"),
    (["--key-separator", ""], b"", "--key-separator is empty"),
    (["--header", "x"], b"", "--header: write name=value"),
])
def test_lines_that_are_none(run, make_topic, options, line, sentence):
    topic = make_topic()
    ended, _, said = run("produce", topic, *options, stdin=line + b"\n")
    assert ended == 2 and sentence in said, said
    assert run("consume", topic) == (0, "", "")


def test_bytes_that_are_no_text_go_in_and_come_out(run, make_topic, daemon):
    topic, copy = make_topic(), make_topic()
    key = bytes(byte for byte in range(256) if byte not in b"\n\t")
    assert run("produce", topic, "-k", "\\t", "-H", "a=b", stdin=key + b"\t\xff\x00\n")[0] == 0
    printed = subprocess.run([BINARY, "consume", topic, "--bootstrap-servers", daemon.kafka], capture_output=True, timeout=60).stdout
    assert printed == b"\xff\x00\n"
    assert run("consume", topic, "--template", "%k|%s|%K|%S|%h|%%\\t.", "--encoding", "hex")[1] == f"{key.hex()}|ff00|254|2|a=62|%\t.\n"
    documents = run("consume", topic, "-o", "json")[1]
    assert base64.b64decode(json.loads(documents)["key_base64"]) == key
    assert run("produce", copy, "--input", "json", stdin=documents.encode())[0] == 0
    assert json.loads(run("consume", copy, "-o", "json")[1]) | {"topic": topic} == json.loads(documents)


def test_null_values_can_be_written(run, make_topic):
    topic = make_topic()
    assert run("produce", topic, "--input", "json", stdin=b'{"key": "k", "value": null}\n')[0] == 0
    document = json.loads(run("consume", topic, "-o", "json")[1])
    assert (document["key"], document["value"]) == ("k", None)


@pytest.mark.parametrize("template", ["%x", "%", "\\q", "\\"])
def test_templates_that_are_none(run, make_topic, template):
    ended, _, said = run("consume", make_topic(), "--template", template)
    assert ended == 2 and "--template: " in said


def test_consume_follows_a_broker_that_starts_again(make_daemon):
    daemon = make_daemon().start()
    at = ["--bootstrap-servers", daemon.kafka]
    subprocess.run([BINARY, "topic", "create", "t", *at], check=True, timeout=60)
    reading = subprocess.Popen([BINARY, "consume", "t", "-f", "-n", "2", *at], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    subprocess.run([BINARY, "produce", "t", *at], input=b"before\n", check=True, timeout=60)
    assert reading.stdout.readline() == b"before\n"
    daemon.stop()
    assert b"waiting for the broker" in reading.stderr.readline()
    daemon.start()
    subprocess.run([BINARY, "produce", "t", *at], input=b"after\n", check=True, timeout=60)
    printed, said = reading.communicate(timeout=60)
    assert (reading.returncode, printed) == (0, b"after\n"), said
    assert b"the broker is back" in said


def test_consume_ends_when_its_topic_is_deleted(run, daemon, make_topic):
    topic = make_topic()
    run("produce", topic, stdin=b"a\n")
    following = begin("consume", topic, "-f", "--bootstrap-servers", daemon.kafka)
    assert following.stdout.readline() == b"a\n"
    assert run("topic", "delete", topic, "--yes")[0] == 0
    _, said = following.communicate(timeout=30)
    assert following.returncode == 3 and b"waiting" not in said, said


def test_templates_are_those_of_kcat(run, broker, make_topic):
    if not shutil.which("kcat"):
        pytest.skip("kcat is not installed")
    topic = make_topic()
    records = [{"key": "k", "value": "v", "headers": [{"key": "a", "value": "1"}, {"key": "b", "value": None}], "timestamp": 5},
               {"key": None, "value": None}, {"key": "", "value": ""}]
    run("produce", topic, "--input", "json", stdin="\n".join(map(json.dumps, records)).encode())
    template = "%t %p %o %k %K %s %S %h %%"
    theirs = subprocess.run(["kcat", "-b", broker, "-t", topic, "-C", "-e", "-q", "-f", template + "\\n"], capture_output=True, timeout=60)
    assert run("consume", topic, "--template", template)[1] == theirs.stdout.decode()


def begin(*command, **streams):
    """A command whose output is read as it comes."""
    return subprocess.Popen([BINARY, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, **streams)


def interrupt(process):
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    return process.returncode, said.decode()


def test_ctrl_c_ends_a_command(daemon, make_topic):
    topic, at = make_topic(), ["--bootstrap-servers", daemon.kafka]
    near, far = os.pipe()
    producing = begin("produce", topic, *at, stdin=near)
    following = begin("consume", topic, "-f", *at)
    os.write(far, b"a line\n")
    assert following.stdout.readline() == b"a line\n"
    assert interrupt(following) == (0, "")
    code, said = interrupt(producing)
    assert code == 130 and "1 record sent" in said and "interrupted" in said
    # At the question of a command that destroys something.
    _, terminal = pty.openpty()
    asking, asked = begin("topic", "delete", topic, *at, stdin=terminal), b""
    while b"[y/N]" not in asked:
        asked += asking.stderr.read(1) or pytest.fail(f"it ended: {asked}")
    assert f"delete topic {topic} with 1 partition and 1 record?" in asked.decode()
    assert interrupt(asking)[0] == 130
    assert subprocess.run([BINARY, "topic", "describe", topic, *at], capture_output=True, timeout=60).returncode == 0


def test_lists_say_how_much_there_is(run, daemon, broker, make_topic):
    group = topic = make_topic(2)
    write(broker, topic, 3)
    commit(broker, group, topic, 1)
    found = next(found for found in json.loads(run("topic", "list", "-o", "json")[1])["topics"] if found["name"] == topic)
    assert (found["partitions"], found["records"]) == (2, 3) and found["bytes"] > 50
    found = next(found for found in json.loads(run("group", "list", "-o", "json")[1])["groups"] if found["id"] == group)
    assert (found["members"], found["lag"]) == (0, 2)
    for kind in ["topics", "groups"]:
        with urllib.request.urlopen(f"http://{daemon.http}/api/v1/{kind}", timeout=30) as answer:
            listed = json.load(answer)[kind]
        assert listed == json.loads(run(kind[:-1], "list", "-o", "json")[1])[kind]


def server(daemon, *arguments):
    """A command that asks the admin API."""
    done = subprocess.run([BINARY, *arguments, "--server", f"http://{daemon.http}"], capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_query_is_started_by_its_statement_and_by_no_other(daemon):
    for statement in ["SELECT 1", "SHOW TABLES", "CREATE TABLE t (a INT)", "SELECT 1; SELECT 2", ""]:
        code, _, said = server(daemon, "query", "start", statement)
        assert code == 2 and "CREATE STREAMING TABLE" in said, (statement, said)


def test_what_a_failed_start_has_made_is_taken_back(daemon, run):
    statements = "CREATE TABLE no_source (a INT) USING kafka; CREATE STREAMING TABLE orphan AS SELECT a FROM STREAM no_source"
    code, _, said = server(daemon, "sql", statements)
    assert code != 0, said
    assert run("topic", "describe", "orphan")[0] == 3
    assert server(daemon, "sql", "DROP TABLE no_source")[0] == 0


def test_deleting_a_topic_names_the_queries_that_use_it(daemon, run, make_topic):
    topic = make_topic()
    table = f"CREATE TABLE events (a INT) USING kafka OPTIONS ('subscribe' '{topic}')"
    assert server(daemon, "sql", f"{table}; CREATE STREAMING TABLE all_events AS SELECT a FROM STREAM events")[0] == 0
    for name, verb in [(topic, "reads"), ("all_events", "writes")]:
        code, printed, said = run("topic", "delete", name, "--dry-run", "--server", f"http://{daemon.http}")
        assert code == 0 and "would delete" in printed and f"query all_events {verb} it" in said
    code, printed, _ = server(daemon, "query", "describe", "all_events")
    assert code == 0 and f"reads topic    {topic}" in printed
    assert server(daemon, "query", "stop", "all_events", "--yes")[0] == 0
    assert server(daemon, "sql", "DROP TABLE events")[0] == 0


def test_stopping_waits_for_nobody_who_watches_a_stream(make_daemon):
    daemon = make_daemon().start()
    at = ["--bootstrap-servers", daemon.kafka]
    subprocess.run([BINARY, "topic", "create", "t", *at], check=True, timeout=60)
    subprocess.run([BINARY, "produce", "t", *at], input=b'{"a": 7}\n', check=True, timeout=60)
    server(daemon, "sql", "CREATE TABLE t (a INT) USING kafka OPTIONS ('startingOffsets' 'earliest')")
    watching = begin("sql", "SELECT a FROM STREAM t", "--server", f"http://{daemon.http}")
    assert watching.stdout.readline() == b'{"a":7}\n'
    begun = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun < 8, "the drain would have waited for 10 s"
    assert watching.communicate(timeout=30) == (b"", b"") and watching.returncode == 0
    assert not list((daemon.directory / "data" / "processor").glob("temporary/*"))


def test_statements_that_run_here_leave_no_folder(daemon, make_topic, tmp_path):
    topic = make_topic()
    table = f"CREATE TABLE events (a INT) USING kafka OPTIONS ('subscribe' '{topic}')"
    statements = f"{table}; CREATE STREAMING TABLE copied OPTIONS ('topic' '{topic}-copy') AS SELECT a FROM STREAM events"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    running = subprocess.Popen([BINARY, "sql", "-b", daemon.kafka, statements], env=environment, stderr=subprocess.PIPE)
    assert b"runs until Ctrl-C" in running.stderr.readline()
    assert list(tmp_path.iterdir())
    running.send_signal(signal.SIGINT)
    assert running.wait(10) == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url, code, sentence", [
    ("https://127.0.0.1:8080", 2, "no encryption yet"), ("http://", 2, "no address"), ("ftp://h", 2, "ftp is not spoken"),
    ("http://127.0.0.1:1", 1, "is 'millstream serve' running there?"),
])
def test_a_server_that_cannot_be_asked(url, code, sentence):
    done = subprocess.run([BINARY, "query", "list", "--server", url], capture_output=True, timeout=60)
    assert done.returncode == code and sentence in done.stderr.decode()


def test_a_log_level_that_is_none(tmp_path):
    command = [BINARY, "serve", "--data-dir", str(tmp_path / "data"), "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    done = subprocess.run(command, env=os.environ | {"MILLSTREAM_LOG": "warning"}, capture_output=True, timeout=60)
    assert done.returncode == 2 and '"warning" is no level' in done.stderr.decode()


def test_the_quickstart_shows_results_and_ends(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [BINARY, "quickstart", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0", "--exit", "--seconds"]
    for seconds in ["15", "1"]:
        done = subprocess.run([*command, seconds], env=environment, capture_output=True, timeout=60)
        said = done.stdout.decode()
        # An order that comes too late may close a window of its own in the first second.
        results = len([line for line in said.splitlines() if re.match(r"20\d\d-\S+Z  \w", line)])
        told = f"{results} result{'' if results == 1 else 's'}, each written exactly once" if results else "No window has closed yet"
        assert done.returncode == 0 and told in said and (results or seconds == "1"), said
    running = begin(*command[1:], "30", env=environment)
    while not running.stdout.readline().startswith(b"window_start"):
        assert running.poll() is None
    assert interrupt(running) == (0, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["completions", "bash"], ["completions", "zsh"], ["completions", "fish"], ["man"]])
def test_shells_and_manual(command):
    done = subprocess.run([BINARY, *command], capture_output=True, timeout=60)
    assert done.returncode == 0 and b"reset-offsets" in done.stdout.replace(b"\\-", b"-")


def test_a_data_directory_is_looked_at_as_documents(make_daemon):
    daemon = make_daemon().start()
    at = ["--bootstrap-servers", daemon.kafka]
    subprocess.run([BINARY, "topic", "create", "7", *at], check=True, timeout=60)
    subprocess.run([BINARY, "produce", "7", *at], input=b"a\nb\n", check=True, timeout=60)
    daemon.stop()
    dumped = subprocess.run([BINARY, "log", "dump", str(daemon.directory / "data"), "--topic", "7", "-o", "json"], capture_output=True, timeout=60)
    batches = [json.loads(line) for line in dumped.stdout.splitlines()]
    assert batches and all(batch["topic"] == "7" and batch["partition"] == 0 and batch["bytes"] > 0 for batch in batches), batches
    verified = subprocess.run([BINARY, "log", "verify", str(daemon.directory / "data"), "-o", "json"], capture_output=True, timeout=60)
    found = json.loads(verified.stdout)
    assert verified.returncode == 0 and found["damage"] == [] and found["batches"] >= len(batches)
