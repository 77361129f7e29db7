"""How the broker and its clients are set: short timeouts, small batches, so that much happens in a minute."""

import os
from typing import Any

from .topics import SEGMENT_BYTES

BROKER = {
    "auto.create.topics.enable": "false",
    "log.segment.bytes": str(SEGMENT_BYTES),
    "log.cleaner.backoff.ms": "700",
    "log.retention.check.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "3000",
    "group.consumer.heartbeat.interval.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
}
SESSION_SECONDS = 3.0
TRANSACTION_SECONDS = 5.0


def client(broker: str) -> dict[str, Any]:
    debug = {"log_level": 7, "debug": os.environ["FAULTS_DEBUG"]} if "FAULTS_DEBUG" in os.environ else {"log_level": 0}
    return {**debug, "bootstrap.servers": broker, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 300, "retry.backoff.ms": 50,
            "retry.backoff.max.ms": 300, "socket.timeout.ms": 10_000}


def producer(broker: str) -> dict[str, Any]:
    # A request that takes longer is given up and sent again, so a broker that stood still meets each batch twice.
    return {**client(broker), "acks": "all", "linger.ms": 5, "batch.size": 16_384, "request.timeout.ms": 2_500,
            "statistics.interval.ms": 0}


def plain_producer(broker: str, acks: str) -> dict[str, Any]:
    return {**producer(broker), "acks": acks, "message.timeout.ms": 600_000}


def idempotent_producer(broker: str, codec: str) -> dict[str, Any]:
    return {**producer(broker), "enable.idempotence": True, "message.timeout.ms": 600_000, "compression.type": codec}


def transactional_producer(broker: str, transactional_id: str) -> dict[str, Any]:
    return {**producer(broker), "transactional.id": transactional_id, "transaction.timeout.ms": int(TRANSACTION_SECONDS * 1000),
            "socket.timeout.ms": int(TRANSACTION_SECONDS * 1000)}


def consumer(broker: str, isolation: str, group: str = "none") -> dict[str, Any]:
    return {**client(broker), "group.id": group, "enable.auto.commit": False, "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest", "isolation.level": f"read_{isolation}", "fetch.wait.max.ms": 200,
            "fetch.error.backoff.ms": 50, "queued.max.messages.kbytes": 4096, "fetch.message.max.bytes": 65_536}


def member(broker: str, isolation: str, group: str, protocol: str) -> dict[str, Any]:
    chosen = {**consumer(broker, isolation, group), "group.protocol": protocol, "max.poll.interval.ms": 60_000}
    if protocol == "classic":
        chosen |= {"session.timeout.ms": int(SESSION_SECONDS * 1000), "heartbeat.interval.ms": 500}
    return chosen
