"""Setting elements to a time, whether or not they are there. Pure.

The kernel has no request for that. An add succeeds if the key is there, but kernels
before 6.12 then keep the old time; a delete fails if the key isn't there. So each
element is added, deleted and added again in one transaction, which nobody sees the
middle of. Asking first, or trying and failing, would cost more: a transaction that
fails waits for every processor to let go of the rules, some 20 ms.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence

from fwknopd.firewall.nfnetlink import Element
from fwknopd.firewall.nft_elements import SHORTEST_MS

# A map has the key with other data, which an add doesn't replace. Kernels differ.
_OCCUPIED = (errno.EBUSY, errno.EEXIST)
# To delete is a step with no time to live.
DELETE = 0
Step = tuple[Element, int]


class Opening:
    """Elements to set to a time in ms, others to be gone, and what failed attempts taught."""

    def __init__(self, wanted: Mapping[Element, int], unwanted: Iterable[Element] = ()) -> None:
        self._wanted = {**dict.fromkeys(unwanted, DELETE), **wanted}
        self._occupied: set[Element] = set()

    def steps(self) -> list[Step]:
        """The next attempt: each element with its ms, or DELETE."""
        steps: list[Step] = []
        for element, milliseconds in self._wanted.items():
            if element not in self._occupied:
                steps.append((element, milliseconds or SHORTEST_MS))
            steps.append((element, DELETE))
            if milliseconds != DELETE:
                steps.append((element, milliseconds))
        return steps

    def learn(self, steps: Sequence[Step], errors: Sequence[int]) -> None:
        """Take in how the steps of an attempt failed: errno, or 0, of each.

        Raises OSError for a failure that no next attempt can mend.
        """
        for (element, milliseconds), code in zip(steps, errors, strict=True):
            if code in _OCCUPIED and milliseconds != DELETE:
                self._occupied.add(element)
            elif code == errno.ENOENT and milliseconds == DELETE:
                # It expired under our hands.
                self._occupied.discard(element)
            elif code:
                raise OSError(code, "")
