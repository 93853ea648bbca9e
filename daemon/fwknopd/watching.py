"""`fwknopd -v`: each packet's fields and what the firewall is told, for who watches.

Loaded only with -v, and none of it becomes an event: it is text for a console or log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from fwknopd.engine import Engine
from fwknopd.events import printable
from fwknopd.firewall import Firewall, TimedDoor, process
from fwknopd.firewall.nft_commands import add_command, delete_command
from fwknopd.firewall.nft_elements import elements_of
from fwknopd.firewall.nft_ruleset import DEFAULT_TABLE
from fwknopd.grants import Door
from fwknopd.packet_dump import LONGEST, dump_lines, hex_lines
from fwknopd.policy.packet import Packet
from fwknopd.policy.verdict import CommandDecision, CycleDecision, Verdict

Say = Callable[[str], None]


def watch(engine: Engine, say: Say, *, payloads: bool = False) -> None:
    """Have ``say`` told of every packet the engine judges and everything the firewall does.

    ``payloads``: byte by byte, before anything else of a packet.
    """

    def dump(packet: Packet, verdict: Verdict) -> None:
        for line in hex_lines(packet.payload) if payloads else ():
            say(line)
        for line in dump_lines(packet, verdict):
            say(printable(line, LONGEST))
        for line in _command_lines(verdict):
            say(printable(line, LONGEST))

    engine.judged = dump
    process.watchers.append(lambda line: say(printable(line, LONGEST)))
    if engine.firewall.name == "nftables":
        watched = cast(Firewall, WatchedNftables(engine.firewall, say))
        # Doors are opened through the second one.
        engine.firewall = engine.doors.firewall = watched


def _command_lines(verdict: Verdict) -> list[str]:
    """What a knock is allowed to have run, word by word."""
    if not isinstance(verdict, CommandDecision | CycleDecision):
        return []
    from fwknopd.policy.explanation_facts import decision_text

    return [f"Decision: {decision_text(verdict)}"]


class WatchedNftables:
    """The nftables backend, with its netlink requests also said as nft's commands.

    Everything else is passed on; what the nft program is given is told by `process`.
    """

    def __init__(self, firewall: Firewall, say: Say) -> None:
        self._firewall = firewall
        self._say = say

    def __getattr__(self, name: str) -> Any:
        return getattr(self._firewall, name)

    def open(self, doors: Sequence[TimedDoor]) -> None:
        """Said, then done: what the kernel refuses was asked for too."""
        for timed in doors:
            for element in elements_of(timed.door):
                time = f"{round(timed.seconds)}s"
                self._say(f"netlink: {add_command(DEFAULT_TABLE, element, time)}")
        self._firewall.open(doors)

    def close(self, doors: Sequence[Door]) -> None:
        """Said, then done."""
        for door in doors:
            for element in elements_of(door):
                self._say(f"netlink: {delete_command(DEFAULT_TABLE, element)}")
        self._firewall.close(doors)

    def stop(self) -> None:
        """Said, then done."""
        self._say(f"netlink: delete table inet {DEFAULT_TABLE}")
        self._firewall.stop()
