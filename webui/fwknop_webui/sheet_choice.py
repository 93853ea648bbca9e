"""Whose QR codes are to be printed: clients that are ticked, searched for, new, or in a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from werkzeug.datastructures import MultiDict

from fwknop_webui.client_rows import ClientRow, shown_rows
from fwknop_webui.i18n import _

MAX_TICKED = 1000
"""So many fit into a form."""


class Which(StrEnum):
    """How the clients are named. UNSAID: nobody has chosen yet."""

    UNSAID = ""
    TICKED = "ticked"
    FOUND = "found"
    IMPORTED = "imported"
    RANGE = "range"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class SheetChoice:
    """A posted choice. ``ticked`` are sections; ``first`` and ``last`` as they were typed.

    ``after``: the number of the last client that has a leaf already, if one has. Not how many there
    were: when some of them have expired since, as many others would be left out.
    """

    which: Which = Which.UNSAID
    ticked: tuple[str, ...] = ()
    search: str = ""
    state: str = ""
    first: str = ""
    last: str = ""
    after: int = 0

    @classmethod
    def from_form(cls, form: MultiDict[str, str]) -> SheetChoice:
        """Read the fields; what is no way to choose is none."""
        which = form.get("which", "")
        ticked = " ".join((*form.getlist("client"), form.get("ticked", ""))).split()
        return cls(
            Which(which) if which in tuple(Which) else Which.UNSAID,
            tuple(dict.fromkeys(ticked))[:MAX_TICKED],
            form.get("q", "").strip(),
            form.get("state", ""),
            form.get("first", "").strip(),
            form.get("last", "").strip(),
            next(_numbers((form.get("after", ""),)), 0),
        )

    @property
    def fields(self) -> dict[str, str]:
        """What a form has to send along to mean the same again."""
        return {
            "which": self.which.value,
            "ticked": " ".join(self.ticked),
            "q": self.search,
            "state": self.state,
            "first": self.first,
            "last": self.last,
            "after": str(self.after or ""),
        }


def suggested(choice: SheetChoice, imported: int) -> Which:
    """What is chosen at first, by where somebody comes from."""
    if choice.which is not Which.UNSAID:
        return choice.which
    if choice.ticked:
        return Which.TICKED
    if choice.search or choice.state:
        return Which.FOUND
    return Which.IMPORTED if imported else Which.ALL


def filled_elsewhere(choice: SheetChoice, count: int) -> Which:
    """The way to choose a few of which something is filled in, where many are chosen; or UNSAID.

    A page without scripts chooses no way when its fields are filled in. Whoever came with clients
    ticked may have searched for them before.
    """
    if choice.after or choice.which not in (Which.ALL, Which.IMPORTED):
        return Which.UNSAID
    if choice.search or choice.state:
        return Which.FOUND
    is_range = choice.first not in ("", "1") or choice.last not in ("", str(count))
    return Which.RANGE if is_range else Which.UNSAID


def filled_text(filled: Which, choice: SheetChoice) -> str:
    """What to ask of who has filled in fields of the way ``filled``, and chosen another one."""
    names = [_("Search")] * bool(choice.search) + [_("State")] * bool(choice.state)
    if filled is Which.RANGE:
        names = [_("From number"), _("to number")]
    text = _("{fields}: filled in, but not chosen. It is chosen now: is that what you want?")
    return text.format(fields=", ".join(names))


def ticked_rows(rows: Sequence[ClientRow], choice: SheetChoice) -> list[ClientRow]:
    """In the order of the list, whatever was ticked first."""
    ticked = set(choice.ticked)
    return [row for row in rows if row.section in ticked]


def imported_rows(rows: Sequence[ClientRow], names: frozenset[str]) -> list[ClientRow]:
    """Those that came with the last import and are there, by their names."""
    return [row for row in rows if row.label in names]


def chosen_rows(
    rows: list[ClientRow], choice: SheetChoice, imported: frozenset[str]
) -> list[ClientRow]:
    """The clients that were chosen. Raises ValueError, for people, when there are none."""
    match choice.which:
        case Which.TICKED:
            found = ticked_rows(rows, choice)
        case Which.FOUND:
            found = shown_rows(rows, choice.search, choice.state)
        case Which.IMPORTED:
            found = imported_rows(rows, imported)
        case Which.RANGE:
            first, last = _ends(choice, len(rows))
            found = rows[first - 1 : last]
        case _:
            found = rows
    # They all stand in the order of the list.
    found = [row for row in found if row.number > choice.after]
    if not found:
        raise ValueError(_none_text(choice.which))
    return found


def _none_text(which: Which) -> str:
    if which is Which.FOUND:
        return _("No client fits the search.")
    if which is Which.TICKED:
        return _("No client is ticked.")
    return _("There is no such client any more.")


def _ends(choice: SheetChoice, count: int) -> tuple[int, int]:
    """The first and last place in the list. Raises ValueError."""
    numbers = tuple(_numbers((choice.first or "1", choice.last or str(count))))
    if len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1] <= count:
        text = _("Expecting: two numbers from 1 to {n}, the smaller one first.")
        raise ValueError(text.format(n=count))
    return numbers[0], numbers[1]


def _numbers(texts: Iterable[str]) -> Iterator[int]:
    """Those that are numbers."""
    return (int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 6)
