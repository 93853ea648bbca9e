"""What the configuration says of the page itself: how long a login lasts, where it listens.

The options stand in the section ``global``. One that makes no sense counts as unset, for the
page must open to be mended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fwknop_webui.i18n import _
from fwknop_webui.listen_address import listen_address
from fwknop_webui.sections import Sections
from fwknopd.config.uci_format import UciPackage
from fwknopd.config.variables import Scope, lookup

GLOBAL = "global"
IDLE, LENGTH, LISTEN = "session_idle", "session_length", "listen"
TIMES = (IDLE, LENGTH)


@dataclass(frozen=True, slots=True)
class WebSettings:
    """``idle`` and ``length`` of a login in seconds, None where unset; ``listen``: "" if unset."""

    idle: float | None = None
    length: float | None = None
    listen: str = ""


def web_settings(package: UciPackage) -> WebSettings:
    """What counts of it."""
    sections = Sections(package)
    stored = {name: sections.value(GLOBAL, name).strip() for name in (*TIMES, LISTEN)}
    wrong = web_faults(stored)
    idle, length = (None if name in wrong else _seconds(stored[name]) for name in TIMES)
    return WebSettings(idle, length, "" if LISTEN in wrong else stored[LISTEN])


def idle_seconds(text: str) -> float | None:
    """What this value of ``session_idle`` says; None for nothing."""
    return None if web_faults({IDLE: text}) else _seconds(text)


def _seconds(minutes: str) -> float | None:
    return 60.0 * int(minutes) if minutes else None


def stored_faults(package: UciPackage) -> dict[str, str]:
    """What is wrong with what is stored, by option."""
    sections = Sections(package)
    return web_faults({name: sections.value(GLOBAL, name) for name in (*TIMES, LISTEN)})


def web_faults(typed: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with these options, by option; none where they are unset."""
    faults = {name: _time_fault(name, typed[name]) for name in TIMES if typed.get(name)}
    faults[LISTEN] = _listen_fault(typed.get(LISTEN, ""))
    return {name: fault for name, fault in faults.items() if fault}


def _time_fault(option: str, text: str) -> str:
    variable = lookup(Scope.UCI, option)
    if variable is None or variable.minimum is None or variable.maximum is None:
        raise LookupError(option)
    # The length first: int() refuses thousands of digits.
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else -1
    if variable.minimum <= number <= variable.maximum:
        return ""
    expected = _("Expecting: a whole number of minutes from {low} to {high}, such as {example}.")
    return expected.format(low=variable.minimum, high=variable.maximum, example=variable.example)


def _listen_fault(text: str) -> str:
    try:
        port = listen_address(text)[1] if text else 1
    except ValueError:
        port = 0
    return "" if port else _("Expecting: an address and a port, such as 127.0.0.1:8080.")
