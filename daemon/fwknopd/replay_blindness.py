"""From when on a packet can't have been used before, when the list of used ones was lost.

Kept as a second of the clock that never steps; what that is in time of day is reckoned anew
whenever somebody sets the clock.
"""

from __future__ import annotations

JITTER = 2
"""Seconds by which the reckoning may change without the clock having been set."""


def is_young(up: float, age: int | None) -> bool:
    """Does it matter when this machine was started, ``up`` seconds ago?

    A list can be whole and lack its end all the same: what a power failure took with it, or what
    came while the flash was read-only, of which nothing is left to tell. So at first packets made
    before the boot count as used, whatever the list says. Nobody is kept waiting by that but
    those whose clocks are behind by more than the machine has been up. Later such packets are
    too old; and where packets don't age (None), their clocks are of no account.
    """
    return age is not None and up <= age


class Blindness:
    """Packets stamped before an epoch second count as used; none when nothing was lost.

    ``wall`` is epoch seconds, or None while the clock can't be believed; ``steady`` is
    seconds of the clock that never steps.
    """

    __slots__ = ("_fixed", "_held", "_until")

    def __init__(self) -> None:
        self._until: float | None = None
        self._fixed: int | None = None
        self._held: int | None = None

    def extend(self, until: float) -> None:
        """A list was lost: what was used is stamped before this steady second."""
        self._until = until if self._until is None else max(self._until, until)
        self._held = None

    def restore(self, epoch: int, wall: float | None, steady: float, age: int) -> None:
        """An earlier run lost its list, and reckoned this epoch second.

        It is kept to this steady second, unless it lies further ahead than any loss can:
        then the clock was set back since, and it will be set forward to where it was.
        """
        if wall is not None and epoch <= wall + age + JITTER:
            self.extend(epoch - wall + steady)
            self._held = epoch
        else:
            self._fixed = epoch

    def before(self, wall: float | None, steady: float) -> int | None:
        """The epoch second; None when nothing was lost, 0 when it can't be said yet."""
        if self._until is None:
            return self._fixed
        if wall is None:
            return self._fixed or 0
        reckoned = max(self._fixed or 0, int(wall - steady + self._until))
        if self._held is None or abs(reckoned - self._held) > JITTER:
            self._held = reckoned
        return self._held
