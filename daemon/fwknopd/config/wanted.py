"""What a router's configuration is wanted to be, as a fleet's tools say it: in JSON.

Only what is named is wanted; everything else stays as it is. A client's ``options`` are all
its rules, so that none is left over from before. Names that nobody knows are faults: a
misspelt OPEN_PORTS would open every port.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn

from fwknopd.config.old_key_sections import FIRST_USE, MAX_NAME, OWNER
from fwknopd.config.problems import ConfigError, Problem, Severity, printable
from fwknopd.config.uci_edit import ChangeError, check_text
from fwknopd.config.uci_model import UciValue, is_name
from fwknopd.config.variable import Kind, Scope
from fwknopd.config.variables import is_secret, lookup

MAX_HOURS = 24 * 366
MEMBERS = frozenset({"enabled", "network", "settings", "clients", "exclusive"})
CLIENT_MEMBERS = frozenset({"name", "state", "options", "keys", "overlap_hours", FIRST_USE})
# What belongs to a client's state, or to sections of another sort.
NOT_OPTIONS = frozenset({"name", "enabled", OWNER, FIRST_USE})


class State(StrEnum):
    """PRESENT: it may knock. REVOKED: known, and refused. ABSENT: deleted, and a stranger."""

    PRESENT = "present"
    REVOKED = "revoked"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class WantedClient:
    """One client. ``state`` and ``options`` None: as they are. ``keys`` empty: those it has.

    So who is revoked stays so unless somebody says otherwise; who is new is present.

    When other keys come, the old ones go on for ``overlap_hours``, or with
    ``end_at_first_use`` until the new ones were used. ``origin``: the file and line that say so,
    for errors; None for the UCI file. ``emptied``: options and keys that are named, with no value.
    """

    name: str
    state: State | None = None
    options: Mapping[str, UciValue] | None = None
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    overlap_hours: int = 0
    end_at_first_use: bool = False
    origin: tuple[str, int] | None = None
    emptied: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """None and empty: nothing is said about it. ``exclusive``: no other client is to be there.

    A setting of "" is taken away.
    """

    enabled: bool | None = None
    network: str | None = None
    settings: Mapping[str, UciValue] = field(default_factory=dict)
    clients: tuple[WantedClient, ...] = ()
    exclusive: bool = False


def wanted_from_json(text: str, source: str) -> Wanted:
    """Read it. ``source`` is named in errors. Raises ConfigError, which quotes no value."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        _refuse(source, "", "this is no JSON", 'Write an object, such as {"clients": []}.')
    reader = _Reader(source)
    return reader.wanted(reader.members("", found, MEMBERS))


def wanted_client(found: object, source: str) -> WantedClient:
    """One client of such a document. Raises ConfigError, as `wanted_from_json` does."""
    return _Reader(source).client("", found)


def _emptied(*found: object) -> Iterator[str]:
    for named in found:
        if isinstance(named, dict):
            yield from (name for name, value in named.items() if value in (None, "", [], [""]))


