"""Changes to a UCI package as calls of rpcd's ``uci``, few and small.

uhttpd takes some kilobytes at a time, so each call is about one section.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fwknop_webui.untyped import Json, text
from fwknopd.config.uci_changes import (
    AddSection,
    DeleteOption,
    DeleteSection,
    Reorder,
    SetOption,
    SetSection,
    UciChange,
)
from fwknopd.config.uci_format import UciPackage


def _nothing(_answer: Json) -> None:
    return


@dataclass(frozen=True, slots=True)
class Call:
    """One call. Its message is made when its turn has come, for it may depend on answers."""

    method: str
    message: Callable[[], dict[str, object]]
    answered: Callable[[Json], None] = _nothing


def staging_calls(changes: Sequence[UciChange], wanted: UciPackage) -> Iterator[Call]:
    """The calls that make of a package ``wanted``. ``changes`` are those of differences()."""
    ids, by_section = _Ids(), defaultdict[str, list[UciChange]](list)
    for change in changes:
        by_section[change.section].append(change)
    yield from (ids.delete(c.section) for c in changes if isinstance(c, DeleteSection))
    for section in wanted.sections:
        yield from _section_calls(ids, section.id, by_section[section.id])
    if any(isinstance(change, Reorder) for change in changes):
        yield ids.order([section.id for section in wanted.sections])


def _section_calls(ids: _Ids, section: str, own: Sequence[UciChange]) -> Iterator[Call]:
    for change in own:
        if isinstance(change, AddSection):
            yield ids.add(section, change.type, None)
        elif isinstance(change, SetSection):
            yield ids.add(section, change.type, section)
    gone = [change.option for change in own if isinstance(change, DeleteOption)]
    if gone:
        yield ids.remove(section, gone)
    values: dict[str, object] = {
        change.option: change.value if isinstance(change.value, str) else list(change.value)
        for change in own
        if isinstance(change, SetOption)
    }
    if values:
        yield ids.put(section, values)


class _Ids:
    """What rpcd calls the sections: new ones without a name get one from it."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def of(self, section: str) -> str:
        return self._given.get(section, section)

    def add(self, section: str, kind: str, name: str | None) -> Call:
        def answered(answer: Json) -> None:
            self._given[section] = text(answer, "section") or section

        named = {} if name is None else {"name": name}
        return Call("add", lambda: {"type": kind, **named}, answered)

    def delete(self, section: str) -> Call:
        return Call("delete", lambda: {"section": section})

    def remove(self, section: str, options: list[str]) -> Call:
        return Call("delete", lambda: {"section": self.of(section), "options": options})

    def put(self, section: str, values: dict[str, object]) -> Call:
        return Call("set", lambda: {"section": self.of(section), "values": values})

    def order(self, sections: list[str]) -> Call:
        return Call("order", lambda: {"sections": [self.of(section) for section in sections]})
