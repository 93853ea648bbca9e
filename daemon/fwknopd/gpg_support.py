"""gpg for the engine, and all that belongs to it: loaded with the first client who needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from fwknopd.config.problems import Problem
from fwknopd.events import EventKind, EventLog
from fwknopd.policy.gpg import GpgHome
from fwknopd.policy.gpg_questions import GpgAnswer, NeedsGpg
from fwknopd.policy.packet import Address
from fwknopd.policy.stanza import Stanza
from fwknopd.workers import Workers

if TYPE_CHECKING:
    from fwknopd.gpg_clients import GpgClients


class GpgSupport:
    """Opens packets and reads key rings in children; what can't work becomes an event."""

    def __init__(self, workers: Workers, events: EventLog) -> None:
        self._workers = workers
        self._events = events
        self._clients: GpgClients | None = None

    @property
    def recipients(self) -> Mapping[GpgHome, frozenset[str]]:
        """Ids of the secret keys of the rings that have been read."""
        return {} if self._clients is None else self._clients.queue.recipients

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What can't work with the key rings in use."""
        return () if self._clients is None else self._clients.problems

    def use(self, stanzas: Sequence[Stanza]) -> None:
        """Read the key rings of these clients, in the background."""
        if self._clients is not None or any(stanza.gpg for stanza in stanzas):
            self._loaded().use(stanzas)

    def ask(self, need: NeedsGpg, source: Address, done: Callable[[GpgAnswer], None]) -> None:
        """Have the question answered, and ``done`` told once, perhaps before this returns."""
        self._loaded().queue.ask(need, source, done)

    def close(self) -> None:
        """End what is left of gpg, when the workers are closed; nobody is told."""
        if self._clients is not None:
            self._clients.queue.close()

    def _loaded(self) -> GpgClients:
        if self._clients is None:
            from fwknopd.gpg_clients import GpgClients
            from fwknopd.gpg_queue import GpgQueue

            self._clients = GpgClients(GpgQueue(self._workers), self._found)
        return self._clients

    def _found(self, problem: Problem) -> None:
        self._events.record(EventKind.RELOAD, detail=str(problem), reason=problem.severity)
