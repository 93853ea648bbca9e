"""fwknopd.conf and its override files. Behaviour notes 2."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fwknopd.config.conf_lines import MAX_LINE, conf_lines
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.problems import Problem
from fwknopd.config.server_settings import build_settings
from fwknopd.config.settings import ServerSettings
from fwknopd.config.variable import Scope
from fwknopd.config.variables import lookup

DEFAULT_INTERFACE = "eth0"
_EMBEDDED = re.compile(r"\$([A-Za-z0-9_]+)(.*)", re.DOTALL)


def settings_from_fwknopd_conf(
    text: str, file: str, overrides: Sequence[tuple[str, str]] = ()
) -> tuple[ServerSettings, tuple[Problem, ...]]:
    """The settings, with warnings and notes. ``overrides`` are (text, file), read afterwards.

    Raises ConfigError with all problems.
    """
    findings = Findings()
    settings = read_settings([(text, file), *overrides], findings)
    return settings, findings.result()


def read_settings(
    files: Sequence[tuple[str, str]], findings: Findings, device: str = DEFAULT_INTERFACE
) -> ServerSettings:
    """The settings of (text, file) pairs, of which later ones win. Problems go to findings.

    ``device``: what to capture on if they don't say it; "" for none.
    """
    return build_settings(read_directives(files, findings, device), findings)


def read_directives(
    files: Sequence[tuple[str, str]], findings: Findings, device: str = DEFAULT_INTERFACE
) -> list[Directive]:
    """The lines of (text, file) pairs as directives, with the device fwknopd takes by default.

    A UDP server hears every device, so it has no such default: doors would open for eth0 only.
    """
    values: dict[str, str] = {}
    directives = [
        directive for text, file in files for directive in _directives(text, file, values, findings)
    ]
    if (
        device
        and "PCAP_INTF" not in values
        and values.get("ENABLE_UDP_SERVER", "")[:1] not in ("Y", "y")
    ):
        directives.insert(0, Directive("PCAP_INTF", device, files[0][1]))
    return directives


def _directives(
    text: str, file: str, values: dict[str, str], findings: Findings
) -> list[Directive]:
    directives = []
    for line in conf_lines(text):
        place = Directive(line.name, line.value, file, line.number)
        if line.too_long:
            findings.error(place, "the line is longer than 1023 characters", "Shorten it.")
        elif not line.value:
            findings.warn(place, "the line has no value and is ignored", "Write NAME value;")
        else:
            expanded = _expanded(place, values, findings)
            if expanded is not None:
                directives.append(expanded)
    return directives


def _expanded(place: Directive, values: dict[str, str], findings: Findings) -> Directive | None:
    """``$NAME`` at the start of a value stands for a variable set above."""
    value = place.value
    embedded = _EMBEDDED.fullmatch(value)
    if embedded is not None:
        if embedded[1] not in values:
            findings.warn(
                place,
                f"${embedded[1]} has no value yet, so the line is ignored",
                f"Set {embedded[1]} on a line above, or write the value in full.",
            )
            return None
        value = values[embedded[1]] + embedded[2]
        if len(value) > MAX_LINE:
            findings.error(place, "the value is longer than 1023 characters", "Shorten it.")
            return None
    if lookup(Scope.SERVER, place.name) is not None:
        values[place.name] = value
    return Directive(place.name, value, place.file, place.line)
