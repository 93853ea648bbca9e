"""Commands of knocks, loaded with the first client that may have one run: few may."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fwknopd.events import EventLog
from fwknopd.policy.stanza import Stanza

if TYPE_CHECKING:
    from fwknopd.command_queue import CommandRunner
    from fwknopd.cycle_table import OpenCycle
    from fwknopd.knock_commands import KnockCommands
    from fwknopd.open_cycles import CycleMemory


class LateCommands:
    """`KnockCommands` for the engine: ``loaded``, and what there is to do without them."""

    def __init__(
        self,
        runner: CommandRunner,
        events: EventLog,
        monotonic: Callable[[], float],
        memory: CycleMemory | None = None,
    ) -> None:
        self._parts = runner, events, monotonic, memory
        self._loaded: KnockCommands | None = None

    @property
    def loaded(self) -> KnockCommands:
        """What runs commands, and closes what they have opened."""
        if self._loaded is None:
            from fwknopd.knock_commands import KnockCommands

            self._loaded = KnockCommands(*self._parts)
        return self._loaded

    @loaded.setter
    def loaded(self, commands: KnockCommands) -> None:
        self._loaded = commands

    @property
    def open_cycles(self) -> int:
        """How many command cycles are open."""
        return 0 if self._loaded is None else len(self._loaded.cycles.table)

    def use(self, stanzas: Sequence[Stanza]) -> None:
        """Be ready for knocks of these clients."""
        if any(stanza.enable_cmd_exec or stanza.cmd_cycle_open for stanza in stanzas):
            # Here a failure to load is a failed reload; at a knock it would end the daemon.
            import fwknopd.knock_commands  # noqa: F401

    def adopt(self, cycles: Sequence[OpenCycle], fault: str) -> None:
        """Go on with the cycles an earlier process has left; ``fault``: what is wrong with them."""
        if cycles or fault:
            self.loaded.adopt(cycles, fault)

    def close_of_the_gone(self, stanzas: Sequence[Stanza], why: str) -> None:
        """Close at once what clients have opened that may not knock any more."""
        if self._loaded is not None:
            self._loaded.close_of_the_gone(stanzas, why)

    def next_due(self) -> float | None:
        """Monotonic second at which `tick` has something to do, None when never."""
        return None if self._loaded is None else self._loaded.next_due()

    def tick(self, now: float) -> None:
        """Close cycles that are over."""
        if self._loaded is not None:
            self._loaded.tick(now)

    def stop(self) -> None:
        """Close all cycles, as far as that is done soon."""
        if self._loaded is not None:
            self._loaded.stop()
