"""Setting elements to a time, whether or not they are there. Pure.

The kernel has no request for that: an add fails if the key is there, a delete
fails if it isn't, and elements expire in between. So every attempt is one
transaction, and its failures say which elements to delete first in the next one.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence

from fwknopd.firewall.nfnetlink import Element

# To delete is a step with no time to live.
DELETE = 0
Step = tuple[Element, int]
# EBUSY is the answer when a map's key is there with other data.
_FOUND = (errno.EEXIST, errno.EBUSY)


class Opening:
    """Elements to set, and what is known of the kernel's state so far."""

    def __init__(self, wanted: Mapping[Element, int]) -> None:
        self._wanted = dict(wanted)
        self._there: set[Element] = set()

    @property
    def elements(self) -> list[Element]:
        """All elements to set."""
        return list(self._wanted)

    def steps(self) -> list[Step]:
        """The next attempt: each element with its ms, or DELETE."""
        steps: list[Step] = []
        for element, milliseconds in self._wanted.items():
            if element in self._there:
                steps.append((element, DELETE))
            steps.append((element, milliseconds))
        return steps

    def found(self, elements: Iterable[Element]) -> None:
        """Take in that exactly these are there."""
        self._there = set(elements)

    def learn(self, steps: Sequence[Step], errors: Sequence[int]) -> list[Element]:
        """Take in how the steps of an attempt failed (errno or 0); elements newly found.

        Raises OSError for a failure that no next attempt can mend.
        """
        discovered: list[Element] = []
        for (element, milliseconds), code in zip(steps, errors, strict=True):
            if code in _FOUND and milliseconds != DELETE:
                self._there.add(element)
                discovered.append(element)
            elif code == errno.ENOENT and milliseconds == DELETE:
                self._there.discard(element)
            elif code:
                raise OSError(code, "")
        return discovered

    def keep_at_least(self, element: Element, milliseconds: int) -> None:
        """Don't shorten an element that another door needs for longer."""
        self._wanted[element] = max(self._wanted[element], milliseconds)