def _refuse(source: str, place: str, message: str, remedy: str) -> NoReturn:
    problem = Problem(Severity.ERROR, source, None, printable(place), message, remedy)
    raise ConfigError([problem])


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source

    def wanted(self, found: Mapping[str, Any]) -> Wanted:
        clients = self._list(found.get("clients"))
        wanted = Wanted(
            self._flag("enabled", found.get("enabled")),
            self._network(found.get("network")),
            dict(self._options("settings", found.get("settings"), Scope.SERVER)),
            tuple(self.client(f"clients[{i}]", item) for i, item in enumerate(clients)),
            bool(self._flag("exclusive", found.get("exclusive"))),
        )
        for name, times in Counter(client.name for client in wanted.clients).items():
            if times > 1:
                self._refuse("clients", f"{printable(name)} is there twice", "Name it once.")
        return wanted

    def members(self, place: str, found: object, known: frozenset[str]) -> Mapping[str, Any]:
        if not isinstance(found, dict):
            self._refuse(place, "this is no object", f"It may have: {', '.join(sorted(known))}.")
        for name in found:
            if name not in known:
                self._refuse(
                    f"{place}.{name}".lstrip("."),
                    "there is no such member",
                    f"There are: {', '.join(sorted(known))}.",
                )
        return found

    def client(self, place: str, item: object) -> WantedClient:
        found = self.members(place, item, CLIENT_MEMBERS)
        name = found.get("name")
        if not isinstance(name, str) or not 0 < len(name.strip()) <= MAX_NAME:
            remedy = f"Name the client, in at most {MAX_NAME} letters."
            self._refuse(f"{place}.name", "the client has no name", remedy)
        state = found.get("state")
        if state is not None and state not in tuple(State):
            self._refuse(f"{place}.state", "this is no state", f"Use one of {', '.join(State)}.")
        options, keys = found.get("options"), found.get("keys")
        return WantedClient(
            self._writable(f"{place}.name", name.strip()),
            None if state is None else State(state),
            None if options is None else dict(self._rules(f"{place}.options", options)),
            dict(self._keys(f"{place}.keys", keys)),
            self._hours(f"{place}.overlap_hours", found.get("overlap_hours")),
            bool(self._flag(f"{place}.{FIRST_USE}", found.get(FIRST_USE))),
            emptied=frozenset(_emptied(options, keys)),
        )

    def _rules(self, place: str, found: object) -> Iterator[tuple[str, UciValue]]:
        for name, value in self._options(place, found, Scope.ACCESS):
            if is_secret(name):
                self._refuse(f"{place}.{name}", "this is a key", "Put it under keys.")
            if name in NOT_OPTIONS:
                remedy = "Leave it out; name and state stand beside options."
                self._refuse(f"{place}.{name}", "this is not for options", remedy)
            if value:
                yield name, value

    def _keys(self, place: str, found: object) -> Iterator[tuple[str, str]]:
        for name, value in self._options(place, found, Scope.ACCESS):
            if not is_secret(name) or not isinstance(value, str):
                self._refuse(f"{place}.{name}", "this is no key", "Put it under options.")
            if value:
                yield name, value

    def _options(self, place: str, found: object, scope: Scope) -> Iterator[tuple[str, UciValue]]:
        if found is None:
            return
        if not isinstance(found, dict):
            self._refuse(place, "this is no object", "Write names with their values.")
        for name, value in found.items():
            variable = lookup(scope, name)
            if variable is None:
                known = "COMPATIBILITY.md lists them; capitals count."
                self._refuse(f"{place}.{name}", "there is no such option", known)
            yield name, self._value(f"{place}.{name}", value, variable.kind)

    def _value(self, place: str, found: object, kind: Kind) -> UciValue:
        if isinstance(found, list):
            return tuple(filter(None, (self._text(place, item, kind) for item in found)))
        return self._text(place, found, kind)

    def _text(self, place: str, found: object, kind: Kind) -> str:
        if found is None:
            return ""
        if isinstance(found, bool):
            words = ("0", "1") if kind is Kind.SWITCH else ("N", "Y")
            return words[found]
        if not isinstance(found, str | int):
            self._refuse(place, "this is no value of an option", "Write text or a list of texts.")
        return self._writable(place, str(found))

    def _writable(self, place: str, text: str) -> str:
        try:
            check_text(text)
        except ChangeError as error:
            self._refuse(place, str(error), "Then run it again.")
        return text

    def _list(self, found: object) -> list[object]:
        if found is not None and not isinstance(found, list):
            self._refuse("clients", "this is no list", "Write a list of clients.")
        return found or []

    def _flag(self, place: str, found: object) -> bool | None:
        if found is not None and not isinstance(found, bool):
            self._refuse(place, "this is neither true nor false", "Write true or false.")
        return found

    def _network(self, found: object) -> str | None:
        if found is None:
            return None
        names = found.split() if isinstance(found, str) else []
        if not names or not all(map(is_name, names)):
            self._refuse("network", "this is no network's name", "Write one, such as wan.")
        return " ".join(names)

    def _hours(self, place: str, found: object) -> int:
        hours = 0 if found is None else found
        if not isinstance(hours, int) or isinstance(hours, bool) or not 0 <= hours <= MAX_HOURS:
            self._refuse(place, "this is no number of hours", f"Write 0 to {MAX_HOURS}.")
        return hours

    def _refuse(self, place: str, message: str, remedy: str) -> NoReturn:
        _refuse(self._source, place, message, remedy)
