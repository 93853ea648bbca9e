"""Doors in the table of an earlier version of ours, so that an upgrade keeps them. Pure.

Before there were look-ups by kind, a translated door was admitted by its inside alone: an
element of source, target, protocol and target's port in ``forward4`` or ``local4``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fwknopd.firewall import TimedDoor
from fwknopd.firewall.nfnetlink import LoadedElement
from fwknopd.firewall.nft_elements import doors_of
from fwknopd.firewall.nft_lookups import FAMILIES, KINDS, Family, Lookup

Sets = Mapping[str, Iterable[LoadedElement]]


def earlier_sets() -> list[str]:
    """Names of the sets that told of doors then and are no more."""
    return [f"{stem}{family.version}" for family in FAMILIES for stem in ("forward", "local")]


def earlier_doors(sets: Sets) -> list[TimedDoor]:
    """The translated doors that elements of earlier sets, and of today's maps, stand for."""
    return [door for family in FAMILIES for door in _doors(family, sets)]


def _doors(family: Family, sets: Sets) -> Iterable[TimedDoor]:
    redirect = Lookup(KINDS["redirect"], family, family.bits)
    for stem, kind in (("forward", "inside"), ("local", "router")):
        admitted = {item.key: item for item in sets.get(f"{stem}{family.version}", ())}
        admission = Lookup(KINDS[kind], family, family.bits)
        for item in sets.get(redirect.name, ()):
            source, port = item.key[:-8], item.key[-8:]
            target, inside_port = item.data[:-4], item.data[-4:]
            found = admitted.get(source + target + port[:4] + inside_port)
            if found is not None:
                today = replace(found, key=item.key + target)
                yield from doors_of({redirect: [item], admission: [today]})
