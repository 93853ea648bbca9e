"""What can happen in a random walk."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

from tests.netns.matrix import troubles
from tests.netns.matrix.ledger import State
from tests.netns.matrix.memory import door_of
from tests.netns.matrix.walk import Asked, Walk, WalkReport
from tests.netns.matrix.walk_doors import Client

SECONDS = (2, 3, 4, 6, 30)
LONGEST_WAIT = 2.5
MOST_AT_ONCE = 5

Step = Callable[[Walk], str]


def knock(walk: Walk) -> str:
    """One client knocks."""
    asked = _asked(walk, 1)
    walk.knock(asked)
    return f"knock: {_told(asked)}"


def knock_together(walk: Walk) -> str:
    """Several knocks are on their way at the same time."""
    asked = _asked(walk, walk.random.randint(2, MOST_AT_ONCE))
    walk.knock(asked)
    return f"knock together: {_told(asked)}"


def _asked(walk: Walk, count: int) -> list[Asked]:
    clients = walk.random.sample(walk.clients, count)
    return [(client, walk.random.choice(SECONDS)) for client in clients]


def _told(asked: list[Asked]) -> str:
    return ", ".join(f"{client} for {seconds} s" for client, seconds in asked)


def knock_again(walk: Walk) -> str:
    """Somebody whose door is open knocks once more."""
    held = [c for c in walk.clients if any(c.name in d.holders for d in walk.doors.known(c))]
    if not held:
        return knock(walk)
    asked = [(walk.random.choice(held), walk.random.choice(SECONDS))]
    walk.knock(asked)
    return f"knock again: {_told(asked)}"


def wait(walk: Walk) -> str:
    """Time passes: it is what the walk is about, there is no event to wait for."""
    seconds = walk.random.uniform(0.2, LONGEST_WAIT)
    sleep(seconds)
    return f"wait {seconds:.1f} s"


# The owner of the router


def revoke_client(walk: Walk) -> str:
    """A client's doors are closed."""
    name = walk.random.choice(walk.clients).name
    walk.router.ask("revoke", client=name, **_cut(walk))
    walk.memory.ended(name)
    return f"revoke client {name}"


def revoke_address(walk: Walk) -> str:
    """An address' doors are closed, whoever holds them."""
    phone = walk.random.choice(walk.clients).home.phone
    walk.router.ask("revoke", address=phone, **_cut(walk))
    walk.memory.closed(lambda door: door.listed[0] == phone)
    return f"revoke address {phone}"


def revoke_one(walk: Walk) -> str:
    """One grant of the list is ended."""
    spared = {waker.home.phone for waker in walk.scene.wakers}
    listed = [g for g in _grants(walk) if g["address"] not in spared]
    if not listed:
        return "revoke one: there is none"
    grant = walk.random.choice(sorted(listed, key=lambda g: str(g["id"])))
    walk.router.ask("revoke", id=grant["id"], **_cut(walk))
    for door in walk.doors:
        if door.listed == door_of(grant) and grant["client"] in door.holders:
            door.ended([grant["client"]])
    return f"revoke {grant['client']}: {door_of(grant)}"


def _cut(walk: Walk) -> dict[str, bool]:
    return {"cut": True} if walk.random.random() < 0.3 else {}


def list_grants(walk: Walk) -> str:
    """The list of grants has every door that is open, and none that is shut."""
    began = monotonic()
    listed = {door_of(grant) for grant in _grants(walk)}
    for door in walk.doors:
        state = door.entry.state(began, monotonic())
        if state is not State.UNKNOWN and (state is State.OPEN) != (door.listed in listed):
            walk.scene.judgement.wrong.append(f"{door.listed} is {state.value}; list: {listed}")
    return "list grants"


def _grants(walk: Walk) -> list[dict[str, Any]]:
    grants: list[dict[str, Any]] = walk.router.ask("grants")["grants"]
    return grants


def reload_config(walk: Walk) -> str:
    """A client is disabled, or one that was is allowed again."""
    if walk.disabled and walk.random.random() < 0.6:
        name = walk.random.choice(sorted(walk.disabled))
        walk.disabled.remove(name)
    else:
        name = walk.random.choice(walk.clients).name
        walk.disabled.add(name)
    walk.router.configure(frozenset(walk.disabled))
    answer = walk.router.ask("reload")
    if not answer["reloaded"]:
        walk.scene.judgement.wrong.append(f"not reloaded: {answer}")
    if name in walk.disabled:
        walk.memory.ended(name)
    return f"{'disable' if name in walk.disabled else 'enable'} {name}"


# What happens to the daemon


def crash(walk: Walk) -> str:
    """The daemon is killed; it is looked at what it leaves; another one starts."""
    walk.router.kill()
    with walk.scene.unattended():
        unheard = walk.random.choice(walk.clients)
        walk.send(unheard, 30)
        if walk.random.random() < 0.5:
            sleep(walk.random.uniform(0.2, LONGEST_WAIT))
        walk.look("without a daemon")
        walk.router.daemon.start()
    return f"crash; nobody hears {unheard}"


def restart_daemon(walk: Walk) -> str:
    """The daemon ends in order, and starts."""
    walk.router.daemon.stop()
    walk.everything_closed()
    walk.look("without a daemon")
    walk.router.daemon.start()
    walk.scene.wake()
    return "restart of the daemon"


def freeze(walk: Walk) -> str:
    """The daemon stands still; what was sent meanwhile is heard afterwards."""
    client: Client = walk.random.choice(walk.clients)
    mark = walk.router.events.mark()
    walk.router.freeze()
    with walk.scene.unattended():
        began = walk.send(client, 6)
        walk.look("while the daemon stands still")
        walk.router.thaw()
        walk.router.ask("status")
    walk.heard_later(client, mark, began, 6)
    return f"freeze, and meanwhile a knock of {client}"


# What happens to the firewall


def _through(trouble: troubles.Trouble) -> Step:
    def step(walk: Walk) -> str:
        walk.scene.remember()
        trouble(walk.scene)
        return trouble.__name__.replace("_", " ")

    return step


STEPS: tuple[tuple[int, Step], ...] = (
    (12, knock),
    (8, knock_together),
    (8, knock_again),
    (10, wait),
    (3, revoke_client),
    (3, revoke_address),
    (3, revoke_one),
    (4, list_grants),
    (4, reload_config),
    (3, crash),
    (1, restart_daemon),
    (2, freeze),
    (3, _through(troubles.reload)),
    (2, _through(troubles.restart)),
    (2, _through(troubles.stop_and_start)),
    (2, _through(troubles.foreign_flush)),
    (1, _through(troubles.lose_wan)),
)


def take_walk(walk: Walk, steps: int) -> WalkReport:
    """Walk so many steps, or until something is wrong."""
    arena, site, router = walk.router.arena, walk.router.site, walk.router
    arena.load(site)
    site.remember_flows()
    before = arena.listing(site)
    with walk.watch:
        router.daemon.start()
        walk.scene.wake()
        while len(walk.steps) < steps and not walk.wrong:
            walk.stay_awake()
            (step,) = walk.random.choices([s for _, s in STEPS], [weight for weight, _ in STEPS])
            walk.steps.append(f"{step.__name__} ...")
            walk.steps[-1] = step(walk)
            walk.learn_of_ends()
            walk.look(walk.steps[-1])
        router.daemon.stop()
        walk.everything_closed()
        walk.look("after the daemon's end")
    left = [] if arena.listing(site) == before else ["rules are not as before"]
    judged = walk.scene.judgement
    return WalkReport(walk.seed, walk.steps, [*walk.wrong, *left], judged.certain, walk.watch.count)
