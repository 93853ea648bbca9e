"""The key rings of the clients: read when the settings are, and again when they change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from time import monotonic

from fwknopd.children import Outcome
from fwknopd.gpg_home import clear, clear_abandoned, new_folder
from fwknopd.policy.gpg import GpgHome
from fwknopd.spa.gpg_report import unpacked
from fwknopd.spa.gpg_ring import KeyRing, read_ring
from fwknopd.workers import Workers

RING_SECONDS = 20.0
"""More than a packet gets: gpg may have to check a large ring first."""

LOOK_SECONDS = 10.0
"""How often a packet makes us see whether the rings have changed."""

_FILES = ("private-keys-v1.d", "pubring.kbx", "pubring.gpg", "secring.gpg", "public-keys.d")

Told = Callable[[GpgHome, KeyRing | str], None]
"""Told a key ring, or why it can't be read."""

Stamp = tuple[int, ...]


class GpgRings:
    """Reads key rings in children. ``told`` hears of each ring that was read."""

    def __init__(self, workers: Workers, clock: Callable[[], float] = monotonic) -> None:
        self.told: Told = lambda home, ring: None
        self._workers = workers
        self._clock = clock
        self._recipients: dict[GpgHome, frozenset[str]] = {}
        self._stamps: dict[GpgHome, Stamp] = {}
        self._reading: set[Path] = set()
        self._looked = 0.0
        self._cleared = False

    @property
    def recipients(self) -> Mapping[GpgHome, frozenset[str]]:
        """Ids of the secret keys, by ring; a ring that has changed is missing until it is read."""
        if self._stamps and self._clock() - self._looked > LOOK_SECONDS:
            self._look()
        return self._recipients

    def use(self, homes: Iterable[GpgHome]) -> None:
        """Read these rings and forget others."""
        wanted = sorted(set(homes), key=lambda home: (home.folder, home.program))
        self._stamps = {home: self._stamps.get(home, ()) for home in wanted}
        self._recipients = {
            home: ids for home, ids in self._recipients.items() if home in self._stamps
        }
        if wanted and not self._cleared:
            self._cleared = True
            self._workers.start(_clear_abandoned, RING_SECONDS, lambda _: None)
        for home in wanted:
            self._read(home)

    def close(self) -> None:
        """End what the readings have left, when the workers are closed; nobody is told."""
        for folder in self._reading:
            clear(folder)
        self._reading.clear()

    def _look(self) -> None:
        self._looked = self._clock()
        for home, stamp in list(self._stamps.items()):
            if _stamp(home) != stamp:
                self._recipients.pop(home, None)
                self._read(home)

    def _read(self, home: GpgHome) -> None:
        self._stamps[home] = _stamp(home)
        self._looked = self._clock()
        folder = new_folder()
        self._reading.add(folder)
        self._workers.start(
            partial(_list_keys, home, folder), RING_SECONDS, partial(self._ended, home, folder)
        )

    def _ended(self, home: GpgHome, folder: Path, outcome: Outcome) -> None:
        self._reading.discard(folder)
        if outcome.fault:
            self._workers.start(partial(_clear, folder), RING_SECONDS, lambda _: None)
        if home not in self._stamps:
            return
        ring = _ring(outcome)
        if isinstance(ring, KeyRing):
            self._recipients[home] = ring.recipients
        else:
            # gpg itself says then what is wrong with each packet.
            self._recipients.pop(home, None)
        self.told(home, ring)


def _stamp(home: GpgHome) -> Stamp:
    """Changes with the keys of a ring."""
    return tuple(_changed(Path(home.folder, name)) for name in _FILES)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _ring(outcome: Outcome) -> KeyRing | str:
    if outcome.fault:
        return f"gpg did not list its keys: {outcome.fault}"
    said = unpacked(outcome.result)
    return said if isinstance(said, str) else read_ring(said[0])


# In children. What they need is loaded there.


def _list_keys(home: GpgHome, folder: Path) -> bytes:
    from fwknopd.gpg_jobs import be_modest, list_keys

    be_modest()
    return list_keys(home, folder)


def _clear(folder: Path) -> bytes:
    clear(folder)
    return b""


def _clear_abandoned() -> bytes:
    clear_abandoned()
    return b""
