"""The rules: each is a function from a history to findings, its docstring is what must hold. No finding: it holds."""

from collections.abc import Callable, Iterator

from ..model import History
from . import clients, compaction, deletion, groups, log, positions, transactions, transform
from .finding import Finding

Rule = Callable[[History], Iterator[Finding]]

RULES: list[Rule] = [
    clients.clients_and_broker_do_what_they_are_told,
    clients.idempotent_producers_go_on,
    log.nothing_is_invented_or_altered,
    log.an_offset_keeps_its_record,
    log.nothing_acknowledged_is_lost,
    log.nothing_is_there_twice,
    log.the_order_of_a_producer_stays,
    log.readers_go_forward_and_skip_nothing,
    log.offsets_have_no_gaps,
    positions.positions_never_go_back,
    positions.positions_cover_what_was_seen,
    positions.only_what_is_old_is_removed,
    transactions.only_committed_records_are_visible,
    transactions.transactions_are_not_torn,
    transactions.what_is_committed_is_visible,
    transactions.whoever_is_fenced_writes_nothing,
    transactions.nothing_stays_open,
    transform.each_record_is_transformed_once,
    groups.committed_offsets_never_go_back,
    groups.committed_offsets_are_not_invented,
    groups.members_go_on_where_the_group_was,
    groups.groups_skip_nothing,
    compaction.the_newest_of_a_key_stays,
    deletion.topics_are_there_until_they_are_deleted,
]


def name(rule: Rule) -> str:
    return rule.__name__.replace("_", "-")


def check(history: History) -> list[Finding]:
    return [finding.named(name(rule)) for rule in RULES for finding in rule(history)]
