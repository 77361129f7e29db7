"""The scenarios of the coordination recording, one module a subject.

Every module has `SCENARIOS`, a list of pairs of a name and a function that plays the steps on a `Scenario`.
"""

from . import (
    admin, classic, consumer, consumer_members, expiry, find_coordinator, groups, mixed, offsets, static, transaction_admin, transaction_offsets,
    transactions,
)

MODULES = [
    find_coordinator, classic, static, expiry, offsets, groups, transactions, transaction_offsets, transaction_admin, consumer, consumer_members,
    mixed, admin,
]


def all_scenarios():
    for module in MODULES:
        yield from module.SCENARIOS


def scenarios_without_migration():
    """Those of a Kafka with group.consumer.migration.policy=disabled."""
    return mixed.WITHOUT_MIGRATION
