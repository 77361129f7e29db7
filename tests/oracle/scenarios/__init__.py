"""The scenarios of the coordination recording, one module a subject.

Every module has `SCENARIOS`, a list of pairs of a name and a function that plays the steps on a `Scenario`.
"""

from . import classic, expiry, find_coordinator, static

MODULES = [find_coordinator, classic, static, expiry]


def all_scenarios():
    for module in MODULES:
        yield from module.SCENARIOS
