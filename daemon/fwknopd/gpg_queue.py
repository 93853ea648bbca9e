"""gpg runs for packets: few at a time, the sure ones first, none for ever.

Any stranger can make a packet that costs a run of gpg, if he knows the id of the router's
key and the client has no HMAC key. So packets whose HMAC fits are served first; of the
others few wait, and of one address fewer still. Each key ring is served by one run at a
time: where a gpg is stuck, those who use another ring don't wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

from fwknopd.children import Outcome
from fwknopd.gpg_home import clear, new_folder
from fwknopd.gpg_rings import GpgRings
from fwknopd.policy.gpg import GpgHome
from fwknopd.policy.gpg_questions import GpgAnswer, GpgFailure, GpgQuestion, NeedsGpg
from fwknopd.policy.packet import Address
from fwknopd.spa.gpg_report import read_report, unpacked
from fwknopd.workers import Workers

GPG_SECONDS = 10.0
"""A slow router needs one or two seconds for a long key with a passphrase."""

PATIENCE = 20.0
"""Seconds a packet may wait for its turn: after that, nobody waits for the door any more."""

RUNNING_LIMIT = 3
"""Of the workers' four, so that commands and name lookups find a place."""

SURE_LIMIT, UNSURE_LIMIT = 32, 16
"""Packets that wait: with an HMAC that fits; others."""

CLIENT_LIMIT, SOURCE_LIMIT = 8, 2
"""Of these for one client; of those without an HMAC from one address."""

Done = Callable[[GpgAnswer], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Who waits for an answer."""

    question: GpgQuestion
    sure: bool
    client: str
    source: Address
    since: float
    done: Done


class GpgQueue:
    """Answers questions by running gpg in children."""

    def __init__(self, workers: Workers, clock: Callable[[], float] = monotonic) -> None:
        self.rings = GpgRings(workers, clock)
        self._workers = workers
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._running: dict[GpgHome, Path] = {}

    def __len__(self) -> int:
        """Packets that wait or are being opened."""
        return len(self._waiting) + len(self._running)

    @property
    def recipients(self) -> Mapping[GpgHome, frozenset[str]]:
        """Ids of the secret keys of the rings that have been read."""
        return self.rings.recipients

    def ask(self, need: NeedsGpg, source: Address, done: Done) -> None:
        """Have the question answered, and ``done`` told once, perhaps before this returns."""
        client = need.stanza.identity
        entry = _Waiting(need.question, need.authenticated, client, source, self._clock(), done)
        fault = self._no_room(entry)
        if fault:
            done(GpgFailure(fault, busy=True))
            return
        self._waiting.append(entry)
        self._fill()

    def _no_room(self, entry: _Waiting) -> str:
        alike = [other for other in self._waiting if other.sure is entry.sure]
        limit = SURE_LIMIT if entry.sure else UNSURE_LIMIT
        if len(alike) >= limit:
            return f"{len(alike)} packets wait for gpg already"
        if sum(other.client == entry.client for other in alike) >= CLIENT_LIMIT:
            return f"{CLIENT_LIMIT} packets of this client wait for gpg already"
        same = sum(other.source == entry.source for other in alike)
        if not entry.sure and same >= SOURCE_LIMIT:
            return f"{same} packets from this address wait for gpg already"
        return ""

    def _fill(self) -> None:
        for entry in list(self._ripe()):
            if len(self._running) >= RUNNING_LIMIT:
                return
            if entry.question.home not in self._running:
                self._waiting.remove(entry)
                self._start(entry)

    def _ripe(self) -> Iterator[_Waiting]:
        """Who may be next: those who are sure first, then by age. Who waited too long is told."""
        now = self._clock()
        late = [entry for entry in self._waiting if now - entry.since > PATIENCE]
        for entry in late:
            self._waiting.remove(entry)
        for entry in late:
            entry.done(GpgFailure(f"gpg was busy for {PATIENCE:g} seconds", busy=True))
        yield from (entry for entry in self._waiting if entry.sure)
        yield from (entry for entry in self._waiting if not entry.sure)

    def _start(self, entry: _Waiting) -> None:
        folder = new_folder()
        self._running[entry.question.home] = folder
        self._workers.start(
            partial(_decrypt, entry.question, folder),
            GPG_SECONDS,
            lambda outcome: self._ended(entry, folder, outcome),
        )

    def _ended(self, entry: _Waiting, folder: Path, outcome: Outcome) -> None:
        if outcome.fault:
            # Its home is not free before that: what it left may still be stuck.
            self._workers.start(partial(_clear, folder), GPG_SECONDS, lambda _: self._free(entry))
        else:
            self._free(entry)
        entry.done(_answer(outcome))

    def _free(self, entry: _Waiting) -> None:
        del self._running[entry.question.home]
        self._fill()

    # The end

    def close(self) -> None:
        """End what gpg runs have left, when the workers are closed; nobody is told."""
        self._waiting.clear()
        for folder in self._running.values():
            clear(folder)
        self._running.clear()
        self.rings.close()


def _answer(outcome: Outcome) -> GpgAnswer:
    if outcome.fault:
        return GpgFailure(f"gpg gave no answer: {outcome.fault}")
    said = unpacked(outcome.result)
    return GpgFailure(said) if isinstance(said, str) else read_report(*said)


# In children. What they need is loaded there.


def _decrypt(question: GpgQuestion, folder: Path) -> bytes:
    from fwknopd.gpg_jobs import be_modest, decrypt

    be_modest()
    return decrypt(question, folder)


def _clear(folder: Path) -> bytes:
    clear(folder)
    return b""
