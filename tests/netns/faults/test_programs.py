"""The firewall's programs are missing, fail, crash or hang: what is promised, and how it ends."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.lab.events import event_is
from tests.netns.faults.conftest import ARENAS, COMPLETE
from tests.netns.faults.router import NAT, TCP, Router
from tests.netns.matrix.arenas import Arena
from tests.netns.matrix.guarded import Guarded, guarded
from tests.netns.matrix.site import Site
from tests.netns.namespaces import Machines
from tests.timing import quickest

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.iptables]

PROGRAMS = {"nftables": "nft", "iptables": "iptables-restore"}
FAILURES = {
    "fails": "echo it is broken >&2; exit 1",
    "crashes": "kill -SEGV $$",
    "hangs": "exec sleep 600",
}
EVERY_DAY = [(ARENAS[0], "fails"), (ARENAS[1], "crashes")]
TRIED = [(arena, how) for arena in ARENAS for how in FAILURES] if COMPLETE else EVERY_DAY
"""One that hangs takes as long as it is waited for."""

SOON = 3.0
"""Seconds: a program that hangs is given three times as many, and more."""

WORDS = {"fails": "it is broken", "crashes": "status -11", "hangs": "did not finish within"}


@dataclass(frozen=True, slots=True)
class Impostor:
    """Stands before a program and does what it is told, or what the program does."""

    place: Path
    mode: Path

    @classmethod
    def made(cls, folder: Path, program: str) -> Impostor:
        """In the place of what is there, or of the machine's own."""
        place, mode = folder / program, folder / "mode"
        real = place.readlink() if place.is_symlink() else shutil.which(program)
        place.unlink(missing_ok=True)
        # Whether iptables is one made of nftables is told by the name of what stands behind.
        behind = folder / f"{Path(real or '').name}-nft"
        cases = " ".join(f"{name}) {what};;" for name, what in FAILURES.items())
        behind.write_text(f'#!/bin/sh\ncase "$(cat {mode})" in {cases} esac\nexec {real} "$@"\n')
        behind.chmod(0o755)
        place.symlink_to(behind)
        mode.write_text("works")
        return cls(place, mode)

    @contextmanager
    def failing(self, how: str) -> Iterator[None]:
        """While the block runs."""
        self.mode.write_text(how)
        try:
            yield
        finally:
            self.mode.write_text("works")


@pytest.fixture
def harmed(
    served: tuple[Site, Machines], arena: Arena, tmp_path: Path
) -> Iterator[tuple[Router, Impostor]]:
    """A router whose program can be made to fail, with one door open."""
    with guarded(served, arena, tmp_path, (TCP, NAT)) as made:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        impostor = Impostor.made(folder, PROGRAMS[arena.backend])
        made.arena.load(made.site)
        made.daemon.start()
        made.ask("status")
        router = Router(made)
        router.let_in()
        yield router, impostor


def knock_in_vain(router: Router, words: str) -> None:
    """A knock that needs the program is refused, with the reason, and spent."""
    knock = router.made(60, NAT)
    said = router.verdict(knock)
    assert said["reason"] == "firewall-error" and words in said["detail"], said
    assert router.verdict(knock)["reason"] == "replay"


def answers(router: Router, words: str) -> float:
    """Seconds that somebody waits who asks, and knocks for what needs the program."""
    began = time.monotonic()
    router.guarded.ask("status")
    assert words in router.verdict(router.made(60, NAT))["detail"]
    return time.monotonic() - began


def wipe(guarded: Guarded) -> int:
    """Every rule goes, and the owner's come again."""
    mark = guarded.events.mark()
    guarded.arena.flush(guarded.site)
    guarded.arena.start(guarded.site)
    return mark


@pytest.mark.parametrize(("arena", "how"), TRIED, ids=lambda each: getattr(each, "name", each))
def test_a_program_that_fails_is_told_and_mended_without_a_restart(
    harmed: tuple[Router, Impostor], how: str
) -> None:
    router, impostor = harmed
    with impostor.failing(how):
        knock_in_vain(router, WORDS[how])
        # Nobody waits for it again.
        assert quickest(SOON, partial(answers, router, WORDS[how])) < SOON
        router.assert_accounted_for()
        mark = wipe(router.guarded)
        told = router.guarded.heard(
            mark, lambda e: e["event"] == "firewall" and "can't be made" in e["detail"]
        )
        assert WORDS[how] in told["detail"]
    router.guarded.heard(
        mark, lambda e: e["event"] == "firewall" and "1 open door restored" in e["detail"]
    )
    router.let_in(kind=NAT)
    router.let_in()
    router.assert_accounted_for("tcp-4", "nat-4")


@pytest.mark.parametrize("arena", ARENAS if COMPLETE else ARENAS[:1], ids=lambda a: a.name)
def test_a_program_that_is_missing_is_named_and_used_when_it_is_back(
    harmed: tuple[Router, Impostor],
) -> None:
    router, impostor = harmed
    guarded = router.guarded
    away = impostor.place.with_name("away")
    impostor.place.rename(away)
    # The daemon also looks where systems keep it, so there it leads nowhere.
    impostor.place.write_text("#!/no/such/interpreter\n")
    impostor.place.chmod(0o755)
    said = router.verdict(router.made(60, NAT))
    assert "can't run" in said["detail"]
    away.rename(impostor.place)
    router.let_in(kind=NAT)
    mark = guarded.events.mark()
    assert guarded.ask("reload")["reloaded"]
    guarded.heard(mark, event_is("reload"))
    router.assert_accounted_for("tcp-4", "nat-4")
