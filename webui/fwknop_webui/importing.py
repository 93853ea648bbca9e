"""What an import would do to the configuration, part by part, and the changes that do it."""

from __future__ import annotations

from dataclasses import dataclass

from fwknop_webui.import_choice import Choice, Chosen, State
from fwknop_webui.import_clients import Judge, Names, StanzaRow, stanza_changes, stanza_row
from fwknop_webui.import_settings import (
    SettingRow,
    server_settings,
    setting_changes,
    setting_rows,
)
from fwknop_webui.sections import Sections
from fwknop_webui.settings_fields import UCI_ENABLED
from fwknop_webui.settings_form import overwrites
from fwknopd.config.classic_parts import ClassicParts
from fwknopd.config.problems import Problem
from fwknopd.config.uci_changes import UciChange, apply
from fwknopd.config.uci_format import UciPackage

MAX_STANZAS = 1000
"""More than this nobody looks over in a browser."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the preview shows. ``left_out``: stanzas there are too many of."""

    settings: tuple[SettingRow, ...]
    stanzas: tuple[StanzaRow, ...]
    problems: tuple[Problem, ...]
    enable: bool
    overwrites: bool
    left_out: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in the files."""
        return not self.settings and not self.stanzas

    @property
    def counts(self) -> dict[str, int]:
        """How many clients there are of each state."""
        return {s.value: sum(1 for row in self.stanzas if row.state is s) for s in State}

    @property
    def taken(self) -> int:
        """How many parts are to be taken."""
        clients = sum(1 for row in self.stanzas if row.choice is not Choice.LEAVE)
        return clients + sum(1 for row in self.settings if row.taken) + self.enable

    @property
    def clients(self) -> frozenset[str]:
        """What the clients to be taken will be called."""
        taken = (row for row in self.stanzas if row.choice is not Choice.LEAVE)
        names = (row.twin if row.choice is Choice.REPLACE else row.name for row in taken)
        return frozenset(name for name in names if name)

    def changes(self, package: UciPackage) -> list[UciChange]:
        """What to change so that everything chosen is in the package."""
        changes = setting_changes(package, [row for row in self.settings if row.taken])
        if self.enable:
            sections = Sections(apply(package, changes))
            sections.change("global", UCI_ENABLED, "1")
            changes += sections.changes
        package = apply(package, changes)
        for row in self.stanzas:
            made = stanza_changes(package, row)
            package = apply(package, made)
            changes += made
        return changes


def plan(parts: ClassicParts, package: UciPackage, chosen: Chosen | None = None) -> Plan:
    """What the files would do to ``package``; without ``chosen``, what is safe is ticked."""
    settings = tuple(setting_rows(parts.settings, package, chosen))
    grown = apply(package, setting_changes(package, [row for row in settings if row.taken]))
    judge = Judge(package, server_settings(grown))
    names = Names(package)
    stanzas = tuple(
        stanza_row(found, judge, names, chosen) for found in parts.stanzas[:MAX_STANZAS]
    )
    enable = chosen.enable if chosen else False
    left_out = max(0, len(parts.stanzas) - MAX_STANZAS)
    return Plan(settings, stanzas, parts.problems, enable, overwrites(package), left_out)
