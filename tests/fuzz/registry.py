"""All targets, by name. Each module holds those of one edge of the programs."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import (
    answers,
    archives,
    classic,
    control,
    filters,
    fleet,
    gpg,
    kernel,
    knocks,
    pages,
    posted,
    router,
    rules,
    state,
    uci,
    wire,
)

MODULES = (
    *(wire, filters, knocks, gpg, classic, uci, fleet, state),
    *(control, answers, kernel, rules, router, archives, pages, posted),
)
TARGETS: dict[str, Target] = {
    target.name: target for module in MODULES for target in module.TARGETS
}
