"""What our table can look up of a packet: sets and maps, by kind, family and prefix length.

Each kind of door needs one look-up or more, and each look-up is a set or map with one rule.
They are hash sets, so a look-up costs the same however many doors are open. For networks
that means one set per prefix length, with the masked address as its key: a set of intervals
would cost more with every door, and refuses networks that lie within each other.

A table has only the look-ups that were needed so far: a packet passes few rules, and a
kernel without NAT can still open doors that need none. Pure.
"""

import re
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_network
from typing import NamedTuple

_NAME = re.compile(r"([a-z_]+)([46])(?:_(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One address family: nft's keyword and type, and how many bits an address has."""

    header: str
    address_type: str
    version: int
    bits: int


IPV4 = Family("ip", "ipv4_addr", 4, 32)
IPV6 = Family("ip6", "ipv6_addr", 6, 128)
FAMILIES = (IPV4, IPV6)


class Part(Enum):
    """One field of a key or of a map's data."""

    SOURCE = "who connects"
    DESTINATION = "the address of this router that was connected to"
    PROTOCOL = "tcp or udp"
    PORT = "the outside port"
    TARGET = "the inside host"
    TARGET_PORT = "its port"
    MASK = "the address connections appear to come from"

    # Enum's own goes through Python, and reading thousands of doors needs many.
    __hash__ = object.__hash__


S, D, L, P = Part.SOURCE, Part.DESTINATION, Part.PROTOCOL, Part.PORT
T, Q, M = Part.TARGET, Part.TARGET_PORT, Part.MASK


class Chain(Enum):
    """Our chains with look-ups; the value is the chain's name."""

    INPUT = "mark_input"
    FORWARD = "mark_forward"
    TRANSLATE = "translate"
    MASK = "mask"


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What is looked up, where, and what for.

    ``translated``: packets have passed our destination NAT, so what was connected to is
    known from their connection. ``data`` makes it a map.
    """

    name: str
    chain: Chain
    key: tuple[Part, ...]
    data: tuple[Part, ...] = ()
    translated: bool = False


_OPENING = (
    Kind("open", Chain.INPUT, (S, L, P)),
    Kind("open_at", Chain.INPUT, (S, D, L, P)),
    # A translated door is open to connections that came by its outside port, to no others:
    # knowing the inside address must not be a way past it.
    Kind("router", Chain.INPUT, (S, L, P, T), translated=True),
    Kind("router_at", Chain.INPUT, (S, D, L, P, T), translated=True),
)
_PASSING = (
    Kind("inside", Chain.FORWARD, (S, L, P, T), translated=True),
    Kind("inside_at", Chain.FORWARD, (S, D, L, P, T), translated=True),
    Kind("through", Chain.FORWARD, (S, T, L, P)),
    Kind("all_inside", Chain.FORWARD, (S, T), translated=True),
    Kind("all_inside_at", Chain.FORWARD, (S, D, T), translated=True),
    Kind("all_through", Chain.FORWARD, (S, T)),
    Kind("all", Chain.FORWARD, (S,)),
)
_TRANSLATING = (
    Kind("redirect", Chain.TRANSLATE, (S, L, P), (T, Q)),
    Kind("redirect_at", Chain.TRANSLATE, (S, D, L, P), (T, Q)),
    Kind("all_redirect", Chain.TRANSLATE, (S,), (T,)),
    Kind("all_redirect_at", Chain.TRANSLATE, (S, D), (T,)),
)
_MASKING = tuple(
    Kind(f"{how}_{kind.name}", Chain.MASK, kind.key, data, kind.translated)
    for kind in _PASSING
    for how, data in (("snat", (M,)), ("masq", ()))
)
KINDS = {kind.name: kind for kind in (*_OPENING, *_PASSING, *_TRANSLATING, *_MASKING)}


class Lookup(NamedTuple):
    """A set or map of ours. ``bits`` of the source are looked at; all of them for a host."""

    kind: Kind
    family: Family
    bits: int

    @property
    def name(self) -> str:
        """The set's name."""
        length = "" if self.bits == self.family.bits else f"_{self.bits}"
        return f"{self.kind.name}{self.family.version}{length}"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The fields of the key and then of the data."""
        return self.kind.key + self.kind.data

    @property
    def precedence(self) -> tuple[object, ...]:
        """Sorts those that know more of a packet before those that know less."""
        length, fields = self.family.bits - self.bits, -len(self.kind.key)
        return (self.family.version, Part.PORT not in self.kind.key, length, fields, self.name)

    def size(self, part: Part) -> int:
        """Bytes of a field: each is padded to four."""
        return 4 if part in (L, P, Q) else self.family.bits // 8

    def declaration(self, table: str) -> str:
        """The command that adds it to ``table``."""
        word = "map" if self.kind.data else "set"
        key = " . ".join(self._type(part) for part in self.kind.key)
        data = " . ".join(self._type(part) for part in self.kind.data)
        types = f"{key} : {data}" if data else key
        return f"add {word} {table} {self.name} {{ type {types}; flags timeout; }}"

    def rule(self, mark: str) -> str:
        """The rule that looks it up, with its chain; ``mark`` is a statement that sets ours."""
        return f"{self.kind.chain.value} {self._condition()}{self._effect(mark)}"

    def _effect(self, mark: str) -> str:
        key = " . ".join(self._expression(part) for part in self.kind.key)
        if self.kind.data:
            word = "dnat" if self.kind.chain is Chain.TRANSLATE else "snat"
            return f"{word} {self.family.header} to {key} map @{self.name}"
        return f"{key} @{self.name} {'masquerade' if self.kind.chain is Chain.MASK else mark}"

    def _condition(self) -> str:
        # nft wants to know the protocol where a port is set, or taken from a connection.
        knows = self.kind.translated or self.kind.data
        ports = "meta l4proto { tcp, udp } " if knows and P in self.kind.key else ""
        return ports + ("ct status dnat " if self.kind.translated else "")

    def _expression(self, part: Part) -> str:
        header, first = self.family.header, "ct original " if self.kind.translated else ""
        if part is S:
            return f"{header} saddr{self._mask()}"
        if part is D:
            return f"{first}{header} daddr"
        if part is P:
            return "ct original proto-dst" if first else "th dport"
        return "meta l4proto" if part is L else f"{header} daddr"

    def _mask(self) -> str:
        if self.bits == self.family.bits:
            return ""
        return f" & {ip_network((bytes(self.family.bits // 8), self.bits)).netmask}"

    def _type(self, part: Part) -> str:
        plain = {L: "inet_proto", P: "inet_service", Q: "inet_service"}
        return plain.get(part, self.family.address_type)


def lookup_named(name: str) -> Lookup | None:
    """The look-up whose set has this name, None for any other name."""
    match = _NAME.fullmatch(name)
    kind = KINDS.get(match[1]) if match else None
    if match is None or kind is None:
        return None
    family = IPV4 if match[2] == "4" else IPV6
    bits = family.bits if match[3] is None else int(match[3])
    lookup = Lookup(kind, family, bits)
    return lookup if bits <= family.bits and lookup.name == name else None


BASIC = frozenset(Lookup(KINDS["open"], family, family.bits) for family in FAMILIES)
"""What every table has from the start."""
