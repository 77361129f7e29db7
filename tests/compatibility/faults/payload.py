"""What is in a record: who sent it, its number, a checksum and some padding.

The name of a record, `producer/number`, is unique in a run: whoever reads it back knows which sending it came from.
"""

import random
import zlib

# A record without a value (a deletion in a compacted topic) has its name here.
NAME_HEADER = "name"


def make(name: str, padding: int = 0) -> bytes:
    content = f"{name} ".encode() + random.randbytes(padding // 2).hex().encode()
    return b"%08x " % zlib.crc32(content) + content


def name_of(value: bytes | None, headers: list[tuple[str, bytes]] | None = None) -> str:
    """The record's name; of one that is not as it was sent, a name that nobody has."""
    if value is None:
        named = [content for name, content in headers or [] if name == NAME_HEADER]
        return named[0].decode() if named else "!nameless"
    checksum, _, content = value.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(content):
        return f"!altered {value[:60]!r}"
    return content.partition(b" ")[0].decode()
