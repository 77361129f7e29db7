"""Keys land in the partition that murmur2 says, in a topic of several partitions, whichever client sends them."""

import pytest

from murmur2 import murmur2, partition_of
from record import Message

# Apache Kafka's unit test of Utils.murmur2 has these.
KNOWN = {
    b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829, b"abc": 479470107,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
}


@pytest.mark.parametrize("key", KNOWN)
def test_murmur2_itself(key):
    assert murmur2(key) == KNOWN[key] & 0xFFFFFFFF


def test_keys_go_where_murmur2_says(client, broker, make_topic):
    topic = make_topic(5)
    messages = [Message(b"value", f"key {n}".encode()) for n in range(200)] + [Message(b"value", key) for key in KNOWN]
    client.write(broker, topic, messages)
    records = client.read(broker, topic)
    assert len(records) == len(messages)
    wrong = [r for r in records if r.partition != partition_of(r.message.key, 5)]
    assert wrong == []
    assert {r.partition for r in records} == {0, 1, 2, 3, 4}


def test_chosen_partition(client, everybody, broker, make_topic):
    topic = make_topic(4)
    for partition in (3, 1):
        client.write(broker, topic, [Message(f"{partition}".encode(), b"same key")] * 3, partition=partition)
    for reader in everybody:
        places = [(r.partition, r.offset, r.message.value) for r in reader.read(broker, topic)]
        assert places == [(1, n, b"1") for n in range(3)] + [(3, n, b"3") for n in range(3)], reader.NAME
