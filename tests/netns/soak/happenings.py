"""What happens to a router in a day, apart from knocks."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import closing

from fwknopd.firewall.iptables_watch import RELAPSE_SECONDS
from tests.lab.configs import write_private
from tests.lab.events import event_is
from tests.netns.matrix.troubles import meet_again
from tests.netns.soak.clients import EVERYBODY, configuration
from tests.netns.soak.life import Life

DISABLED = 15
STANDSTILL = 0.5
TRUST_SECONDS = RELAPSE_SECONDS + 3.0

Happening = Callable[[Life], None]


def somebody_is_disabled(life: Life) -> None:
    """A good reload, by the control socket."""
    life.disabled = frozenset(life.chance.sample(EVERYBODY, DISABLED))
    write_private(life.router.guarded.daemon.paths.uci, configuration(life.disabled))
    assert life.router.guarded.ask("reload")["reloaded"]


def hangup(life: Life) -> None:
    """A reload by a signal, of what is in force already."""
    mark = life.router.guarded.events.mark()
    os.kill(life.router.pid, signal.SIGHUP)
    life.router.guarded.heard(
        mark, lambda e: e["event"] == "reload" and "Configuration loaded" in e["detail"]
    )


def broken_file(life: Life) -> None:
    """A reload of half a file; what was in force stays, as the next knocks show."""
    uci = life.router.guarded.daemon.paths.uci
    whole = uci.read_text()
    write_private(uci, whole[: len(whole) // 2] + "\nconfig access 'unfinished\n")
    assert not life.router.guarded.ask("reload")["reloaded"]
    life.round()
    write_private(uci, whole)
    assert life.router.guarded.ask("reload")["reloaded"]


def firewall_reload(life: Life) -> None:
    """The owner's rules are made anew."""
    guarded = life.router.guarded
    if "reload" in guarded.arena.keeps:
        guarded.arena.reload(guarded.site)
        return
    _await_trust(life)
    mark = guarded.events.mark()
    guarded.arena.reload(guarded.site)
    _stands_again(life, mark)


def firewall_wiped(life: Life) -> None:
    """Everything goes, ours too, and the owner's rules come again."""
    guarded = life.router.guarded
    _await_trust(life)
    mark = guarded.events.mark()
    guarded.arena.flush(guarded.site)
    guarded.arena.start(guarded.site)
    _stands_again(life, mark)


def _await_trust(life: Life) -> None:
    """With iptables, who deletes our rules again and again has them put back ever later."""
    if not life.router.guarded.arena.closes and life.pause:
        while time.monotonic() - life.lost_at < TRUST_SECONDS:
            life.round()
    life.lost_at = time.monotonic()


def _stands_again(life: Life, mark: int) -> None:
    life.router.guarded.heard(
        mark, lambda e: e["event"] == "firewall" and "stand again" in e["detail"]
    )


def redial(life: Life) -> None:
    """The uplink's device goes and comes."""
    guarded = life.router.guarded
    mark = guarded.events.mark()
    guarded.site.lose_wan()
    guarded.heard(mark, event_is("capture", state="waiting"))
    mark = guarded.events.mark()
    guarded.site.lay_wan(guarded.machines)
    meet_again(guarded.site)
    guarded.heard(mark, event_is("capture", state="capturing"))


def somebody_is_revoked(life: Life) -> None:
    """Some doors are closed by hand."""
    grants = life.router.guarded.ask("grants")["grants"]
    for grant in grants[:3]:
        life.router.guarded.ask("revoke", id=grant["id"])


def everybody_asks(life: Life) -> None:
    """Pages and people ask, and some hang up in the middle, or never read."""
    guarded = life.router.guarded
    for verb in ("status", "grants", "events", "clients"):
        guarded.ask(verb)
    for line in (b'{"verb": "events", "arguments": {"follow": true}}\n', b"{", b"x" * 70_000):
        with closing(socket.socket(socket.AF_UNIX)) as client:
            client.connect(str(guarded.daemon.paths.control))
            client.setblocking(False)
            client.send(line)
            life.knock()


def standstill(life: Life) -> None:
    """The machine has something else to do."""
    life.router.guarded.freeze()
    time.sleep(STANDSTILL)
    life.router.guarded.thaw()
    life.router.guarded.ask("status")


HAPPENINGS: tuple[Happening, ...] = (
    somebody_is_disabled,
    firewall_reload,
    broken_file,
    everybody_asks,
    firewall_wiped,
    somebody_is_revoked,
    redial,
    hangup,
    standstill,
)
