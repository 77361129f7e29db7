"""What holds for those who take part: the broker starts and ends as told, and clients are not given up for nothing."""

from collections.abc import Iterator

from ..model import History
from .finding import Finding


def clients_and_broker_do_what_they_are_told(history: History) -> Iterator[Finding]:
    """The broker is ready in time after each start and ends with code 0 when asked to; no reader meets an error that trying again
    does not mend; each partition can be read to its end; no client of the workload breaks."""
    for event in history.failures:
        yield Finding(f"{event['client']}: {event['op']} failed at {event['t']:.3f}: "
                      f"{ {key: value for key, value in event.items() if key not in ('client', 'op', 'type', 't')} }")


def idempotent_producers_go_on(history: History) -> Iterator[Finding]:
    """An idempotent producer never meets an error that it cannot mend: the broker remembers its sequence numbers through everything."""
    for producer in history.producers.values():
        if producer.kind == "idempotent" and producer.fatal:
            yield Finding(f"{producer.name} was given up by its client: {producer.fatal}", producers=(producer.name,))
