"""The clients who knock with GPG: their key rings read and judged, their packets opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fwknopd.config.gpg_ring_checks import ring_problems, unread_problems
from fwknopd.config.problems import Problem
from fwknopd.gpg_queue import GpgQueue
from fwknopd.loop import Loop
from fwknopd.policy.gpg import GpgHome
from fwknopd.policy.stanza import Stanza
from fwknopd.spa.gpg_ring import KeyRing
from fwknopd.workers import Workers


class GpgClients:
    """Reads the key rings of those clients and tells ``found`` what can't work with them."""

    def __init__(self, queue: GpgQueue, found: Callable[[Problem], None]) -> None:
        self.queue = queue
        self._found = found
        self._stanzas: Sequence[Stanza] = ()
        self._problems: dict[GpgHome, tuple[Problem, ...]] = {}
        queue.rings.told = self._read

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found of the rings in use."""
        return tuple(problem for found in self._problems.values() for problem in found)

    def use(self, stanzas: Sequence[Stanza]) -> None:
        """Read the rings of these clients, in the background."""
        self._stanzas = stanzas
        self._problems.clear()
        self.queue.rings.use(stanza.gpg.home for stanza in stanzas if stanza.gpg is not None)

    def _read(self, home: GpgHome, ring: KeyRing | str) -> None:
        theirs = [stanza for stanza in self._stanzas if stanza.gpg and stanza.gpg.home == home]
        known = self._problems.get(home, ())
        found = (
            unread_problems(theirs, ring) if isinstance(ring, str) else ring_problems(theirs, ring)
        )
        self._problems[home] = tuple(dict.fromkeys(found))
        for problem in self._problems[home]:
            if problem not in known:
                self._found(problem)


def rings_checked(stanzas: Iterable[Stanza]) -> tuple[Problem, ...]:
    """What can't work with the key rings of these clients, found out here and now."""
    loop = Loop()
    workers = Workers(loop)
    clients = GpgClients(GpgQueue(workers), lambda problem: None)
    try:
        clients.use(tuple(stanzas))
        workers.finish()
        return clients.problems
    finally:
        workers.close()
        clients.queue.close()
        loop.close()
