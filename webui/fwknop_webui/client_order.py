"""The order of clients, which matters: the first whose keys fit decides."""

from __future__ import annotations

from collections.abc import Sequence

from fwknopd.config.uci_format import UciPackage

UP, DOWN = "up", "down"


def moved(package: UciPackage, rows: Sequence[str], section_id: str, way: str) -> UciPackage:
    """The package with a client one row up or down; the same when it can't go further.

    ``rows`` are the sections the list shows, in order: what is between them stays where it is.
    """
    place = rows.index(section_id)
    other = place - 1 if way == UP else place + 1
    if not 0 <= other < len(rows):
        return package
    first, second = package.section(section_id), package.section(rows[other])
    if first is None or second is None:
        return package
    swapped = {first.id: second, second.id: first}
    return UciPackage(tuple(swapped.get(item.id, item) for item in package.sections))
