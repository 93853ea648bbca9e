"""The lines of fwknopd.conf in an import: what is set already, and what to change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fwknop_webui.advanced_rows import SERVER, Row, rows
from fwknop_webui.import_choice import Chosen, State
from fwknopd.config.classic_parts import FoundSetting
from fwknopd.config.problems import ConfigError, Problem
from fwknopd.config.settings import ServerSettings
from fwknopd.config.uci_changes import MASK, UciChange
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import UciPackage
from fwknopd.config.variables import Scope, is_secret, lookup


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of fwknopd.conf. ``row`` is the same variable on the page Advanced."""

    number: int
    found: FoundSetting
    row: Row
    state: State
    taken: bool

    @property
    def name(self) -> str:
        """The variable's name."""
        return self.found.option.name

    @property
    def value(self) -> str:
        """The value of the file, masked if it is a secret."""
        return self._masked(self.found.option.text)

    @property
    def now(self) -> str:
        """What UCI says now, "" for nothing."""
        return self._masked(self.row.shown)

    def _masked(self, text: str) -> str:
        return MASK if text and is_secret(self.name) else text

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with it."""
        return self.found.problems


def setting_rows(
    found: Iterable[FoundSetting], package: UciPackage, chosen: Chosen | None
) -> Iterator[SettingRow]:
    """The rows; without ``chosen``, what changes nothing that is set is ticked."""
    known = {row.name: row for row in rows(SERVER, package)}
    for number, part in enumerate(found, start=1):
        variable = lookup(Scope.SERVER, part.option.name)
        name = variable.name if variable else part.option.name
        row = known.get(name, Row(name, variable, ()))
        state = _setting_state(part, row)
        taken = number in chosen.settings if chosen else state is State.ADD
        may = state in (State.ADD, State.CONFLICT)
        yield SettingRow(number, part, row, state, taken and may)


def _setting_state(part: FoundSetting, row: Row) -> State:
    if not part.usable:
        return State.CANNOT
    if not row.is_set:
        return State.ADD
    same = row.stored is not None and ", ".join(row.stored.items) == part.option.text
    return State.SAME if same else State.CONFLICT


def setting_changes(package: UciPackage, taken: Iterable[SettingRow]) -> list[UciChange]:
    """What puts the values of these rows where they count."""
    home, made = SERVER.home(package)
    changes = [change for row in taken for change in row.row.put(home, row.found.option.text)]
    return [*made, *changes] if any(change.section == home for change in changes) else changes


def server_settings(package: UciPackage) -> ServerSettings:
    """The settings clients will be judged by; where they are faulty, those that forbid least."""
    try:
        return configuration_from_uci(UciPackage(package.of_type("config")), "").settings
    except ConfigError:
        return ServerSettings(enable_ipt_forwarding=True, enable_ipt_local_nat=True)
