"""Elements in the words of nft's own language: for who watches, and for the nft program. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from fwknopd.firewall.nfnetlink import Element
from fwknopd.firewall.nft_elements import parts_of
from fwknopd.firewall.nft_lookups import Part, lookup_named
from fwknopd.spa.request import Protocol

_PROTOCOLS = {protocol.number: str(protocol) for protocol in Protocol}


def add_command(table: str, element: Element, time: str) -> str:
    """The command that adds ``element`` for that long, such as ``30s``."""
    key, data = _words(element)
    target = f" : {data}" if data else ""
    return f"add element inet {table} {element.set_name} {{ {key} timeout {time}{target} }}"


def delete_command(table: str, element: Element) -> str:
    """The command that deletes ``element``."""
    return f"delete element inet {table} {element.set_name} {{ {_words(element)[0]} }}"


def _words(element: Element) -> tuple[str, str]:
    """Key and data. Raises ValueError for an element of a set that is not ours."""
    lookup = lookup_named(element.set_name)
    if lookup is None:
        raise ValueError(f"no set of ours is called {element.set_name}")
    values = parts_of(lookup, element.key, element.data)
    return _join(lookup.kind.key, values), _join(lookup.kind.data, values)


def _join(parts: Sequence[Part], values: dict[Part, bytes]) -> str:
    return " . ".join(_word(part, values[part]) for part in parts)


def _word(part: Part, value: bytes) -> str:
    if part is Part.PROTOCOL:
        return _PROTOCOLS.get(value[0], str(value[0]))
    if part in (Part.PORT, Part.TARGET_PORT):
        return str(int.from_bytes(value[:2]))
    return str(ip_address(value))
