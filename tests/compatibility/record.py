"""What a test sends (Message) and what a test reads back (Record), whichever client did it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Message:
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True)
class Record:
    partition: int
    offset: int
    message: Message
    timestamp: int = field(default=-1, compare=False)


class Refused(Exception):
    """The broker answered with an error; `code` is its number in the Kafka protocol."""

    def __init__(self, code, text=""):
        super().__init__(f"error {code} {text}")
        self.code = code


MESSAGE_TOO_LARGE = 10
