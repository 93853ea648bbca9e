"""What a table of clients would do to the configuration, row by row, and the result of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from werkzeug.datastructures import FileStorage

from fwknopd.config.package_parts import Parts
from fwknopd.config.problems import ConfigError, Problem, printable
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import UciPackage, UciSection, UciValue
from fwknopd.config.values import says_off
from fwknopd.config.wanted_csv import Refused, Row, rows_from_csv
from fwknopd.config.wanted_package import Moment, as_wanted, find
from fwknopd.config.wanted_table import Beside, wanted_of
from fwknopd.config.wanted_warnings import wanted_warnings

MAX_ROWS = 1000
"""More than this nobody looks over in a browser."""

MAX_FILE_NAME = 64


class State(StrEnum):
    """What becomes of a row."""

    ADD = "add"
    CHANGE = "change"
    SAME = "same"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Table:
    """A table that was read, and what its file is called in messages."""

    rows: tuple[Row | Refused, ...]
    source: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row. ``differs`` are options that would change; ``keys`` how many the table has.

    ``is_off``: the client is revoked, and stays so.
    """

    line: int
    name: str
    state: State
    rules: tuple[tuple[str, str], ...] = ()
    keys: int = 0
    differs: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_off: bool = False
    taken: bool = False


@dataclass(frozen=True, slots=True)
class TablePlan:
    """Every row, and what is wrong with the configuration as a whole."""

    rows: tuple[TableRow, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many rows there are of each state."""
        return {s.value: sum(1 for row in self.rows if row.state is s) for s in State}

    @property
    def taken(self) -> tuple[TableRow, ...]:
        """What is to be taken."""
        return tuple(row for row in self.rows if row.taken)


def sent_table(upload: FileStorage | None, pasted: str) -> Table | None:
    """The table a form brought; None when it brought nothing. Raises ConfigError."""
    text = upload.read().decode("utf-8", "surrogateescape") if upload else ""
    named = printable((upload.filename or "") if upload else "")
    source = named.rpartition("/")[2][:MAX_FILE_NAME] if text else ""
    text = text or pasted
    if not text.strip():
        return None
    source = source or "CSV"
    return Table(tuple(rows_from_csv(text, source, MAX_ROWS)), source)


@dataclass(frozen=True, slots=True)
class _Made:
    """The package with all rows that can be had, and why the others can't.

    ``warnings`` and ``refused`` are by line.
    """

    package: UciPackage
    found: tuple[Beside, ...]
    warnings: dict[int, tuple[Problem, ...]]
    refused: dict[int, tuple[Problem, ...]]
    problems: tuple[Problem, ...]


def plan(
    table: Table, package: UciPackage, file: str, now: float, chosen: frozenset[int] | None = None
) -> TablePlan:
    """What the table would do to ``package``.

    ``chosen`` are lines; without them, what touches no client that is there is ticked. ``now``
    is epoch seconds.
    """
    made = _made(table, package, file, now)
    rows = tuple(_shown(table, made, chosen))
    return TablePlan(rows, made.problems)


def taken_over(
    table: Table, package: UciPackage, file: str, now: float, lines: Iterable[int]
) -> UciPackage:
    """The package with the rows of these lines. Raises ConfigError."""
    wanted = frozenset(lines)
    rows = tuple(row for row in table.rows if row.line in wanted)
    found, _refused = _beside(rows, package, file)
    return _with(package, found, file, now)


def _made(table: Table, package: UciPackage, file: str, now: float) -> _Made:
    found, refused = _beside(table.rows, package, file)
    while found:
        try:
            grown = _with(package, found, file, now)
            warnings = _warnings(package, grown, found, file)
            return _Made(grown, tuple(found), warnings, refused, ())
        except ConfigError as error:
            new = _by_line(error.problems, table.source, found)
            if not new:
                # No row's fault: nothing can be told of any.
                return _Made(package, (), {}, refused, error.problems)
            refused |= new
            found = [item for item in found if item.row.line not in new]
    return _Made(package, (), {}, refused, ())


def _warnings(
    before: UciPackage, after: UciPackage, found: Sequence[Beside], file: str
) -> dict[int, tuple[Problem, ...]]:
    """What to look at in rows that can be had: what is empty there, and what the daemon says."""
    by_line: dict[int, tuple[Problem, ...]] = {}
    for problem in wanted_warnings(before, after, wanted_of(found)):
        if problem.line is not None:
            by_line[problem.line] = (*by_line.get(problem.line, ()), problem)
    parts = Parts(after)
    told: dict[str, list[Problem]] = {}
    for problem in configuration_from_uci(after, file).problems:
        told.setdefault(problem.section, []).append(replace(problem, line=None, section=""))
    for item in found:
        section = find(parts.part(item.row.client.name), item.row.client.name, file)
        if section is not None and section.id in told:
            line = item.row.line
            by_line[line] = (*by_line.get(line, ()), *told[section.id])
    return by_line


def _beside(
    rows: Iterable[Row | Refused], package: UciPackage, file: str
) -> tuple[list[Beside], dict[int, tuple[Problem, ...]]]:
    """The rows beside the clients of their names, and by their lines those that are refused."""
    parts = Parts(package)
    found: list[Beside] = []
    refused: dict[int, tuple[Problem, ...]] = {}
    for row in rows:
        if isinstance(row, Refused):
            refused[row.line] = row.problems
            continue
        name = row.client.name
        try:
            found.append(Beside(row, find(parts.part(name), name, file)))
        except ConfigError as error:
            refused[row.line] = error.problems
    return found, refused


def _with(package: UciPackage, found: Sequence[Beside], file: str, now: float) -> UciPackage:
    moment = Moment(int(now), lambda: f"old_keys_{secrets.token_hex(4)}")
    return as_wanted(package, wanted_of(found), moment, file)


def _by_line(
    problems: Iterable[Problem], source: str, found: Iterable[Beside]
) -> dict[int, tuple[Problem, ...]]:
    lines = {item.row.line for item in found}
    by_line: dict[int, tuple[Problem, ...]] = {}
    for problem in problems:
        if problem.file == source and problem.line in lines:
            by_line[problem.line] = (*by_line.get(problem.line, ()), replace(problem, section=""))
    return by_line


def _shown(table: Table, made: _Made, chosen: frozenset[int] | None) -> Iterator[TableRow]:
    after = Parts(made.package)
    known = {item.row.line: item for item in made.found}
    for row in table.rows:
        item = known.get(row.line)
        if item is None:
            name = row.name if isinstance(row, Refused) else row.client.name
            problems = made.refused.get(row.line, ())
            yield TableRow(row.line, name, State.REFUSED, problems=problems)
        else:
            yield _row(
                item,
                find(after.part(item.row.client.name), item.row.client.name, ""),
                chosen,
                made.warnings.get(row.line, ()),
            )


def _row(
    item: Beside,
    after: UciSection | None,
    chosen: frozenset[int] | None,
    warnings: tuple[Problem, ...],
) -> TableRow:
    row, client = item.row, item.row.client
    differs = _differences(item.section, after)
    state = State.CHANGE if differs else State.SAME
    if item.section is None:
        state = State.ADD
    ticked = state is State.ADD if chosen is None else row.line in chosen
    return TableRow(
        row.line,
        client.name,
        state,
        rules=tuple((name, _text(value)) for name, value in (client.options or {}).items()),
        keys=len(client.keys),
        differs=differs,
        problems=warnings,
        is_off=item.section is not None and says_off(item.section.get("enabled")),
        taken=ticked and state in (State.ADD, State.CHANGE),
    )


def _text(value: UciValue) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _differences(before: UciSection | None, after: UciSection | None) -> tuple[str, ...]:
    """The names of the options that differ; keys are named and never shown."""
    old, new = (
        {option.name: option.text for option in (section.options if section else ())}
        for section in (before, after)
    )
    return tuple(name for name in {**old, **new} if old.get(name) != new.get(name))
