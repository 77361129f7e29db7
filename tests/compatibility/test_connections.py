"""Connections as clients use them: many requests sent ahead, a half that is closed, an address that is not the one listened on."""

import socket
import struct
import threading

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from clients import confluent
from daemon import free_address
from record import Message

METADATA = 3


def request(key, version, correlation_id, body=b""):
    header = struct.pack(">hhih", key, version, correlation_id, -1)
    return struct.pack(">i", len(header) + len(body)) + header + body


def metadata_of_nothing(correlation_id):
    return request(METADATA, 1, correlation_id, struct.pack(">i", 0))


def answers(connection):
    """The correlation ids of all answers until the broker closes."""
    data = b""
    while part := connection.recv(65536):
        data += part
    found = []
    while data:
        (size,) = struct.unpack_from(">i", data)
        found.append(struct.unpack_from(">i", data, 4)[0])
        data = data[4 + size:]
    return found


def connect(broker):
    host, port = broker.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def test_a_burst_and_a_half_that_is_closed(broker):
    """All of what arrived is answered: requests beyond those under way wait in the broker, and nothing else ever comes."""
    for count in [1, 64, 65, 128, 129, 300]:
        with connect(broker) as connection:
            connection.sendall(b"".join(metadata_of_nothing(n) for n in range(count)) + b"\0\0\0")
            connection.shutdown(socket.SHUT_WR)
            assert answers(connection) == list(range(count))


def test_requests_cut_anywhere_while_many_are_under_way(broker):
    burst = b"".join(metadata_of_nothing(n) for n in range(64))
    torn = metadata_of_nothing(64)
    for cut in range(len(torn)):
        with connect(broker) as connection:
            connection.sendall(burst + torn[:cut])
            connection.shutdown(socket.SHUT_WR)
            assert answers(connection) == list(range(64)), cut


def test_a_producer_that_sends_each_record_at_once(broker, make_topic):
    """Hundreds of requests are sent ahead of their answers."""
    topic = make_topic()
    failed = []
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 0, "batch.num.messages": 1, "acks": "all",
                         "max.in.flight.requests.per.connection": 1000, "message.timeout.ms": 30000})
    for n in range(2000):
        producer.produce(topic, f"{n}".encode(), on_delivery=lambda error, _: error and failed.append(error))
    assert (producer.flush(60), failed) == (0, [])
    assert len(confluent.read(broker, topic)) == 2000


class PortMapping(threading.Thread):
    """What stands in front of a container: another address, behind which connections go on to the broker."""

    def __init__(self, outside, inside):
        super().__init__(daemon=True)
        self.inside = inside
        host, port = outside.rsplit(":", 1)
        self.listener = socket.create_server((host, int(port)))
        self.count = 0
        self.start()

    def run(self):
        while True:
            outer, _ = self.listener.accept()
            self.count += 1
            inner = connect(self.inside)
            for source, target in [(outer, inner), (inner, outer)]:
                threading.Thread(target=self.copy, args=(source, target), daemon=True).start()

    @staticmethod
    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_clients_are_told_the_address_of_their_listener(make_daemon):
    """Whoever comes in through a port mapping stays there; whoever comes from inside stays inside."""
    inside, behind, outside = free_address(), free_address(), free_address()
    daemon = make_daemon(f"listeners=PLAINTEXT://{inside},EXTERNAL://{behind}",
                         "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,EXTERNAL:PLAINTEXT",
                         f"advertised.listeners=EXTERNAL://{outside}", "node.id=0", kafka=None).start()
    mapping = PortMapping(outside, behind)
    for address in [inside, outside]:
        admin = AdminClient({"bootstrap.servers": address})
        brokers = admin.list_topics(timeout=30).brokers
        assert [(node.id, f"{node.host}:{node.port}") for node in brokers.values()] == [(0, address)]
    admin.create_topics([NewTopic("mapped", 1, 1)])["mapped"].result(30)
    confluent.write(outside, "mapped", [Message(b"through the mapping")])
    assert [r.message.value for r in confluent.read(inside, "mapped")] == [b"through the mapping"]
    assert mapping.count > 3
    assert daemon.stop() == 0
