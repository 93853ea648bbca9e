"""Many clients at once, as a table: what a spreadsheet saves as CSV. Pure.

The first row names the columns: ``name``, and options of a client as access.conf and UCI call
them, keys too. What comes of it is the document that `wanted` reads, so the same rules hold.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from fwknopd.config.problems import ConfigError, Problem, Severity, printable
from fwknopd.config.variable import Scope
from fwknopd.config.variables import is_secret, lookup

NAME = "name"
MAX_ROWS = 5000


def clients_from_csv(text: str, source: str) -> list[dict[str, Any]]:
    """One client for each row that is not empty. Raises ConfigError, which quotes no value."""
    rows = _rows(text.removeprefix("\ufeff"), source)
    line, head = next(rows, (1, []))
    columns = [cell.strip() for cell in head]
    _check(columns, line, source)
    return [_client(columns, cells, number, source) for number, cells in rows]


def _rows(text: str, source: str) -> Iterator[tuple[int, Sequence[str]]]:
    """Rows that hold something, with the lines they end in."""
    first = io.StringIO(text, newline="").readline()
    # Where a comma is part of numbers, spreadsheets put semicolons between cells.
    delimiter = ";" if ";" in first and "," not in first else ","
    # Of what ends a line of Unicode, only these end a row of CSV: CR, LF, and both.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    count = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                count += 1
                if count > MAX_ROWS + 1:
                    _refuse(source, reader.line_num, "", "there are too many rows", "Split it.")
                yield reader.line_num, cells
    except csv.Error:
        remedy = 'Put quotes around a cell that holds a comma or quotes, and write " twice in it.'
        _refuse(source, reader.line_num, "", "this is no row of CSV", remedy)


def _check(columns: Sequence[str], line: int, source: str) -> None:
    if NAME not in columns:
        remedy = "Name the columns in the first row: name,OPEN_PORTS,ACCESS_EXPIRE"
        _refuse(source, line, NAME, "there is no column of this name", remedy)
    for column in columns:
        if lookup(Scope.ACCESS, column) is None:
            remedy = "COMPATIBILITY.md lists the options of a client; capitals count."
            _refuse(source, line, column, "there is no such option", remedy)
        if columns.count(column) > 1:
            _refuse(source, line, column, "the column is there twice", "Leave one out.")


def _client(columns: Sequence[str], cells: Sequence[str], line: int, source: str) -> dict[str, Any]:
    if len(cells) > len(columns):
        remedy = "Put quotes around a cell that holds a comma, such as a list of ports."
        _refuse(source, line, "", "the row has more cells than there are columns", remedy)
    if len(cells) < len(columns):
        # A row that lost its OPEN_PORTS would open every port.
        remedy = "Write a comma, or a semicolon, for each cell that is to be empty."
        _refuse(source, line, "", "the row has fewer cells than there are columns", remedy)
    found = {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    name = found.pop(NAME, "")
    if not name:
        _refuse(source, line, NAME, "the client has no name", "Write one.")
    return {
        NAME: name,
        "options": {key: cell for key, cell in found.items() if cell and not is_secret(key)},
        "keys": {key: cell for key, cell in found.items() if cell and is_secret(key)},
    }


def _refuse(source: str, line: int, column: str, message: str, remedy: str) -> NoReturn:
    problem = Problem(Severity.ERROR, source, line, printable(column), message, remedy)
    raise ConfigError([problem])
