"""What was typed in a form, put on top of what the configuration has become meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fwknop_webui.check import check
from fwknop_webui.i18n import _
from fwknop_webui.merge import Conflict, merge
from fwknop_webui.staging import Draft
from fwknopd.config.problems import Problem
from fwknopd.config.uci_changes import MASK, DeleteOption, SetOption
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_format import UciValue
from fwknopd.config.variables import is_secret


@dataclass(frozen=True, slots=True)
class Combined:
    """``draft`` is what would be staged.

    ``conflicts``: options both changed, where the draft has what was typed. ``problems``:
    errors neither of the two has by itself. ``sections``: ids by those the form knew.
    """

    draft: Draft
    conflicts: tuple[Conflict, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_merged: bool = False
    sections: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether it can be saved without asking anybody."""
        return not self.conflicts and not self.problems


def combine(
    opened: Draft, changed: Draft, now: Draft, file: str, *, prefer_mine: bool = True
) -> Combined:
    """``changed`` is what the form made of ``opened``; ``now`` what the pages show by now."""
    if opened.base.etag == now.base.etag and opened.changes == now.changes:
        return Combined(now.with_package(changed.package))
    found = merge(opened.package, changed.package, now.package, prefer_mine=prefer_mine)
    draft = now.with_package(found.package)
    known = {*check(now.package, file).errors, *check(changed.package, file).errors}
    new = tuple(p for p in check(draft.package, file).errors if p not in known)
    return Combined(draft, found.conflicts, new, True, found.sections)


def conflict_texts(conflicts: tuple[Conflict, ...]) -> dict[str, str]:
    """What to say beside the fields, by option."""
    text = _("Meanwhile it was changed to “{value}”. Save again to have yours instead.")
    gone = _("Meanwhile it was removed. Save again to have yours instead.")
    return _texts(conflicts, text, gone)


def outdated_texts(draft: Draft, changed: Draft, section: str = "") -> dict[str, str]:
    """What to say beside all fields that differ, by option: nobody knows what the page showed.

    ``draft`` is there now, ``changed`` is it with what was typed; ``section``: only that one's.
    """
    changes = differences(draft.package, changed.package)
    contested = tuple(
        Conflict(change.section, change.option, None, _value(draft, change))
        for change in changes
        if isinstance(change, SetOption | DeleteOption) and section in ("", change.section)
    )
    text = _("Now it is “{value}”. Save again to have yours instead.")
    gone = _("Now it is not set. Save again to have yours instead.")
    return _texts(contested, text, gone)


def _value(draft: Draft, change: SetOption | DeleteOption) -> UciValue | None:
    section = draft.package.section(change.section)
    option = section.option(change.option) if section else None
    return option.value if option else None


def _texts(conflicts: tuple[Conflict, ...], text: str, gone: str) -> dict[str, str]:
    return {
        item.option: gone
        if item.theirs is None
        else text.format(value=shown(item.option, item.theirs))
        for item in conflicts
        if item.option
    }


def shown(option: str, value: UciValue | None) -> str:
    """A value for people; "" for none."""
    if value is None:
        return ""
    if is_secret(option):
        return MASK
    return value if isinstance(value, str) else ", ".join(value)
