"""A package in parts, one for each client: so that a change to one does not walk through all."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fwknopd.config.old_key_sections import ACCESS, OWNER, name_of
from fwknopd.config.uci_model import UciPackage, UciSection, anonymous_id

_Index = dict[str, dict[str, None]]


class Parts:
    """The sections by their ids, in the file's order, and the clients' by name and by owner."""

    def __init__(self, package: UciPackage) -> None:
        self._sections: dict[str, UciSection] = {}
        self._places: dict[str, int] = {}
        self._named: _Index = {}
        self._owned: _Index = {}
        self._number = 0
        for section in package.sections:
            self._put(section)

    @property
    def package(self) -> UciPackage:
        """All of it."""
        return UciPackage(tuple(self._sections.values()))

    @property
    def names(self) -> Collection[str]:
        """Those of all clients, and of old keys."""
        return self._named.keys()

    def part(self, name: str) -> UciPackage:
        """What has this name, and the old keys of whoever has it."""
        ids = {**self._named.get(name, {}), **self._owned.get(name, {})}
        return UciPackage(
            tuple(self._sections[i] for i in sorted(ids, key=self._places.__getitem__))
        )

    def exchange(self, old: UciPackage, new: UciPackage) -> None:
        """Put ``new`` in the place of the part ``old``; what is new in it comes at the end."""
        kept = {section.id for section in new.sections}
        for section in old.sections:
            if section.id not in kept:
                self._drop(section.id)
        before = {section.id: section for section in old.sections}
        for section in new.sections:
            if before.get(section.id) is not section:
                self._put(section)

    def new_section_id(self) -> str:
        """As `uci_edit.new_section_id`, for a client; never that of one that is gone by now.

        Else a deleted client and a new one would look like one that has changed.
        """
        self._number = max(self._number, len(self._sections)) + 1
        while anonymous_id(self._number, ACCESS) in self._places:
            self._number += 1
        return anonymous_id(self._number, ACCESS)

    def _put(self, section: UciSection) -> None:
        former = self._sections.get(section.id)
        if former is None:
            self._places[section.id] = len(self._places)
        else:
            self._forget(former)
        self._sections[section.id] = section
        for index, key in self._entries(section):
            index.setdefault(key, {})[section.id] = None

    def _drop(self, section_id: str) -> None:
        self._forget(self._sections.pop(section_id))

    def _forget(self, section: UciSection) -> None:
        for index, key in self._entries(section):
            del index[key][section.id]
            if not index[key]:
                del index[key]

    def _entries(self, section: UciSection) -> Iterable[tuple[_Index, str]]:
        if section.type != ACCESS:
            return ()
        entries = ((self._named, name_of(section)), (self._owned, section.get(OWNER)))
        return tuple((index, key) for index, key in entries if key)
