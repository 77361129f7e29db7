"""Records as large as the topic allows are taken and can be read; one byte more is MSG_SIZE_TOO_LARGE.

The limit (max.message.bytes) is on the batch. A batch of one record without key and headers, of a size that needs
three-byte lengths, has 72 bytes around the value.
"""

import pytest

from record import MESSAGE_TOO_LARGE, Message, Refused

AROUND = 72
DEFAULT_LIMIT = 1_048_588
CLIENT_LIMIT = 3_000_000


def test_exactly_the_limit(client, everybody, broker, make_topic):
    topic = make_topic(max_message_bytes="100000")
    largest = Message(b"x" * (100_000 - AROUND))
    client.write(broker, topic, [largest], max_size=CLIENT_LIMIT)
    for reader in everybody:
        assert [r.message for r in reader.read(broker, topic)] == [largest], f"as read by {reader.NAME}"


def test_one_byte_above_the_limit(client, broker, make_topic):
    topic = make_topic(max_message_bytes="100000")
    with pytest.raises(Refused) as refused:
        client.write(broker, topic, [Message(b"x" * (100_001 - AROUND))], max_size=CLIENT_LIMIT)
    assert refused.value.code == MESSAGE_TOO_LARGE
    client.write(broker, topic, [Message(b"small")])
    assert [r.message.value for r in client.read(broker, topic)] == [b"small"], "a refusal leaves nothing behind"


def test_default_limit(client, everybody, broker, make_topic):
    """More than a fetch asks for by default (1 MiB): the first batch must come all the same."""
    topic = make_topic()
    largest = Message(b"x" * (DEFAULT_LIMIT - 100))
    client.write(broker, topic, [largest, Message(b"next")], max_size=CLIENT_LIMIT)
    for reader in everybody:
        assert [len(r.message.value) for r in reader.read(broker, topic)] == [len(largest.value), 4], reader.NAME
    with pytest.raises(Refused) as refused:
        client.write(broker, topic, [Message(b"x" * DEFAULT_LIMIT)], max_size=CLIENT_LIMIT)
    assert refused.value.code == MESSAGE_TOO_LARGE
