"""Whether enough happened for "no finding" to mean anything."""

from collections import Counter, defaultdict

from .crew import members
from .model import History


def missing(history: History, seconds: float, rate: float, has_faults: bool, deeds: Counter[str]) -> list[str]:
    """What did not happen, or too seldom, as sentences."""
    found = []

    def demand(what: str, count: float, least: float) -> None:
        if count < least:
            found.append(f"{what}: {count:g}, at least {least:g} are demanded")

    acknowledged: Counter[str] = Counter()
    for record in history.records.values():
        if record.acknowledged is not None:
            acknowledged[record.producer.split(".")[0]] += 1
    committed: Counter[str] = Counter()
    aborted: Counter[str] = Counter()
    several = 0
    for transaction in history.transactions.values():
        client = transaction.producer.split(".")[0]
        if transaction.committed is not None and transaction.records:
            committed[client] += 1
            several += len({(record.topic, record.partition) for record in transaction.records}) > 1
        elif transaction.aborted is not None:
            aborted[client] += 1
    read: Counter[str] = Counter()
    for session in history.sessions.values():
        read[session.client.split(".")[0]] += len(session.offsets)
    commits = defaultdict(set)
    for fetched in history.fetched:
        if fetched.value >= 0:
            commits[fetched.place[0]].add((fetched.place, fetched.value))

    pace = seconds * rate
    for name, member in members(0).items():
        if member["role"] in ("plain", "idempotent"):
            demand(f"acknowledged records of {name}", acknowledged[name], 8 * pace)
        elif member["role"] in ("transactional", "transform"):
            demand(f"committed transactions of {name}", committed[name], max(3, 0.1 * pace))
            demand(f"aborted transactions of {name}", aborted[name], max(1, 0.005 * pace))
        elif member["role"] in ("tail", "replay"):
            demand(f"records that {name} read", read[name], 20 * pace)
    for group in ("classic", "consumer"):
        demand(f"records that members of {group} read", sum(count for name, count in read.items() if name.startswith(group)), 5 * pace)
    for group in ("classic", "consumer", "transform"):
        demand(f"different committed offsets of group {group}", len(commits[group]), max(5, 0.05 * seconds))
    demand("committed transactions over several partitions", several, max(3, 0.1 * pace))
    demand("topics that were deleted", sum(event["op"] == "delete" and event["type"] == "ok" for event in history.churn), max(1, 0.02 * seconds))
    highest = {which: max((p.value for p in history.positions if p.which == which and p.place[0] == "recent"), default=0) for which in ("start", "high")}
    demand("records that retention removed", highest["start"], 1)
    for place, final in history.finals("uncommitted"):
        if place[0] == "accounts":
            demand(f"records that compaction removed of {place[0]}/{place[1]}", final.end - len(final.offsets), 0.3 * final.end)
    if has_faults:
        demand("kills", deeds["kill"], max(3, seconds / 15))
    return found
