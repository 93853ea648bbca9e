"""Old keys of a client that has new ones, as the page tells of them; and names for new sections."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fwknop_webui.i18n import _
from fwknopd.config import old_key_sections
from fwknopd.config.old_key_sections import (
    ACCESS,
    END,
    FIRST_USE,
    MAX_NAME,
    OF_KEYS,
    OWNER,
    end_of,
    ended,
    follow,
    is_shared,
    name_of,
    owners,
    without,
)
from fwknopd.config.uci_format import UciPackage, UciSection
from fwknopd.config.values import says_on

__all__ = [
    "ACCESS",
    "END",
    "FIRST_USE",
    "MAX_NAME",
    "OF_KEYS",
    "OWNER",
    "OldKeys",
    "described",
    "end_of",
    "ended",
    "follow",
    "is_shared",
    "made_from",
    "name_fault",
    "name_of",
    "owners",
    "without",
]


@dataclass(frozen=True, slots=True)
class OldKeys:
    """Keys that go on working, unless they are ``over``.

    ``until`` is epoch seconds, 0 when nobody knows.
    """

    section: str
    until: int
    first_use: bool
    over: bool


def name_fault(package: UciPackage, name: str, former: str = "") -> str:
    """What to say of a client's new name when another one has it; "" when it is fine."""
    if name == former or not is_shared(package, name):
        return ""
    return _("Another client has this name already. Choose a different one.")


def described(
    sections: Iterable[UciSection], now: float, ended: Callable[[str], bool]
) -> tuple[OldKeys, ...]:
    """What the list shows of them; ``ended`` tells by their name what the daemon knows."""

    def is_over(section: UciSection) -> bool:
        return 0 < end_of(section) < now or ended(name_of(section))

    return tuple(OldKeys(s.id, end_of(s), says_on(s.get(FIRST_USE)), is_over(s)) for s in sections)


def made_from(
    package: UciPackage, client: UciSection, keys: UciSection, until: int, *, first_use: bool
) -> UciPackage:
    """Keep the keys of ``keys`` beside the client's own, ``until`` epoch seconds."""
    names = (_("(old keys)"), _("(old keys {n})"))
    made = _free_id(package)
    return old_key_sections.made_from(
        package, client, keys, until, made, first_use=first_use, names=names
    )


def _free_id(package: UciPackage) -> str:
    # Not a number: two people who rotate two clients at once must not both make the same one.
    made = f"old_keys_{secrets.token_hex(4)}"
    return made if package.section(made) is None else _free_id(package)
