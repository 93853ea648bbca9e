"""Whose command runs next: one of each client at a time, in the order they were asked for.

Scripts made for the C daemon count on it, which never ran two commands at once. What undoes
an earlier command so also waits for that command's end.

Knocks can ask for more commands than can ever be run, so those waiting are limited. What
closes something is never refused: its number is bounded by what was opened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fwknopd.policy.command import Command, Ended
from fwknopd.policy.stanza import Address

PER_CLIENT = 8
"""Commands of one client that run or wait."""

IN_ALL = 64
"""Commands of all clients that run or wait."""

Done = Callable[[Ended], None]


class CommandRunner(Protocol):
    """Runs commands beside the loop."""

    def start(self, command: Command, closing: bool, done: Done) -> None:
        """Run it and tell ``done`` later, once. What closes something has processes of its own."""

    def wait(self, over: Callable[[], bool], seconds: float) -> None:
        """Let commands run and end until ``over``, for ``seconds`` at most."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked for a command. ``id`` is that of the cycle it opens, "" for none."""

    client: str
    owner: str
    address: Address
    id: str = ""


@dataclass(frozen=True, slots=True)
class _Turn:
    """A command, and who waits for it."""

    command: Command
    closing: bool
    done: Done
    effect: tuple[object, ...]
    asker: Asker | None


class CommandQueue:
    """Commands by client; the first of each is running."""

    def __init__(self, runner: CommandRunner) -> None:
        self._runner = runner
        self._turns: dict[str, deque[_Turn]] = {}

    def __len__(self) -> int:
        """Commands that run or wait."""
        return sum(map(len, self._turns.values()))

    def why_full(self, client: str) -> str:
        """Why no further command of this client is taken now; "" when it is."""
        own = self._asked(self._turns.get(client, ()))
        if own >= PER_CLIENT:
            return f"{own} commands of this client are running or waiting already"
        everybody = sum(map(self._asked, self._turns.values()))
        if everybody >= IN_ALL:
            return f"{everybody} commands are running or waiting already"
        return ""

    def add(
        self,
        client: str,
        command: Command,
        done: Done,
        *,
        closing: bool = False,
        effect: tuple[object, ...] = (),
        asker: Asker | None = None,
    ) -> None:
        """Run ``command`` when it is its turn, and tell ``done`` how it ended.

        What closes comes before what only waits, but after what opens the same ``effect``.
        """
        turns = self._turns.setdefault(client, deque())
        turn = _Turn(command, closing, done, effect, asker)
        turns.insert(_place(turns, turn), turn)
        if len(turns) == 1:
            self._begin(client)

    def forget(self, select: Callable[[Asker], bool], why: str) -> int:
        """Never begin the waiting commands of these askers; how many. Each is told ``why``."""
        dropped: list[_Turn] = []
        for turns in self._turns.values():
            gone = [turn for turn in list(turns)[1:] if turn.asker and select(turn.asker)]
            for turn in gone:
                turns.remove(turn)
            dropped += gone
        for turn in dropped:
            turn.done(Ended(fault=why))
        return len(dropped)

    def _begin(self, client: str) -> None:
        turn = self._turns[client][0]
        self._runner.start(turn.command, turn.closing, lambda ended: self._ended(client, ended))

    def _ended(self, client: str, ended: Ended) -> None:
        turns = self._turns[client]
        turn = turns.popleft()
        if turns:
            self._begin(client)
        else:
            del self._turns[client]
        turn.done(ended)

    @staticmethod
    def _asked(turns: deque[_Turn] | tuple[()]) -> int:
        return sum(not turn.closing for turn in turns)


def _place(turns: deque[_Turn], turn: _Turn) -> int:
    """Where it goes in: the first of ``turns`` is running."""
    if not turn.closing:
        return len(turns)
    ahead = 0
    for number, other in enumerate(turns):
        if number == 0 or (turn.effect and other.effect == turn.effect):
            ahead = number + 1
    while ahead < len(turns) and turns[ahead].closing:
        ahead += 1
    return ahead
