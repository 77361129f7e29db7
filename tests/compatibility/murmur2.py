"""The hash by which Kafka's own producer picks the partition of a key, written down independently of any client."""

MASK = 0xFFFFFFFF
M = 0x5BD1E995


def murmur2(data):
    h = (0x9747B28C ^ len(data)) & MASK
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at:at + 4], "little") * M & MASK
        k = (k ^ k >> 24) * M & MASK
        h = (h * M & MASK) ^ k
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * M & MASK
    h = (h ^ h >> 13) * M & MASK
    return h ^ h >> 15


def partition_of(key, partitions):
    return (murmur2(key) & 0x7FFFFFFF) % partitions
