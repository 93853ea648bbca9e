"""Packets that wait for gpg, in an engine on a clock that stands still; gpg is a double."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from fwknopd.engine import Engine
from fwknopd.events import EventLog
from fwknopd.policy.gpg import GpgHome
from fwknopd.policy.gpg_questions import GpgAnswer, GpgFailure, NeedsGpg
from fwknopd.policy.stanza import Address
from fwknopd.policy.verdict import Refusal
from fwknopd.spa.gpg_report import Report
from fwknopd.undecided import COPIES
from tests.unit.policy.gpg_knocks import HOME, ROUTER_KEY, gpg_client, gpg_packet, opened
from tests.unit.policy.knocks import packet

from .conftest import PHONE, Memory, Rig, make_knock, make_rig

DONE = Callable[[GpgAnswer], None]
ANNA = gpg_client(hmac=False, number=2)


@dataclass
class Gpg:
    """Answers when a test says so."""

    asked: list[tuple[NeedsGpg, Address, DONE]] = field(default_factory=list)
    recipients: Mapping[GpgHome, frozenset[str]] = field(default_factory=dict)

    def ask(self, need: NeedsGpg, source: Address, done: DONE) -> None:
        self.asked.append((need, source, done))

    def answer(self, answer: GpgAnswer | None = None) -> None:
        """The first question."""
        self.asked.pop(0)[2](opened() if answer is None else answer)


@pytest.fixture
def gpg() -> Gpg:
    return Gpg()


@pytest.fixture
def rig(gpg: Gpg) -> Rig:
    made = make_rig()
    made.engine = Engine(
        clock=made.clock,
        events=EventLog(made.clock.now),
        firewall=made.firewall,
        memory=Memory(made.remembered),
        look_up=made.names.look_up,
        runner=made.runner,
        gpg=gpg,
    )
    made.use(PHONE, ANNA)
    return made


def verdicts(rig: Rig) -> list[tuple[object, object]]:
    return [(event["client"], event["reason"]) for event in rig.events("verdict")]


def test_a_door_opens_when_gpg_has_answered(rig: Rig, gpg: Gpg) -> None:
    assert isinstance(rig.engine.handle(packet(gpg_packet(ANNA))), NeedsGpg)
    assert (verdicts(rig), rig.doors(), rig.remembered) == ([], [], [])
    gpg.answer()
    assert verdicts(rig) == [("anna", "accepted")]
    assert rig.doors() == ["203.0.113.5 tcp/22"]
    assert len(rig.remembered) == 1
    [event] = rig.events("verdict")
    assert str(event["signer"]).endswith("BF48D714")


def test_another_clients_knock_does_not_wait(rig: Rig, gpg: Gpg) -> None:
    rig.engine.handle(packet(gpg_packet(ANNA)))
    rig.engine.handle(make_knock(rig)())
    assert verdicts(rig) == [("phone", "accepted")]
    gpg.answer(GpgFailure("gpg gave no answer: it took more than 10 seconds and was stopped"))
    assert verdicts(rig)[1:] == [("anna", "gpg-failed")]


def test_a_copy_that_comes_meanwhile_opens_nothing(rig: Rig, gpg: Gpg) -> None:
    payload = gpg_packet(ANNA)
    rig.engine.handle(packet(payload))
    rig.engine.handle(packet(payload, source="198.51.100.8"))
    assert len(gpg.asked) == 1
    gpg.answer()
    assert verdicts(rig) == [("anna", "accepted"), ("anna", "replay")]
    assert len(rig.remembered) == 1
    rig.engine.handle(packet(payload))
    assert not gpg.asked
    assert verdicts(rig)[-1] == ("anna", "replay")


def test_so_many_copies_wait_and_no_more(rig: Rig, gpg: Gpg) -> None:
    payload = gpg_packet(ANNA)
    rig.engine.handle_all([packet(payload)] * (COPIES + 2))
    assert verdicts(rig) == [("anna", "gpg-busy")] * 2
    gpg.answer()
    assert verdicts(rig)[2:] == [("anna", "accepted"), *[("anna", "replay")] * (COPIES - 1)]


def test_age_is_that_of_the_arrival(rig: Rig, gpg: Gpg) -> None:
    rig.engine.handle(packet(gpg_packet(ANNA)))
    rig.clock.advance(130)
    gpg.answer()
    assert verdicts(rig) == [("anna", "accepted")]
    rig.engine.handle(packet(gpg_packet(ANNA)))
    gpg.answer()
    assert verdicts(rig)[1:] == [("anna", "too-old")]


def test_a_reload_meanwhile_decides(rig: Rig, gpg: Gpg) -> None:
    rig.engine.handle(packet(gpg_packet(ANNA)))
    rig.use(PHONE, list_rejected=True)
    gpg.answer()
    assert verdicts(rig) == [(None, "no-client-matched")]


def test_a_reload_with_another_key_ring_asks_again(rig: Rig, gpg: Gpg) -> None:
    rig.engine.handle(packet(gpg_packet(ANNA)))
    assert ANNA.gpg is not None
    moved = GpgHome("/etc/gpg", "/usr/bin/gpg")
    rig.use(PHONE, replace(ANNA, gpg=replace(ANNA.gpg, home=moved)))
    gpg.answer(Report(None, fault="no such key"))
    assert not verdicts(rig)
    assert [need.question.home for need, _, _ in gpg.asked] == [moved]
    gpg.answer()
    assert verdicts(rig) == [("anna", "accepted")]


def test_what_the_ring_can_not_open_is_not_asked(rig: Rig, gpg: Gpg) -> None:
    gpg.recipients = {HOME: frozenset({"1" * 16})}
    verdict = rig.engine.handle(packet(gpg_packet(ANNA)))
    assert isinstance(verdict, Refusal)
    gpg.recipients = {HOME: frozenset({ROUTER_KEY})}
    rig.engine.handle(packet(gpg_packet(ANNA)))
    assert len(gpg.asked) == 1


def test_without_gpg_a_packet_is_refused_at_once() -> None:
    rig = make_rig()
    rig.use(ANNA)
    rig.engine.handle(packet(gpg_packet(ANNA)))
    assert verdicts(rig) == [("anna", "gpg-failed")]


def test_floods_of_what_gpg_refuses_are_summed_up(rig: Rig, gpg: Gpg) -> None:
    for _ in range(30):
        rig.engine.handle(packet(gpg_packet(ANNA)))
        gpg.answer(opened(signer=None))
    assert len(verdicts(rig)) == 10
    rig.engine.reporting.summarize()
    [event] = rig.events("rejected")
    assert (event["reason"], event["count"]) == ("signature-missing", 20)


def test_packets_are_remembered_before_doors_open(rig: Rig, gpg: Gpg) -> None:
    seen: list[int] = []
    rig.firewall.refuses = frozenset({"open"})
    rig.engine.judged = lambda packet, verdict: seen.append(len(rig.remembered))
    rig.engine.handle(packet(gpg_packet(ANNA)))
    gpg.answer()
    assert seen == [1]
    assert verdicts(rig) == [("anna", "firewall-error")]
