"""The topics of the workload, and what may legally be missing from each in the end."""

from dataclasses import asdict, dataclass, field
from typing import Any

SEGMENT_BYTES = 65_536
RETENTION_SECONDS = 6.0


@dataclass(frozen=True)
class Topic:
    name: str
    partitions: int
    # keep: nothing may go. compact: of every key the newest stays. retain: what is older than `retention_seconds` may go.
    policy: str = "keep"
    # Whether transactions write to it: their markers take offsets that no reader sees.
    is_transactional: bool = True
    retention_seconds: float = 0
    configs: dict[str, str] = field(default_factory=dict)

    def to_event(self) -> dict[str, Any]:
        return asdict(self)


TOPICS = [
    Topic("events", 3, is_transactional=False),
    Topic("orders", 3),
    Topic("ledger", 2),
    Topic("derived", 2),
    Topic("accounts", 2, "compact", configs={
        "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "3000", "segment.bytes": "16384",
        "segment.ms": "5000"}),
    Topic("recent", 2, "retain", retention_seconds=RETENTION_SECONDS, configs={
        "retention.ms": str(int(RETENTION_SECONDS * 1000)), "segment.bytes": "16384", "segment.ms": "3000"}),
]
SOURCE, DERIVED = "orders", "derived"
# Not `recent`: see "Known of the clients" in README.md.
READ_BY_GROUPS = ["events", "orders", "ledger"]
PARTITIONS = [(topic.name, partition) for topic in TOPICS for partition in range(topic.partitions)]
BY_NAME = {topic.name: topic for topic in TOPICS}
KEYS = 40  # of the compacted topic, for each producer
