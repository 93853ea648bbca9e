"""Weekdays to tick, from and to the text that stands in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknopd.config.hours import parse_days
from fwknopd.config.invalid import InvalidValue

DAYS = (
    ("mon", N_("Monday")),
    ("tue", N_("Tuesday")),
    ("wed", N_("Wednesday")),
    ("thu", N_("Thursday")),
    ("fri", N_("Friday")),
    ("sat", N_("Saturday")),
    ("sun", N_("Sunday")),
)


@dataclass(frozen=True, slots=True)
class Day:
    """A day to tick."""

    name: str
    label: str
    chosen: bool


def tickable(text: str) -> tuple[Day, ...]:
    """The days of the week, those of ``text`` ticked; none when it has to be typed."""
    try:
        chosen = parse_days(text) if text else frozenset[int]()
    except InvalidValue:
        return ()
    return tuple(Day(name, _(label), n in chosen) for n, (name, label) in enumerate(DAYS))


def plain(text: str) -> str:
    """The same days one by one, as ticks say them; what names none stays as it is."""
    return " ".join(day.name for day in tickable(text) if day.chosen) or text


def ticked(option: str, form: Mapping[str, str]) -> str:
    """What the ticks of ``option`` mean; all of them is any day, as none is."""
    names = [name for name, _label in DAYS if form.get(f"{option}_{name}")]
    return "" if len(names) == len(DAYS) else " ".join(names)
