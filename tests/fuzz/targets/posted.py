"""What browsers send about many clients: whose codes to print, and tables to import."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from io import BytesIO
from itertools import cycle
from urllib.parse import parse_qsl, urlencode

from werkzeug.datastructures import FileStorage, MultiDict

from fwknop_webui.client_keys import KeySummary
from fwknop_webui.client_rows import STATES, ClientRow
from fwknop_webui.client_rows import State as RowState
from fwknop_webui.sheet_choice import MAX_TICKED, SheetChoice, Which, chosen_rows, suggested
from fwknop_webui.table_plan import (
    MAX_FILE_NAME,
    State,
    Table,
    TablePlan,
    plan,
    sent_table,
    taken_over,
)
from fwknopd.config.old_key_sections import name_of
from fwknopd.config.problems import ConfigError, Severity
from fwknopd.config.uci_format import UciPackage, decode_text, encode_text
from fwknopd.config.wanted_csv import Row
from tests.fuzz.mutators import parts
from tests.fuzz.target import Target
from tests.fuzz.targets.classic import check_problems
from tests.fuzz.targets.fleet import (
    COLUMNS,
    NOW,
    assert_is_written,
    assert_told,
    start,
    table_seeds,
)

# A table as a file: its name, a NUL, its content. Without a name it is pasted.


def check_plan(data: bytes) -> None:
    """Each row has its fate, which tells no key; and what is taken is so afterwards."""
    name, _, content = data.partition(b"\0")
    upload = FileStorage(BytesIO(content), filename=decode_text(name))
    try:
        table = sent_table(upload, "" if name else decode_text(content))
    except ConfigError as error:
        assert_told(error)
        return
    if table is None:
        assert not decode_text(content).strip()
        return
    assert table.source.isprintable()
    assert len(table.source) <= MAX_FILE_NAME
    new = plan(table, start(), "f", NOW)
    assert new.taken == tuple(row for row in new.rows if row.state is State.ADD)
    every = plan(table, start(), "f", NOW, frozenset(row.line for row in table.rows))
    for found in (new, every):
        check_fates(found, table, data)
    if not every.problems:
        check_taken(table, every)


def check_fates(found: TablePlan, table: Table, data: bytes) -> None:
    """A row is refused for a reason, and only then."""
    assert [row.line for row in found.rows] == [row.line for row in table.rows]
    assert sum(found.counts.values()) == len(table.rows)
    check_problems(found.problems)
    for row in found.rows:
        check_problems(row.problems)
        reasons = [one for one in row.problems if one.severity is Severity.ERROR] or found.problems
        assert (row.state is State.REFUSED) == bool(reasons), row
        assert not (row.taken and row.state in (State.REFUSED, State.SAME))
    keys = {key for row in table.rows if isinstance(row, Row) for key in row.client.keys.values()}
    told = repr(found)
    # What stands somewhere else, too, such as in a name, may be told.
    assert not any(
        len(key) > 15 and data.count(encode_text(key)) == 1 and key in told for key in keys
    )


def check_taken(table: Table, every: TablePlan) -> None:
    """Then it is the same, and who is not in the table is who he was."""
    lines = {row.line for row in every.taken}
    after = taken_over(table, start(), "f", NOW, lines)
    assert_is_written(after)
    again = plan(table, after, "f", NOW)
    fates = {row.line: row.state for row in every.rows}
    for row in again.rows:
        before = State.SAME if row.line in lines else fates[row.line]
        assert row.state is before, (row, before)
    names = {row.name for row in every.taken}
    assert others(after, names) == others(start(), names)


def others(package: UciPackage, names: set[str]) -> list[object]:
    """Clients without these names; whose old keys some are says an option."""
    clients = package.of_type("access")
    return [
        section
        for section in clients
        if name_of(section) not in names and section.get("old_keys_of") not in names
    ]


def plan_seeds() -> list[bytes]:
    long = b"name,SOURCE,OPEN_PORTS\n" + b"".join(
        b"phone%d,%s,tcp/%d\n" % (n, (b"ANY", b"x", b"192.0.2.0/24")[n % 3], n) for n in range(9)
    )
    names = (b"", b"table.csv", b"C:\\x/\xff\x1b.csv", b"x" * 70)
    seeds = (*table_seeds(), long)
    return [name + b"\0" + seed for name, seed in zip(cycle(names), seeds, strict=False)]


# Whose codes, as a form


@cache
def rows() -> list[ClientRow]:
    """Some clients. Between them stand their old keys, which are none."""
    keys = KeySummary("", is_usable=True, is_complete=True)
    return [
        ClientRow(
            section=f"c{n}",
            number=2 * n + 1,
            label=f"Client {n}",
            note="",
            state=RowState(STATES[n % len(STATES)][0], "", ""),
            is_enabled=True,
            sources="ANY",
            ports="tcp/22",
            open_for="30",
            keys=keys,
            is_staged=False,
        )
        for n in range(12)
    ]


IMPORTED = frozenset({"Client 3", "Client 4", "Client 9"})


def check_choice(data: bytes) -> None:
    """It means the same when it is sent again, and in parts nobody is missing or there twice."""
    form = MultiDict(parse_qsl(decode_text(data), keep_blank_values=True))
    choice = SheetChoice.from_form(form)
    assert SheetChoice.from_form(MultiDict(choice.fields)) == choice
    assert len(choice.ticked) == len(set(choice.ticked)) <= MAX_TICKED
    assert suggested(choice, 0) is not Which.UNSAID
    whole = chosen(replace(choice, after=0))
    assert chosen(choice) == [row for row in whole if row.number > choice.after]
    for place, row in enumerate(whole, start=1):
        assert chosen(replace(choice, after=row.number)) == whole[place:]


def chosen(choice: SheetChoice) -> list[ClientRow]:
    """In the order of the list; nobody where it is said why."""
    try:
        found = chosen_rows(rows(), choice, IMPORTED)
    except ValueError as error:
        assert str(error)
        return []
    assert found
    assert found == [row for row in rows() if row in found]
    return found


def choice_seeds() -> list[bytes]:
    forms: tuple[dict[str, str], ...] = (
        {"which": "ticked", "client": "c3", "ticked": "c1 c2 gone"},
        {"which": "found", "q": "client 1", "state": "enabled", "after": "3"},
        {"which": "imported"},
        {"which": "range", "first": "2", "last": "7", "after": "9"},
        {"which": "all", "after": "99999"},
    )
    return [urlencode(form).encode() for form in forms]


FIELDS = (b"which=", b"client=", b"ticked=", b"q=", b"state=", b"first=", b"last=", b"after=")

TARGETS = (
    Target(
        "table_plan",
        "Each row of a table has its fate, which tells no key; what is taken is so afterwards.",
        check_plan,
        plan_seeds,
        parts((b"\n", b",", b";", b'"', b"\0"), COLUMNS),
        (b"name,", b'"', b"\r\n", b"KEY", b"OPEN_PORTS", b"\0"),
        grown=1 << 14,
    ),
    Target(
        "sheet_choice",
        "Whose codes to print means the same when sent again, and in parts nobody is missing.",
        check_choice,
        choice_seeds,
        parts((b"&", b"=", b"+"), (*FIELDS, *(which.value.encode() for which in Which))),
        FIELDS,
        grown=1 << 16,
    ),
)
