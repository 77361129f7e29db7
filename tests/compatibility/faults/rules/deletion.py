"""What holds for topics that come and go."""

from collections.abc import Iterator

from ..model import History
from .finding import Finding


def topics_are_there_until_they_are_deleted(history: History) -> Iterator[Finding]:
    """In the end a topic is there if the last that was asked for its name was to create it, and is not if it was to delete it."""
    last: dict[str, tuple[str, str, float]] = {}
    for event in history.churn:
        if event["op"] == "standing":
            for name, (op, kind, t) in last.items():
                if kind != "unknown" and (name in event["names"]) != (op == "create"):
                    yield Finding(f"{name} is {'' if name in event['names'] else 'not '}there in the end, the last was: {op} {kind} at {t:.3f}")
        else:
            last[event["name"]] = event["op"], "unknown" if event["type"] == "invoke" else event["type"], event["t"]
