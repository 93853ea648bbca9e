"""What knocks ask for, and which of it can be had at the same time. Pure."""

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from fwknopd.grants import Door


class DoorRequest(NamedTuple):
    """What one knock asks for: ``doors``, all or none, for ``lifetime`` seconds.

    ``cut_at_expiry``: then the doors' connections are to end too.
    """

    doors: Sequence[Door]
    client: str
    owner: str
    lifetime: float
    cut_at_expiry: bool = False


def independent(requests: Sequence[DoorRequest]) -> Iterator[list[DoorRequest]]:
    """``requests`` in order, parted wherever one has to do with what an earlier one changed."""
    if len(requests) == 1:
        yield list(requests)
        return
    group: list[DoorRequest] = []
    decided: set[Hashable] = set()
    for request in requests:
        decides = {door if door.claim is None else door.claim for door in request.doors}
        if not decided.isdisjoint(decides):
            yield group
            group, decided = [], set()
        group.append(request)
        decided |= decides
    if group:
        yield group
