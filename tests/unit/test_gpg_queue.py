"""Who waits for gpg, how long, and in which order; gpg itself is a double that a test ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest

from fwknopd import gpg_queue
from fwknopd.children import Outcome
from fwknopd.gpg_queue import (
    CLIENT_LIMIT,
    PATIENCE,
    RUNNING_LIMIT,
    SOURCE_LIMIT,
    SURE_LIMIT,
    UNSURE_LIMIT,
    GpgQueue,
)
from fwknopd.gpg_rings import LOOK_SECONDS
from fwknopd.policy.authorizer import Authorizer, PolicySettings
from fwknopd.policy.gpg import GpgHome
from fwknopd.policy.gpg_questions import GpgAnswer, GpgFailure, NeedsGpg
from fwknopd.policy.stanza import Stanza
from fwknopd.replay import ReplayCache
from fwknopd.spa.gpg_report import PREFIX, Report, failed, packed
from fwknopd.spa.gpg_ring import KeyRing
from fwknopd.workers import Workers
from tests.unit.policy.gpg_knocks import HOME, gpg_client, gpg_packet
from tests.unit.policy.knocks import NOW, packet

LATE = Outcome(fault="it took more than 10 seconds and was stopped")
SAID = [f"{PREFIX}PLAINTEXT 62 0 ", f"{PREFIX}DECRYPTION_OKAY"]
OPENED = Outcome(packed("\n".join(SAID).encode(), b"text"))
LISTED = Outcome(packed(b"sec:u:2048:1:287DD901FE89BD70:1:::u:::e:::+:", b""))


class FakeWorkers:
    """Jobs that run until a test ends them."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], bytes], float, Callable[[Outcome], None]]] = []

    def start(
        self, job: Callable[[], bytes], seconds: float, done: Callable[[Outcome], None]
    ) -> None:
        self.jobs.append((job, seconds, done))

    def end(self, outcome: Outcome = OPENED) -> None:
        """The first job."""
        self.jobs.pop(0)[2](outcome)

    def kinds(self) -> list[str]:
        return [getattr(job, "func", job).__name__ for job, _, _ in self.jobs]


class Desk:
    """A queue on a clock that a test moves, and what was answered."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.workers = FakeWorkers()
        self.queue = GpgQueue(cast(Workers, self.workers), lambda: self.now)
        self.answers: list[tuple[str, GpgAnswer]] = []

    def ask(self, client: Stanza, name: str = "", source: str = "198.51.100.7") -> None:
        verdict = Authorizer([client], PolicySettings(), ReplayCache()).judge(
            packet(gpg_packet(client)), NOW
        )
        assert isinstance(verdict, NeedsGpg)
        label = name or client.name
        self.queue.ask(verdict, ip_address(source), lambda a: self.answers.append((label, a)))

    def failures(self) -> list[str]:
        return [answer.detail for _, answer in self.answers if isinstance(answer, GpgFailure)]

    def names(self) -> list[str]:
        return [name for name, _ in self.answers]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def cleared(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The homes that were taken away, instead of taking them away."""
    gone: list[Path] = []
    monkeypatch.setattr(gpg_queue, "clear", gone.append)
    monkeypatch.setattr("fwknopd.gpg_rings.clear", gone.append)
    return gone


SURE = gpg_client("sure")
UNSURE = gpg_client("unsure", hmac=False)


def elsewhere(client: Stanza, folder: str) -> Stanza:
    assert client.gpg is not None
    home = GpgHome(folder, HOME.program)
    return replace(client, name=f"{client.name} in {folder}", gpg=replace(client.gpg, home=home))


def test_what_gpg_said_is_the_answer(desk: Desk) -> None:
    desk.ask(SURE)
    desk.workers.end()
    assert desk.answers == [("sure", Report(b"text"))]
    assert len(desk.queue) == 0


def test_why_there_is_none_is_told(desk: Desk) -> None:
    desk.ask(SURE)
    desk.workers.end(Outcome(failed("python-gnupg is not installed")))
    desk.ask(SURE)
    desk.workers.end(Outcome(b"rubbish"))
    assert desk.failures() == ["python-gnupg is not installed", "gpg's answer can't be read"]


def test_one_run_for_a_ring_at_a_time(desk: Desk) -> None:
    desk.ask(SURE, "first")
    desk.ask(SURE, "second")
    assert len(desk.workers.jobs) == 1
    desk.workers.end()
    assert len(desk.workers.jobs) == 1
    desk.workers.end()
    assert desk.names() == ["first", "second"]


def test_the_sure_ones_go_first(desk: Desk) -> None:
    desk.ask(UNSURE, "running")
    desk.ask(UNSURE, "waiting")
    desk.ask(SURE, "sure")
    for _ in range(3):
        desk.workers.end()
    assert desk.names() == ["running", "sure", "waiting"]


def test_a_stuck_ring_delays_no_other(desk: Desk) -> None:
    stuck, well = elsewhere(SURE, "/stuck"), elsewhere(SURE, "/well")
    desk.ask(stuck)
    desk.ask(stuck, "behind")
    desk.ask(well)
    desk.workers.jobs[1][2](OPENED)
    assert desk.names() == ["sure in /well"]


