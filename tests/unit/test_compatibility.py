"""COMPATIBILITY.md speaks of every directive and option there is, as it is now."""

from __future__ import annotations

import re

import pytest

from fwknopd.config.variables import ACCESS_VARIABLES, SERVER_VARIABLES, Variable
from fwknopd.option_table import OPTIONS, Option
from package.dev.compatibility import COMMAND, DOCUMENT, updated

TEXT = DOCUMENT.read_text()


def test_the_tables_are_those_of_the_variable_table() -> None:
    assert updated(TEXT) == TEXT, f"{DOCUMENT.name} is out of date: run `{COMMAND}`"


@pytest.mark.parametrize(
    "variable",
    [v for v in (*SERVER_VARIABLES, *ACCESS_VARIABLES) if not v.uci_only],
    ids=lambda variable: variable.name,
)
def test_every_directive_has_a_row(variable: Variable) -> None:
    assert re.search(rf"^\|.*`{variable.name}`.*\|", TEXT, re.MULTILINE)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.long)
def test_every_option_has_its_place(option: Option) -> None:
    forms = [f"--{option.long}", *([f"-{option.short}"] if option.short else [])]
    assert any(re.search(rf"`{form}[ `]", TEXT) for form in forms)
