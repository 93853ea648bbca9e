"""A stranger's first packet, and what can be said of it where a rule asks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fwknopd.policy.stanza import Address

EXACT = {"!=": False, "==": True, None: True}
"""Operators that ask for one of some values, and those that ask for any other."""

VERSIONS = {"ip": 4, "ip6": 6, "ipv4": 4, "ipv6": 6}
"""IP versions by their names in rules."""


class Met(Enum):
    """Whether a packet meets a rule. AT_FIRST: as long as there are few such packets."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"
    AT_FIRST = "at first"

    @classmethod
    def of(cls, met: bool | None) -> Met:
        """None is MAYBE."""
        return cls.MAYBE if met is None else cls.YES if met else cls.NO


@dataclass(frozen=True, slots=True)
class FirstPacket:
    """The first packet of a stranger's connection, on its way through the rules.

    ``port`` None is one that can't be told. Once a rule has led it elsewhere it goes to
    ``address``, or to one that can't be told; before that to the router's own. ``translated``
    None: whether that makes it another connection to the kernel can't be told.
    """

    device: str
    version: int
    protocol: str
    port: int | None
    address: Address | None = None
    translated: bool | None = False


@dataclass(slots=True)
class Marks:
    """What is known of the packet's mark: ``bit_clear``, no rule has set that ``bit``."""

    bit: int
    bit_clear: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """What a statement is judged by. ``tracked``: the kernel knows its connection by then."""

    packet: FirstPacket
    marks: Marks
    by_iptables: bool
    tracked: bool = True


def values_of(text: str) -> list[str]:
    inner = text[1:-1] if text.startswith("{") else text
    return [value.strip() for value in inner.split(",")]


def compared(met: bool | None, op: str | None) -> Met:
    """``op`` is what stands before the value."""
    if met is None or op not in EXACT:
        return Met.MAYBE
    return Met.of(met is EXACT[op])
