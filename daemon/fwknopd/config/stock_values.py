"""What fwknop's server was given of a UCI value by its own init script.

That wrote each value into a line as it stood, and such a line ends at its first ``;``. So files
in use have values with one behind them, and a client's requirement may be what stands before.
"""

from __future__ import annotations

from dataclasses import replace

from fwknopd.config.directive import Directive, Findings
from fwknopd.config.variable import Kind, Variable

END = ";"

# Whoever wrote a ; into one of these may mean it, and the page shows the whole of them.
_WHOLE = frozenset({Kind.KEY_TEXT, Kind.TEXT, Kind.COMMAND, Kind.COMMANDS})


def ends_early(variable: Variable | None, value: str) -> bool:
    """Does ``value`` go on behind a ``;`` that can't be part of it?"""
    return END in value and variable is not None and not _is_whole(variable)


def _is_whole(variable: Variable) -> bool:
    # Text that the C server knows as well is what it made of it, but for passphrases.
    is_known_text = variable.kind is Kind.TEXT and not variable.secret
    return variable.uci_only or (variable.kind in _WHOLE and not is_known_text)


def until_end(value: str) -> str:
    """What stands before its ``;``."""
    return value.partition(END)[0].rstrip()


def as_stock(place: Directive, variable: Variable | None, findings: Findings) -> Directive:
    """The option as the C server got it."""
    if not ends_early(variable, place.value):
        if END in place.value and variable is not None and variable.secret:
            _warn_of_key(place, findings)
        return place
    value = until_end(place.value)
    if value.strip():
        findings.warn(place, "what follows its ; does not count", "Delete it, and the ;.")
    else:
        findings.error(place, "nothing stands before its ;", "Delete the option, or its ;.")
    return replace(place, value=value)


def _warn_of_key(place: Directive, findings: Findings) -> None:
    findings.warn(
        place,
        "it has a ;, where fwknop's own server ended it: a client that only knows what stands "
        "before can't knock any more",
        "Give both a key without one. If the client knows all of it, all is well.",
    )
