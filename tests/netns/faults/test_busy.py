"""A reload in a flood, thousands of clients, and daemons that are started at the same time."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.program import Fwknopd, environment
from tests.lab.configs import write_private
from tests.netns.faults.router import TCP, Knock, Router
from tests.netns.matrix.knocking import client_section, packet_of, section, send
from tests.netns.matrix.site import ROUTER, Home
from tests.netns.soak.clients import junk

pytestmark = [pytest.mark.root, pytest.mark.nft]

RELOADS = 6
MANY = 5_000
START_SECONDS = 60.0
DAEMONS = 4


@contextmanager
def flooded(router: Router) -> Iterator[None]:
    """Junk comes as fast as one thread can send it, while the block runs."""
    done = threading.Event()
    stranger = Home(901, 4).phone

    def flood() -> None:
        while not done.is_set():
            for _ in range(50):
                send(router.guarded.site.outside, junk(), stranger, ROUTER[4])

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_reloads_in_a_flood_lose_no_knock_and_a_broken_one_changes_nothing(router: Router) -> None:
    uci = router.guarded.daemon.paths.uci
    whole = uci.read_text()
    with flooded(router):
        for number in range(RELOADS):
            broken = number % 2
            text = whole[: -len(whole) // 3] + "\nconfig access 'half\n" if broken else whole
            write_private(uci, text)
            knock = router.made(60)
            mark = router.send(knock)
            assert router.guarded.ask("reload")["reloaded"] is not bool(broken)
            assert router.verdict_on(knock, mark)["verdict"] == "accept"
            router.let_in()
            assert len(router.guarded.ask("clients")["clients"]) == whole.count("config access")
    router.assert_accounted_for("tcp-4")


def test_five_thousand_clients_are_served_and_reloaded(router: Router) -> None:
    uci = router.guarded.daemon.paths.uci
    names = [f"client-{number}" for number in range(MANY)]
    whole = uci.read_text()
    sections = [section("access", client_section(name) | TCP.section(4)) for name in names]
    write_private(uci, "\n".join([whole, *sections]))
    assert router.guarded.ask("reload")["reloaded"]
    for number, name in ((1, names[0]), (3, names[-1])):
        home = Home(number, 4)
        knock = Knock(TCP, home, packet_of(name, TCP, home, 60))
        assert router.verdict(knock)["verdict"] == "accept"
    assert set(router.listed().values()) == {names[0], names[-1]}
    # Those who went have no door any more, the others keep theirs.
    write_private(uci, "\n".join([whole, *sections[:-1]]))
    assert router.guarded.ask("reload")["reloaded"]
    assert set(router.listed().values()) == {names[0]} and len(router.held()) == 1


def test_of_daemons_started_at_the_same_time_exactly_one_serves(tmp_path: Path) -> None:
    installation = Fwknopd(tmp_path)
    started = [
        subprocess.Popen(
            installation.command("-f"), stderr=subprocess.PIPE, text=True, env=environment()
        )
        for _ in range(DAEMONS)
    ]
    try:
        end = time.monotonic() + START_SECONDS
        while sum(process.poll() is None for process in started) > 1:
            assert time.monotonic() < end, "several go on"
            time.sleep(0.05)
        winner = next(process for process in started if process.poll() is None)
        losers = [process for process in started if process is not winner]
        assert all(process.returncode == 1 for process in losers)
        while not (installation.run_dir / "control.sock").exists():
            assert time.monotonic() < end, "nobody answers"
            time.sleep(0.05)
        assert installation.ask("status")["pid"] == winner.pid == installation.pid
        for process in losers:
            assert process.stderr is not None
            assert "already" in process.stderr.read()
    finally:
        for process in started:
            process.kill()
            process.communicate()
