"""What an earlier version of the daemon leaves behind, to be taken over by today's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

from tests.netns.matrix.kinds import Kind
from tests.netns.matrix.ledger import EARLY, Entry
from tests.netns.matrix.site import HOST, ROUTER, Site

_DATA = Path(__file__).parents[2] / "data" / "nftables" / "before-lookups.nft"


def knew(kind: Kind) -> bool:
    """Whether the earlier version had doors of that kind: one address, to a port or through it."""
    new = {"grant_source", "FORWARD_ALL", "DISABLE_DNAT", "FORCE_SNAT", "FORCE_MASQUERADE"}
    return not (kind.widths or kind.strict or new & set(kind.options))


def leave_table(site: Site, entries: list[Entry]) -> None:
    """Put the earlier nftables table in the place of today's, with these doors in it."""
    lines = _DATA.read_text().splitlines()
    rules = [line for line in lines if "timeout 30s" not in line]
    elements = [element for entry in entries for element in _elements(entry)]
    replaced = ["add table inet fwknopd", "delete table inet fwknopd", *rules]
    added = [f"add element inet fwknopd {element}" for element in elements]
    site.router.nft("\n".join([*replaced, *added, ""]))


def _elements(entry: Entry) -> Iterator[str]:
    seconds = max(1, int(entry.surely + EARLY - monotonic()))
    end = monotonic() + seconds
    entry.surely, entry.possibly = end - EARLY, end + entry.late
    kind, version, phone = entry.kind, entry.home.version, entry.home.phone
    for way in kind.ways:
        door = f"{phone} . {way.protocol} . {way.number} timeout {seconds}s"
        if way.number == way.inner:
            yield f"open{version} {{ {door} }}"
            continue
        inside = HOST[version] if way.role == "host" else ROUTER[version]
        admitted = f"{phone} . {inside} . {way.protocol} . {way.inner}"
        yield f"redirect{version} {{ {door} : {inside} . {way.inner} }}"
        stem = "forward" if way.role == "host" else "local"
        yield f"{stem}{version} {{ {admitted} timeout {seconds}s }}"
