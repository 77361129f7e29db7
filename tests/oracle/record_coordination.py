#!/usr/bin/env python3
"""Records, step by step, what Apache Kafka answers about groups, offsets, transactions and the administration of them.

    python3 tests/oracle/record_coordination.py 127.0.0.1:29292 127.0.0.1:29392 > tests/oracle/kafka-4.3.0-coordination.json

README.md says how the two Kafkas must be configured, and describes the format. `scenarios/` holds the tables, one module a
subject; `Scenario` is what they are written with.
"""

import argparse
import json
import re
import socket
import struct
import sys
import time

import scenarios
import wire
from scenarios.notes import note_of, unused

ANSWER_SECONDS = 10
SETTLE_SECONDS = 0.3  # from the answer to a change of metadata until every part of Kafka knows it
MARKER_SECONDS = 0.3  # from the answer to the end of a transaction until its markers are written
CHANGES_METADATA = {"CreateTopics", "DeleteTopics", "CreatePartitions", "IncrementalAlterConfigs", "AlterUserScramCredentials", "AlterClientQuotas"}
ORDER_SECONDS = 0.05  # between requests on different connections, so that they arrive in this order


class Scenario:
    def __init__(self, address, name):
        self.address, self.name = address, name
        self.steps, self.sockets, self.owed, self.bound = [], {}, {}, {}

    def send(self, connection, what, api, version, values=None, *, body=None):
        """Sends on a connection, which is opened when it is new; `body` replaces the encoded one."""
        request = wire.Request(api, version, values or {}, len(self.steps), self.bound, None, self.client_id(connection))
        frame = bytes(request.bytes if body is None else request.bytes[: request.body_start] + body)
        step = {
            "connection": connection, "name": f"{api} v{version}: {what}", "api_key": wire.REQUESTS[api].key,
            "api_version": version, "request": frame.hex(),
        }
        if request.uses:
            step["uses"] = request.uses
        if request.batches:
            step["batches"] = request.batches
        self.steps.append({"send": step})
        assert connection not in self.owed, f"{connection} is owed an answer"
        if self.owed:
            time.sleep(ORDER_SECONDS)
        self.owed[connection] = (api, step)
        if connection not in self.sockets:
            self.sockets[connection] = socket.create_connection(self.address)
        self.sockets[connection].sendall(struct.pack(">i", len(frame)) + frame)

    def receive(self, connection, bind=None):
        """Waits for the answer that is owed; `bind` gives names to values in it."""
        api, sent = self.owed.pop(connection)
        try:
            response = self.frame(connection, ANSWER_SECONDS)
        except ConnectionError:
            self.sockets.pop(connection).close()
            self.steps.append({"closed": connection})
            return None
        step = {key: sent[key] for key in ("connection", "name", "api_key", "api_version")} | {"response": response.hex()}
        if bind:
            found = {name: value(response) for name, value in bind.items()}
            self.bound.update(found)
            step["bind"] = {name: value.hex() for name, value in found.items()}
        note = note_of(sent["name"])
        if note:
            step["note"] = note
        self.steps.append({"receive": step})
        if api in CHANGES_METADATA:
            time.sleep(SETTLE_SECONDS)
        if api == "EndTxn" and error_of(api, step["api_version"], response) == 0:
            time.sleep(MARKER_SECONDS)
        return response

    def ask(self, connection, what, api, version, values=None, *, bind=None, body=None):
        self.send(connection, what, api, version, values, body=body)
        return self.receive(connection, bind)

    def silence(self, connection, ms=300):
        """Nothing comes on the connection for a while."""
        try:
            self.frame(connection, ms / 1000)
        except TimeoutError:
            self.steps.append({"silence": {"connection": connection, "ms": ms}})
        else:
            raise AssertionError(f"{self.name}: an answer instead of silence on {connection}")

    def wait(self, ms):
        """A time that Kafka's answers depend on."""
        time.sleep(ms / 1000)
        self.steps.append({"wait_ms": ms})

    def disconnect(self, connection):
        """The client closes the connection."""
        self.sockets.pop(connection).close()
        self.owed.pop(connection, None)
        self.steps.append({"disconnect": connection})

    def end(self):
        for open_socket in self.sockets.values():
            open_socket.close()

    def frame(self, connection, seconds):
        self.sockets[connection].settimeout(seconds)
        (length,) = struct.unpack(">i", self.read(connection, 4))
        return self.read(connection, length)

    def read(self, connection, length):
        data = b""
        while len(data) < length:
            part = self.sockets[connection].recv(length - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    @staticmethod
    def client_id(connection):
        return f"client-{connection}"

    # What the scenarios of every kind need.

    def create(self, topic, partitions=1):
        """A topic with one segment that stays, although the time of the records is fixed and that of the markers is not."""
        configs = [{"name": "retention.ms", "value": "-1"}, {"name": "segment.ms", "value": str(2**63 - 1)}]
        topics = [{"name": topic, "num_partitions": partitions, "configs": configs}]
        name = wire.uvarint(len(topic) + 1) + topic.encode()
        self.ask(
            "setup", f"create {topic}", "CreateTopics", 7, {"topics": topics},
            bind={f"topic_id:{topic}": lambda response: after(response, name, 16)},
        )


def error_of(api, version, response):
    """The error code of an answer that begins with a throttle time and an error code."""
    start = 8 + (version >= wire.REQUESTS[api].flexible)
    return int.from_bytes(response[start : start + 2], signed=True)


def after(response, prefix, length):
    start = response.index(prefix) + len(prefix)
    return response[start : start + length]


def await_coordinators(address):
    """Kafka creates its internal topics, and fetches the first block of producer ids, when somebody asks."""
    deadline = time.monotonic() + 60
    probes = [
        ("FindCoordinator", 3, {"key": "warm-up", "key_type": 0}), ("FindCoordinator", 3, {"key": "warm-up", "key_type": 1}),
        ("ListGroups", 3, {}), ("ListTransactions", 0, {}), ("InitProducerId", 2, {}),
    ]
    probes += [("Heartbeat", 3, {"group_id": f"warm-up-{number}"}) for number in range(20)]
    probes += [("InitProducerId", 2, {"transactional_id": f"warm-up-{number}"}) for number in range(20)]
    for api, version, values in probes:
        while True:
            scenario = Scenario(address, "warm-up")
            response = scenario.ask("a", "", api, version, values)
            scenario.end()
            if error_of(api, version, response) not in (14, 15, 16, 51):
                break
            assert time.monotonic() < deadline, f"no {api}"
            time.sleep(SETTLE_SECONDS)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("address", type=host_and_port)
    arguments.add_argument("address_without_migration", type=host_and_port, nargs="?")
    arguments.add_argument("--only", type=re.compile, default="", help="the scenarios whose names this regular expression finds")
    options = arguments.parse_args()
    wanted = re.compile(options.only)
    recorded = record(options.address, wanted, scenarios.all_scenarios(), {})
    if options.address_without_migration:
        broker = {"broker": {"group.consumer.migration.policy": "disabled"}}
        recorded += record(options.address_without_migration, wanted, scenarios.scenarios_without_migration(), broker)
    names = [step["receive"]["name"] for scenario in recorded for step in scenario["steps"] if "receive" in step]
    if not options.only:
        assert not unused(names), f"notes without a step: {unused(names)}"
    print('{"kafka": "4.3.0", "scenarios": [')
    print(",\n".join(scenario_json(scenario) for scenario in recorded))
    print("]}")


def host_and_port(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def record(address, wanted, played, extra):
    await_coordinators(address)
    recorded = []
    for name, play in played:
        if not wanted.search(name):
            continue
        scenario = Scenario(address, name)
        started = time.monotonic()
        try:
            play(scenario)
        finally:
            scenario.end()
            print(f"{time.monotonic() - started:6.1f} s  {len(scenario.steps):4} steps  {name}", file=sys.stderr)
        recorded.append({"name": name} | about(play) | extra | {"steps": scenario.steps})
    return recorded


def about(play):
    text = getattr(play, "func", play).__doc__
    return {"about": text} if text else {}


def scenario_json(scenario):
    steps = ",\n".join(json.dumps(step) for step in scenario.pop("steps"))
    return json.dumps(scenario)[:-1] + f', "steps": [\n{steps}\n]}}'


if __name__ == "__main__":
    main()
