"""Whatever one client writes, every client reads back: keys, null values, headers, unicode, codecs, acknowledgements."""

import time

import pytest

from record import Message, Refused

MESSAGES = [
    Message(b"plain", b"key"),
    Message(b"no key"),
    Message(None, b"deleted"),
    Message(b"", b"empty"),
    Message("Grüße, 世界 🐿".encode(), "ключ".encode()),
    Message(b"two lines\nin one value", b"key"),
    Message(b"headers", b"key", (("trace", b"1"), ("trace", b"2"), ("other", "ü".encode()), ("trace", b"1"))),
    Message(b"odd headers", b"key", (("empty", b""), ("null", None), ("имя", b"x"))),
    Message(None, None, (("only", b"headers"),)),
]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def check_everybody_reads(everybody, broker, topic, messages):
    for reader in everybody:
        records = reader.read(broker, topic)
        assert [r.message for r in records] == messages, f"as read by {reader.NAME}"
        assert [r.offset for r in records] == list(range(len(messages))), f"as read by {reader.NAME}"


@pytest.mark.parametrize("codec", CODECS)
def test_what_one_writes_all_read(client, everybody, broker, make_topic, codec):
    topic = make_topic()
    messages = [message for message in MESSAGES if client.can_send(message)]
    client.write(broker, topic, messages, codec=codec)
    check_everybody_reads(everybody, broker, topic, messages)


def test_batches_of_all_codecs_in_one_partition(client, everybody, broker, make_topic):
    topic = make_topic()
    messages = [Message(f"{codec} {n}".encode() * 20, b"key") for codec in CODECS for n in range(50)]
    for n, codec in enumerate(CODECS):
        client.write(broker, topic, messages[n * 50:n * 50 + 50], codec=codec)
    check_everybody_reads(everybody, broker, topic, messages)


@pytest.mark.parametrize("codec", CODECS[1:])
def test_codec_is_really_used(client, broker, make_topic, codec):
    """A client that misreads the broker's versions sends plain batches and says nothing.

    So: 200 kB of one letter fit into a topic that takes 20 kB only when they were compressed on the way.
    """
    topic = make_topic(max_message_bytes="20000")
    message = Message(b"a" * 200_000)
    client.write(broker, topic, [message], codec=codec)
    assert [r.message for r in client.read(broker, topic)] == [message]
    with pytest.raises(Refused):
        client.write(broker, topic, [message], codec="none")


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acknowledgements(client, broker, make_topic, acks):
    """With acks=0 the client does not wait, so the records are only there a little later."""
    topic = make_topic()
    messages = [Message(f"{n}".encode()) for n in range(100)]
    client.write(broker, topic, messages, acks=acks)
    deadline = time.monotonic() + (10 if acks == "0" else 0)
    while len(records := client.read(broker, topic)) < 100 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [r.message for r in records] == messages


def test_idempotent_producer(client, everybody, broker, make_topic):
    topic = make_topic(3)
    messages = [Message(f"{n}".encode(), f"key {n % 7}".encode()) for n in range(1000)]
    client.write(broker, topic, messages[:500], idempotent=True)
    client.write(broker, topic, messages[500:], idempotent=True)
    for reader in everybody:
        records = reader.read(broker, topic)
        assert len(records) == 1000
        for partition in range(3):
            values = [int(r.message.value) for r in records if r.partition == partition]
            assert values == sorted(set(values)), f"order in partition {partition} as read by {reader.NAME}"


def test_empty_topic(client, broker, make_topic):
    assert client.read(broker, make_topic(2)) == []
