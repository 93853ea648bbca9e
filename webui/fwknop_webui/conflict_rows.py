"""What both of two people changed, and changes as uci commands, as the pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fwknop_webui.client_rows import section_labels
from fwknop_webui.i18n import _
from fwknop_webui.merge import Conflict
from fwknop_webui.saving import shown
from fwknopd.config.uci_changes import DeleteOption, DeleteSection, UciChange, as_commands
from fwknopd.config.uci_format import UciPackage

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Command:
    """A change as a uci command, and the colour it gets."""

    text: str
    css: str


@dataclass(frozen=True, slots=True)
class Row:
    """What both changed. Values are "" for an option that isn't there any more."""

    what: str
    option: str
    mine: str
    theirs: str


def commands_of(change: UciChange) -> list[Command]:
    """One change as uci commands, keys masked."""
    css = "removed" if isinstance(change, DeleteSection | DeleteOption) else "added"
    return [Command(text, css) for text in as_commands([change])]


def conflict_rows(before: UciPackage, now: UciPackage, conflicts: Sequence[Conflict]) -> list[Row]:
    """``before`` is what both started from, ``now`` what the other made of it."""
    labels = _labels(before), _labels(now)
    return [_row(item, *labels) for item in conflicts]


def _labels(package: UciPackage) -> Labels:
    """What to call the sections: clients by their names, others by their type."""
    types = {item.id: f"{item.type} {item.name or ''}".strip() for item in package.sections}
    return types | section_labels(package)


def _row(conflict: Conflict, before: Labels, now: Labels) -> Row:
    if not conflict.section:
        return Row(_("The order of the sections"), "", _("moved"), _("moved"))
    gone = not conflict.option and conflict.theirs is None
    what = (before if gone else now).get(conflict.section, conflict.section)
    if conflict.option:
        mine, theirs = (shown(conflict.option, v) for v in (conflict.mine, conflict.theirs))
        return Row(what, conflict.option, mine, theirs)
    deleted, changed = _("deleted"), _("changed")
    return Row(what, "", changed, deleted) if gone else Row(what, "", deleted, changed)