def test_what_a_stuck_run_left_is_cleared_before_the_next(desk: Desk) -> None:
    desk.ask(SURE, "late")
    desk.ask(SURE, "next")
    desk.workers.end(LATE)
    assert desk.failures() == ["gpg gave no answer: it took more than 10 seconds and was stopped"]
    assert desk.workers.kinds() == ["_clear"]
    desk.workers.end(Outcome())
    assert desk.workers.kinds() == ["_decrypt"]


def test_so_many_runs_at_once(desk: Desk) -> None:
    for number in range(RUNNING_LIMIT + 2):
        desk.ask(elsewhere(SURE, f"/{number}"))
    assert len(desk.workers.jobs) == RUNNING_LIMIT


def test_of_one_address_few_wait_if_unsure(desk: Desk) -> None:
    for _ in range(SOURCE_LIMIT + 2):
        desk.ask(UNSURE)
    assert desk.failures() == [f"{SOURCE_LIMIT} packets from this address wait for gpg already"]
    desk.ask(UNSURE, source="198.51.100.8")
    for _ in range(CLIENT_LIMIT):
        desk.ask(SURE)
    assert len(desk.failures()) == 1


def test_of_one_client_few_wait(desk: Desk) -> None:
    for number in range(CLIENT_LIMIT + 2):
        desk.ask(UNSURE, source=f"198.51.100.{number}")
    assert desk.failures() == [f"{CLIENT_LIMIT} packets of this client wait for gpg already"]
    desk.ask(gpg_client("other", 2, hmac=False, access={"decrypt_id": "x"}))
    assert len(desk.failures()) == 1


@pytest.mark.parametrize("hmac", [True, False])
def test_no_more_than_so_many_wait(desk: Desk, hmac: bool) -> None:
    limit = SURE_LIMIT if hmac else UNSURE_LIMIT
    for number in range(limit + 4):
        client = gpg_client(f"c{number}", number, hmac=hmac, access={"decrypt_id": f"{number}"})
        desk.ask(client, source=f"198.51.100.{number}")
    assert set(desk.failures()) == {f"{limit} packets wait for gpg already"}
    assert all(isinstance(a, GpgFailure) and a.busy for _, a in desk.answers)
    other = UNSURE if hmac else SURE
    before = len(desk.answers)
    desk.ask(other)
    assert len(desk.answers) == before


def test_nobody_waits_for_a_door_so_long(desk: Desk) -> None:
    desk.ask(SURE, "running")
    desk.ask(SURE, "waiting")
    desk.now += PATIENCE + 1
    desk.workers.end()
    assert desk.names() == ["running", "waiting"] or desk.names() == ["waiting", "running"]
    [busy] = desk.failures()
    assert "busy for 20 seconds" in busy
    assert not desk.workers.jobs


def test_at_the_end_nothing_is_left(desk: Desk, cleared: list[Path]) -> None:
    desk.ask(SURE)
    desk.ask(SURE)
    desk.queue.rings.use([HOME])
    desk.queue.close()
    assert len(cleared) == 2
    assert len(desk.queue) == 0
    assert not desk.answers


# Key rings


def told(desk: Desk) -> list[tuple[GpgHome, KeyRing | str]]:
    heard: list[tuple[GpgHome, KeyRing | str]] = []
    desk.queue.rings.told = lambda home, ring: heard.append((home, ring))
    return heard


def test_rings_are_read_once_each(desk: Desk) -> None:
    heard = told(desk)
    desk.queue.rings.use([HOME, HOME])
    assert desk.workers.kinds() == ["_clear_abandoned", "_list_keys"]
    desk.workers.end(Outcome())
    assert desk.queue.recipients == {}
    desk.workers.end(LISTED)
    assert desk.queue.recipients == {HOME: frozenset({"287DD901FE89BD70"})}
    assert [home for home, _ in heard] == [HOME]


def test_a_ring_that_can_not_be_read(desk: Desk) -> None:
    heard = told(desk)
    desk.queue.rings.use([HOME])
    desk.workers.end(Outcome())
    desk.workers.end(LATE)
    assert heard == [(HOME, f"gpg did not list its keys: {LATE.fault}")]
    assert desk.workers.kinds() == ["_clear"]
    assert desk.queue.recipients == {}


def test_a_ring_nobody_uses_any_more_is_forgotten(desk: Desk) -> None:
    heard = told(desk)
    desk.queue.rings.use([HOME])
    desk.queue.rings.use([])
    desk.workers.end(Outcome())
    desk.workers.end(LISTED)
    assert desk.queue.recipients == {}
    assert not heard


def test_a_ring_that_changed_is_read_again(desk: Desk, tmp_path: Path) -> None:
    home = GpgHome(str(tmp_path), HOME.program)
    desk.queue.rings.use([home])
    desk.workers.end(Outcome())
    desk.workers.end(LISTED)
    (tmp_path / "private-keys-v1.d").mkdir()
    assert home in desk.queue.recipients
    desk.now += LOOK_SECONDS + 1
    # Until it is read, any packet may be for it.
    assert desk.queue.recipients == {}
    desk.workers.end(LISTED)
    assert home in desk.queue.recipients
    desk.now += LOOK_SECONDS + 1
    assert home in desk.queue.recipients
    assert not desk.workers.jobs
