"""A random walk: clients knock, time passes, things happen; the model says who gets in.

Everything random comes from one seed. The same seed makes the same steps; what differs is
how long they take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from time import monotonic

from tests.netns.matrix.attempts import Attempt
from tests.netns.matrix.guarded import Guarded, Refused
from tests.netns.matrix.kind_table import WAKER
from tests.netns.matrix.ledger import KERNEL_LATE, LATE, Entry, State
from tests.netns.matrix.memory import Memory, door_of
from tests.netns.matrix.scene import Scene
from tests.netns.matrix.site import VERSIONS, Home
from tests.netns.matrix.walk_doors import Client, Doors, clients
from tests.netns.matrix.watch import Watch, bystanders_attempts, strangers_attempts

Asked = tuple[Client, int]
"""A client that knocks for a door of so many seconds."""

SHOWN = 25
WAKING_SECONDS = 60
"""The longest step takes less."""


@dataclass(frozen=True, slots=True)
class WalkReport:
    """What was found, and the steps that led there."""

    seed: int
    steps: Sequence[str]
    wrong: Sequence[str]
    certain: int
    watched: int

    def __str__(self) -> str:
        steps, wrong = "\n  ".join(self.steps), "\n  ".join(self.wrong[:SHOWN])
        return f"walk again with WALK_SEED={self.seed}\nsteps:\n  {steps}\nwrong:\n  {wrong}"


class Walk:
    """One walk, and what is known in it. ``steps`` are all that was done."""

    def __init__(self, router: Guarded, seed: int) -> None:
        self.router, self.seed = router, seed
        self.random = Random(seed)
        self.doors = Doors(KERNEL_LATE if router.arena.closes else LATE)
        self.memory = Memory(self.doors)
        self.disabled: set[str] = set()
        self.steps: list[str] = []
        site, arena = router.site, router.arena
        self.clients = clients(confusing=arena.tells_behind)
        self.watch = Watch(strangers_attempts(site, arena), bystanders_attempts(site))
        wakers = [Entry(f"waker-{v}", WAKER, Home(0, v), 300) for v in VERSIONS]
        self.scene = Scene(router, self.watch, [], wakers, Random(seed), thinned=20)
        self.scene.unjudged = self._is_unjudged
        self.scene.impatient = True

    @property
    def wrong(self) -> list[str]:
        """Where model and kernel disagree."""
        return [*self.scene.judgement.wrong, *self.watch.wrong]

    def stay_awake(self) -> None:
        """Keep the doors of the wakers open: others are measured by them."""
        if any(waker.surely < monotonic() + WAKING_SECONDS for waker in self.scene.wakers):
            self.scene.wake()

    def learn_of_ends(self) -> None:
        """Where the daemon shuts doors it may be late; those it doesn't list any more are shut."""
        if self.router.arena.closes:
            return
        began = monotonic()
        listed = {door_of(grant) for grant in self.router.ask("grants")["grants"]}
        answered = monotonic()
        for door in self.doors:
            if not door.holders or door.listed in listed:
                continue
            if door.entry.surely < began:
                door.ended()
            elif door.entry.surely > answered:
                # A connection that fails may take until its time is over.
                self.scene.judgement.wrong.append(f"{door.listed} was shut too early")

    def look(self, when: str) -> None:
        """Compare model and kernel."""
        self.scene.entries = [door.entry for door in self.doors]
        self.scene.look(when)

    def _is_unjudged(self, attempt: Attempt) -> bool:
        """A door to everything may lead this there, though the model doesn't list it."""
        now = monotonic()
        return any(
            door.entry.kind.everything
            and door.entry.home.phone == attempt.source
            and door.entry.state(now, now) is not State.SHUT
            for door in self.doors
        )

    # Knocks

    def knock(self, asked: Sequence[Asked]) -> None:
        """Knocks at the same time; those of disabled clients come to nothing."""
        mark = self.router.events.mark()
        sent = [(client, seconds, self.send(client, seconds)) for client, seconds in asked]
        for client, seconds, began in sent:
            self.heard_later(client, mark, began, seconds)
        if any(client.name in self.disabled for client, _ in asked):
            # What was sent later was heard later.
            self.scene.wake()

    def heard_later(self, client: Client, mark: int, began: float, seconds: int) -> None:
        """A knock that was sent before is taken account of, unless its client is disabled."""
        if client.name in self.disabled:
            return
        doors = self.doors.of(client)
        try:
            self.router.granted(client.kind, client.home, mark)
        except Refused as error:
            self.scene.judgement.wrong.append(f"knock of {client}: {error}")
        else:
            self.memory.granted(doors, client.name, began, monotonic(), seconds)

    def send(self, client: Client, seconds: int) -> float:
        """Send a knock; the monotonic second before that. Its doors are looked at from now on."""
        self.doors.of(client)
        return self.router.send(client.kind, client.home, seconds)

    def everything_closed(self) -> None:
        """The daemon ended in order."""
        self.memory.closed()
        for waker in self.scene.wakers:
            waker.closed()
