"""What holds for transactions: all or nothing, never before their commit, and one producer an id."""

from collections import defaultdict
from collections.abc import Iterator

from ..model import History, Producer
from .finding import Finding


def only_committed_records_are_visible(history: History) -> Iterator[Finding]:
    """A reader of committed records sees a transaction's record only after its commit was asked for, and never when it was aborted."""
    early = set()
    for transaction, seen in history.too_early:
        if transaction.name not in early:
            early.add(transaction.name)
            yield Finding(f"{seen.client} read {seen.name} as committed at {seen.t:.3f} ({seen.place[0]}/{seen.place[1]} offset {seen.offset}), "
                          f"but the commit was not asked for: {transaction}", records=(seen.name,), transactions=(transaction.name,))
    for name, seen in history.seen_committed.items():
        transaction = history.transactions[name]
        if transaction.outcome == "aborted" and name not in early:
            yield Finding(f"{seen.client} read {seen.name} as committed at {seen.t:.3f} ({seen.place[0]}/{seen.place[1]} offset {seen.offset}), "
                          f"but it was aborted: {transaction}", records=(seen.name,), transactions=(name,))


def transactions_are_not_torn(history: History) -> Iterator[Finding]:
    """In the last full read of committed records a committed transaction is there with all of its records, one whose outcome
    is unknown with all or none. (Records that compaction, retention or the deletion of a topic may have taken are left out.)"""
    present = {place: {id(record) for record in final.records} for place, final in history.finals("committed")}
    for transaction in history.transactions.values():
        if transaction.outcome == "aborted":
            continue
        # A record that the client did not take is no part of it.
        judged = [record for record in transaction.records
                  if history.kept(record) and not record.refused and (record.topic, record.partition) in present]
        missing = [record for record in judged if id(record) not in present[record.topic, record.partition]]
        is_seen = transaction.name in history.seen_committed
        if missing and (transaction.outcome == "committed" or is_seen or len(missing) < len(judged)):
            there = [record for record in judged if record not in missing]
            yield Finding(f"{transaction} is torn, {len(missing)} of {len(judged)} records are not visible as committed: "
                          f"{missing[0]} is not" + (f", {there[0]} is" if there else ""),
                          records=tuple(record.name for record in [*missing[:2], *there[:1]]), transactions=(transaction.name,))


def what_is_committed_is_visible(history: History) -> Iterator[Finding]:
    """What the last full read finds in the log, and no transaction has or may have aborted, a reader of committed records is
    given too, up to the last stable offset. (Unless compaction or retention took it between the two reads.)"""
    committed = dict(history.finals("committed"))
    for place, final in history.finals("uncommitted"):
        if place not in committed:
            continue
        visible = committed[place]
        given = set(visible.offsets)
        newest = {record.key: offset for offset, record in zip(visible.offsets, visible.records) if record is not None and record.key}
        hidden = []
        for offset, record in zip(final.offsets, final.records):
            if record is None or offset in given or not visible.start <= offset < visible.end or newest.get(record.key, -1) > offset:
                continue
            if record.transaction is None or history.transactions[record.transaction].outcome == "committed":
                hidden.append((offset, record))
        if hidden:
            offset, record = hidden[0]
            whose = history.transactions[record.transaction] if record.transaction else "no transaction"
            yield Finding(f"{place[0]}/{place[1]}: {len(hidden)} records are in the log and hidden from readers of committed records: first {record} "
                          f"at {offset}, of {whose}", records=(record.name,), places=((place, offset),),
                          transactions=(record.transaction,) if record.transaction else ())


def whoever_is_fenced_writes_nothing(history: History) -> Iterator[Finding]:
    """Once a newer producer's init is acknowledged, what an older one of the same transactional id sends is nowhere, its commits
    come to nothing, and in each partition its records lie before those of the newer one."""
    by_id: dict[str, list[Producer]] = defaultdict(list)
    for producer in history.producers.values():
        if producer.transactional_id and producer.init_answered is not None:
            by_id[producer.transactional_id].append(producer)
    fenced: dict[str, Producer] = {}
    rank: dict[str, int] = {}
    for producers in by_id.values():
        producers.sort(key=lambda producer: producer.init_answered)
        for place, (old, new) in enumerate(zip(producers, producers[1:])):
            # Of two whose inits were open at the same time nobody knows which came first.
            if old.init_answered < new.init_asked:
                fenced[old.name] = new
        for place, producer in enumerate(producers):
            rank[producer.name] = place
    for transaction in history.transactions.values():
        new = fenced.get(transaction.producer)
        if new and transaction.commit_asked is not None and transaction.commit_asked > new.init_answered:
            seen = history.seen_committed.get(transaction.name)
            if transaction.committed is not None or seen:
                what = f"{seen.name} was read as committed at {seen.t:.3f}" if seen else "the commit was acknowledged"
                yield Finding(f"{transaction} was committed after {new.name} had begun at {new.init_answered:.3f}: {what}",
                              transactions=(transaction.name,), producers=(transaction.producer, new.name))
    for (topic, partition), log in history.logs.items():
        newest: dict[str, tuple[int, int]] = {}  # transactional id: rank, offset
        for offset in sorted(log.at):
            record = log.at[offset]
            new = fenced.get(record.producer)
            if new and record.sent > new.init_answered:
                yield Finding(f"{record} is in {topic}/{partition} at {offset}, though it was sent after {new.name} had begun at "
                              f"{new.init_answered:.3f}", records=(record.name,), producers=(record.producer, new.name))
            elif record.producer in rank:
                transactional_id = history.producers[record.producer].transactional_id
                before = newest.get(transactional_id, (-1, -1))
                if rank[record.producer] < before[0] and new:
                    yield Finding(f"{topic}/{partition}: {record.name} at {offset} lies behind {log.at[before[1]].name} at {before[1]} of a "
                                  f"newer producer", records=(record.name, log.at[before[1]].name),
                                  producers=(record.producer, log.at[before[1]].producer))
                newest[transactional_id] = max(before, (rank[record.producer], offset))


def nothing_stays_open(history: History) -> Iterator[Finding]:
    """In the end, when every transaction has ended or timed out, the last stable offset is the high watermark."""
    for place, committed in history.finals("committed"):
        uncommitted = history.logs[place].final.get("uncommitted")
        if uncommitted and committed.end < uncommitted.end:
            yield Finding(f"{place[0]}/{place[1]}: the last stable offset stays at {committed.end}, the high watermark is {uncommitted.end}",
                          positions=place)
