"""kcat, the command line of librdkafka. It is an old librdkafka (2.0.2 in Debian 12), and that is welcome here."""

import itertools
import json
import subprocess

from record import MESSAGE_TOO_LARGE, Message, Record, Refused

NAME = "kcat"
KEY_END, MESSAGE_END = b"\x1f", b"\x1e"  # let keys and values hold anything printable, newlines too
PATIENCE = 60


def can_send(message):
    return True


def write(broker, topic, messages, codec="none", acks="all", idempotent=False, partition=None, max_size=1_000_000):
    options = [f"compression.codec={codec}", f"acks={acks}", f"enable.idempotence={str(idempotent).lower()}"]
    options += [f"message.max.bytes={max_size}", "partitioner=murmur2_random"]
    # Headers, and whether an empty value means null, are options of a whole run.
    for (headers, null), run in itertools.groupby(messages, lambda m: (m.headers, m.value is None)):
        command = ["kcat", "-P", "-b", broker, "-t", topic, "-K", r"\x1f", "-D", r"\x1e"]
        command += [part for option in options for part in ("-X", option)]
        command += [part for header in headers for part in ("-H", header_argument(*header))]
        command += ["-Z"] if null else []
        command += ["-p", str(partition)] if partition is not None else []
        done = subprocess.run(command, input=b"".join(map(line, run)), capture_output=True, timeout=PATIENCE)
        if done.returncode != 0:
            text = done.stderr.decode()
            raise Refused(MESSAGE_TOO_LARGE if "Message size too large" in text else None, text)


def line(message):
    """With -Z an empty key means null too; and a message without any key delimiter must not be empty."""
    if message.key is None and message.value is not None:
        return message.value + MESSAGE_END
    return (message.key or b"") + KEY_END + (message.value or b"") + MESSAGE_END


def header_argument(name, value):
    return name if value is None else f"{name}={value.decode()}"


def read(broker, topic):
    command = ["kcat", "-C", "-b", broker, "-t", topic, "-o", "beginning", "-e", "-q", "-J"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE)
    records = [record(json.loads(text)) for text in done.stdout.splitlines()]
    return sorted(records, key=lambda r: (r.partition, r.offset))


def record(envelope):
    names_and_values = iter(envelope.get("headers", []))
    headers = tuple((name, to_bytes(value)) for name, value in zip(names_and_values, names_and_values))
    message = Message(to_bytes(envelope["payload"]), to_bytes(envelope["key"]), headers)
    return Record(envelope["partition"], envelope["offset"], message, envelope["ts"])


def to_bytes(text):
    return None if text is None else text.encode()
