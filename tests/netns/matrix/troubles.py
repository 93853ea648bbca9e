"""What happens to a router: to its firewall, to the daemon, to its uplink.

Each leaves the daemon running and the owner's rules loaded, and the doors as they should
be then.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from time import monotonic, time

from tests.lab.events import event_is
from tests.netns.matrix.arenas import AdminArena
from tests.netns.matrix.attempts import try_all
from tests.netns.matrix.earlier import knew, leave_table
from tests.netns.matrix.ledger import Entry, State
from tests.netns.matrix.scene import Scene
from tests.netns.matrix.site import STRANGER, Site
from tests.netns.matrix.watch import bystanders_attempts

Trouble = Callable[[Scene], None]


def nothing(scene: Scene) -> None:
    """A quiet day."""


def reload(scene: Scene) -> None:
    """The owner's rules are renewed: at no moment is there anything open."""
    # Between taking away and adding, fw3 lets nobody through; fw4 knows no such moment.
    with nullcontext() if scene.router.arena.closes else scene.watch.interruption():
        scene.router.arena.reload(scene.router.site)
    if "reload" not in scene.router.arena.keeps:
        scene.mended()


def restart(scene: Scene) -> None:
    """The owner's rules go and come again."""
    arena = scene.router.arena
    with scene.watch.outage():
        arena.unload(scene.router.site)
        arena.start(scene.router.site)
    if "restart" not in arena.keeps:
        scene.mended()


def stop_and_start(scene: Scene) -> None:
    """All rules go, and the owner's come again."""
    with scene.watch.outage():
        scene.router.arena.flush(scene.router.site)
        scene.router.arena.start(scene.router.site)
    scene.mended()


def foreign_flush(scene: Scene) -> None:
    """Somebody deletes all rules; only later the owner's come again."""
    router = scene.router
    with scene.watch.outage():
        if isinstance(router.arena, AdminArena):
            router.arena.flush_filter(router.site)
            scene.mended()
            router.arena.unload(router.site)
        else:
            router.arena.flush(router.site)
            scene.mended()
        router.arena.start(router.site)
    if isinstance(router.arena, AdminArena):
        scene.mended()


def kill(scene: Scene) -> None:
    """The daemon crashes, and is started again after a while; who knocks meanwhile isn't heard."""
    scene.router.kill()
    with scene.unattended():
        scene.knock_unheard()
        scene.look("without a daemon")
        scene.router.daemon.start()


def upgrade(scene: Scene) -> None:
    """The daemon crashes, and a new version starts over what an earlier one left."""
    arena, site = scene.router.arena, scene.router.site
    scene.router.kill()
    held = [entry for entry in scene.everybody if is_open(entry)]
    with scene.unattended():
        if isinstance(arena, AdminArena):
            _start_over_a_rule_that_is_over(scene, arena)
        else:
            known = [entry for entry in held if knew(entry.kind)]
            leave_table(site, known)
            for entry in set(scene.everybody) - set(known):
                entry.closed()
            scene.router.daemon.start()
    scene.look("after the new version's start")
    scene.knock([entry for entry in held if not is_open(entry)], "after the new version's start")


def _start_over_a_rule_that_is_over(scene: Scene, arena: AdminArena) -> None:
    """An earlier daemon died before it could take away somebody's rule."""
    with scene.watch.outage():
        arena.leave_rule(scene.router.site, STRANGER[4], int(time()) - 5)
        scene.router.daemon.start()


def freeze(scene: Scene) -> None:
    """The daemon stands still for a while."""
    scene.router.freeze()
    with scene.unattended():
        scene.look("while the daemon stands still")
        scene.router.thaw()
        scene.router.ask("status")


def restart_daemon(scene: Scene) -> None:
    """The daemon ends in order, and starts again: every door has to be asked for anew."""
    held = [entry for entry in scene.everybody if is_open(entry)]
    scene.router.daemon.stop()
    for entry in scene.everybody:
        entry.closed()
    scene.look("after the daemon's end")
    scene.router.daemon.start()
    scene.look("after the daemon's start")
    scene.knock(held, "after the daemon's start")


def is_open(entry: Entry) -> bool:
    """Whether it should be open now."""
    now = monotonic()
    return entry.state(now, now) is State.OPEN


def lose_wan(scene: Scene) -> None:
    """The uplink's device vanishes and returns."""
    router, mark = scene.router, scene.router.events.mark()
    with scene.watch.outage():
        router.site.lose_wan()
        router.heard(mark, event_is("capture", state="waiting"))
        mark = router.events.mark()
        router.site.lay_wan(router.machines)
        meet_again(router.site)
        router.heard(mark, event_is("capture", state="capturing"))


def meet_again(site: Site) -> None:
    """Let both ends of the uplink learn each other's hardware address."""
    attempts = bystanders_attempts(site)
    while not all(tried.answer for tried in try_all(attempts, attempts).values()):
        pass


TROUBLES: dict[str, Trouble] = {
    "nothing": nothing,
    "reload": reload,
    "restart": restart,
    "stop and start": stop_and_start,
    "foreign flush": foreign_flush,
    "kill": kill,
    "freeze": freeze,
    "upgrade": upgrade,
    "restart of the daemon": restart_daemon,
    "loss of the uplink": lose_wan,
}

STEADY = frozenset({"nothing", "reload", "restart", "kill", "freeze"})
"""Troubles through which a door that fits never fails, where the kernel keeps it."""
