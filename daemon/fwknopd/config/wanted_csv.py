"""Many clients at once, as a table: what a spreadsheet saves as CSV. Pure.

The first row names the columns: ``name``, and options of a client as access.conf and UCI call
them, keys too. Each row is read as `wanted` reads a client, so the same rules hold.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from fwknopd.config.problems import ConfigError, Problem, Severity, printable
from fwknopd.config.variable import Scope
from fwknopd.config.variables import is_secret, lookup
from fwknopd.config.wanted import NOT_OPTIONS, WantedClient, wanted_client

NAME = "name"
MAX_ROWS = 5000
NOT_TEXT = "this is not UTF-8"
AS_TEXT = "Save the table once more, as CSV in UTF-8."
# Of all that ends a line in Unicode, CSV has only these; a cell may hold the others.
_SEPARATOR = re.compile(r"sep=([;,|\t])", re.IGNORECASE)
"""A first line by which a table tells Excel what stands between its cells."""
_LINES = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True)
class Row:
    """A client of the table. It says nothing about options that are not among ``columns``."""

    client: WantedClient
    columns: frozenset[str]
    line: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is no client, by its name where it has one, and why not."""

    name: str
    line: int
    problems: tuple[Problem, ...]


def clients_from_csv(text: str, source: str) -> list[Row]:
    """One client for each row that is not empty. Raises ConfigError, which quotes no value.

    Bytes that are no UTF-8 are to be surrogates in ``text``: so it can be said where they are.
    """
    rows = rows_from_csv(text, source)
    refused = [row for row in rows if isinstance(row, Refused)]
    if refused:
        raise ConfigError(problem for row in refused for problem in row.problems)
    return [row for row in rows if isinstance(row, Row)]


def rows_from_csv(text: str, source: str, most: int = MAX_ROWS) -> list[Row | Refused]:
    """The same, where a row with a fault stands beside those without.

    Raises ConfigError when the table as a whole can't be read, or has more than ``most`` rows.
    """
    rows = _rows(text.removeprefix("\ufeff"), source, most)
    line, head = next(rows, (1, []))
    columns = [cell.strip() for cell in head]
    _check(columns, line, source)
    found = [_row(columns, cells, number, source) for number, cells in rows]
    times = Counter(row.client.name for row in found if isinstance(row, Row))
    return [_once(row, times, source) for row in found]


def _row(columns: Sequence[str], cells: Sequence[str], line: int, source: str) -> Row | Refused:
    try:
        return Row(_client(columns, cells, line, source), frozenset(columns), line)
    except ConfigError as error:
        name = dict(zip(columns, cells, strict=False)).get(NAME, "").strip()
        return Refused(printable(name), line, error.problems)


def _once(row: Row | Refused, times: Mapping[str, int], source: str) -> Row | Refused:
    """Nobody can say which of two rows of one name counts."""
    if isinstance(row, Refused) or times[row.client.name] < 2:
        return row
    name = printable(row.client.name)
    problem = _fault(source, row.line, NAME, f"{name} is there twice", "Name it once.")
    return Refused(name, row.line, (problem,))


def _rows(text: str, source: str, most: int) -> Iterator[tuple[int, Sequence[str]]]:
    """Rows that hold something, with the lines they end in."""
    lines = _LINES.findall(text)
    told = _SEPARATOR.fullmatch(lines[0].rstrip("\r\n")) if lines else None
    delimiter = told[1] if told else _usual_separator(lines[0] if lines else "")
    # Excel does not show the line either; it counts all the same.
    reader = csv.reader(["\n", *lines[1:]] if told else lines, delimiter=delimiter, strict=True)
    count = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                count += 1
                if count > most + 1:
                    message = f"there are more than {most} rows"
                    _refuse(source, reader.line_num, "", message, "Split the table.")
                yield reader.line_num, cells
    except csv.Error:
        remedy = 'Put quotes around a cell that holds a comma or quotes, and write " twice in it.'
        _refuse(source, reader.line_num, "", "this is no row of CSV", remedy)


def _usual_separator(head: str) -> str:
    """Where a comma is part of numbers, spreadsheets put semicolons between cells.

    What is copied out of one has tabs.
    """
    return next((mark for mark in ",;\t" if mark in head), ",")


def _check(columns: Sequence[str], line: int, source: str) -> None:
    if not all(map(_is_text, columns)):
        _refuse(source, line, "", NOT_TEXT, AS_TEXT)
    if NAME not in columns:
        remedy = "Name the columns in the first row: name,OPEN_PORTS,ACCESS_EXPIRE"
        _refuse(source, line, NAME, "there is no column of this name", remedy)
    for number, column in enumerate(columns, start=1):
        if not column:
            message, remedy = f"column {number} has no name", "Name it, or delete the column."
            _refuse(source, line, "", message, remedy)
        if lookup(Scope.ACCESS, column) is None:
            remedy = "COMPATIBILITY.md lists the options of a client; capitals count."
            _refuse(source, line, column, "there is no such option", remedy)
        if column in NOT_OPTIONS - {NAME}:
            remedy = "Leave the column out. To shut a client out: fwknopctl client revoke"
            _refuse(source, line, column, "a table does not say this", remedy)
        if columns.count(column) > 1:
            _refuse(source, line, column, "the column is there twice", "Leave one out.")


def _client(columns: Sequence[str], cells: Sequence[str], line: int, source: str) -> WantedClient:
    if len(cells) > len(columns):
        remedy = "Put quotes around a cell that holds a comma, such as a list of ports."
        _refuse(source, line, "", "the row has more cells than there are columns", remedy)
    if len(cells) < len(columns):
        # A row that lost its OPEN_PORTS would open every port.
        remedy = "Write a comma, or a semicolon, for each cell that is to be empty."
        _refuse(source, line, "", "the row has fewer cells than there are columns", remedy)
    found = {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    for column, cell in found.items():
        if not _is_text(cell):
            _refuse(source, line, column, NOT_TEXT, AS_TEXT)
    name = found.pop(NAME, "")
    if not name:
        _refuse(source, line, NAME, "the client has no name", "Write one.")
    document = {
        NAME: name,
        "options": {key: cell for key, cell in found.items() if cell and not is_secret(key)},
        "keys": {key: cell for key, cell in found.items() if cell and is_secret(key)},
    }
    try:
        client = wanted_client(document, source)
        emptied = frozenset(key for key, cell in found.items() if not cell)
        return replace(client, origin=(source, line), emptied=emptied)
    except ConfigError as error:
        raise ConfigError([_in_row(problem, line) for problem in error.problems]) from None


def _in_row(problem: Problem, line: int) -> Problem:
    """Whoever wrote a table knows its columns, and not the document that it stands for."""
    return replace(problem, line=line, option=problem.option.rpartition(".")[2])


def _is_text(cell: str) -> bool:
    """Surrogates stand for bytes that are no UTF-8."""
    return cell.isascii() or not any("\ud800" <= char <= "\udfff" for char in cell)


def _fault(source: str, line: int, column: str, message: str, remedy: str) -> Problem:
    return Problem(Severity.ERROR, source, line, printable(column), message, remedy)


def _refuse(source: str, line: int, column: str, message: str, remedy: str) -> NoReturn:
    raise ConfigError([_fault(source, line, column, message, remedy)])
