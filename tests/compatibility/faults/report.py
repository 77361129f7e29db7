"""What is told of a run: how much happened, what was found, and the events that contradict."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from .events import Event
from .model import History
from .rules import RULES, check, name
from .rules.finding import Finding, evidence

SHOWN_FINDINGS = 3  # of each rule


def report(history: History, events: Callable[[], Iterable[Event]], run: Event, deeds: Counter[str],
           lacking: list[str]) -> tuple[list[Finding], str]:
    findings = check(history)
    by_rule = Counter(finding.rule for finding in findings)
    lines = [f"seed {run['seed']}, {'faults' if run['has_faults'] else 'no faults'}, {history.ended - history.began:.0f} s", ""]
    lines += [f"  {count:>9} {what}" for what, count in sorted(history.counts.items())]
    lines += [f"  {count:>9} {deed}" for deed, count in sorted(deeds.items())]
    lines += [f"  {count:>9} {what}" for what, count in totals(history).items()]
    lines.append("")
    lines += [f"  {by_rule[name(rule)]:>9} findings of {name(rule)}" for rule in RULES if by_rule[name(rule)]]
    shown = [finding for rule in RULES for finding in [f for f in findings if f.rule == name(rule)][:SHOWN_FINDINGS]]
    for finding, found in zip(shown, evidence(shown, events())) if shown else []:
        lines += ["", str(finding)] + [f"      {line(event)}" for event in found]
    lines += ["", *(f"too little happened: {sentence}" for sentence in lacking)]
    if findings:
        lines.append(f"VIOLATED: {len(findings)} findings of {len(by_rule)} rules (seed {run['seed']})")
    elif lacking:
        lines.append(f"NOT ENOUGH to say anything (seed {run['seed']})")
    else:
        lines.append(f"ok: {len(RULES)} rules hold (seed {run['seed']})")
    return findings, "\n".join(lines)


def totals(history: History) -> dict[str, int]:
    outcomes = Counter(transaction.outcome for transaction in history.transactions.values())
    records = history.records.values()
    kinds = Counter(history.producers[record.producer].kind for record in records if record.acknowledged is not None)
    return {
        **{f"records acknowledged to {kind} producers": count for kind, count in sorted(kinds.items())},
        "records of unknown fate": sum(record.acknowledged is None and not record.refused for record in records),
        "records read by clients": sum(len(session.offsets) for session in history.sessions.values()),
        "records in the last full read": sum(len(final.offsets) for _, final in history.finals("uncommitted")),
        **{f"transactions {outcome}": count for outcome, count in sorted(outcomes.items())},
        "producers given up by their client": sum(producer.fatal is not None for producer in history.producers.values()),
    }


def line(event: dict[str, Any]) -> str:
    rest = {key: value for key, value in event.items() if key not in ("t", "client", "op", "type")}
    return f"{event['t']:.3f} {event['client']:<14} {event['op']} {event['type']} {json.dumps(rest)}"
