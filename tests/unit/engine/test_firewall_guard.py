"""Rules that somebody deletes come back; a firewall that fails is reported and tried again."""

from __future__ import annotations

import pytest

from fwknopd.firewall import Diagnosis
from fwknopd.firewall_guard import DIAGNOSIS_SECONDS, RETRY_SECONDS, FirewallGuard

from .conftest import Knock, Rig


def guard_of(rig: Rig) -> FirewallGuard:
    guard = FirewallGuard(rig.engine, rig.clock.monotonic)
    guard.start(("eth1",))
    return guard


def test_new_devices_are_covered_and_open_doors_stay(rig: Rig, knock: Knock) -> None:
    guard = guard_of(rig)
    rig.engine.handle(knock())
    guard.cover(("eth1", "pppoe-wan"))
    assert guard.devices == ("eth1", "pppoe-wan")
    assert rig.doors() == ["192.0.2.7 tcp/22"]


def test_a_failure_is_told_once_and_mended_later(rig: Rig) -> None:
    guard = guard_of(rig)
    rig.firewall.refuses = frozenset({"start"})
    guard.cover(("eth2",))
    assert guard.diagnosis() == Diagnosis(False, "the kernel refused to start")
    assert guard.retry_at == rig.clock.monotonic() + RETRY_SECONDS
    rig.clock.advance(RETRY_SECONDS)
    guard.run_timers(rig.clock.monotonic())
    assert len(rig.events("firewall")) == 1
    rig.firewall.refuses = frozenset()
    rig.clock.advance(RETRY_SECONDS)
    guard.run_timers(rig.clock.monotonic())
    assert guard.diagnosis().ready
    assert guard.problem == ""
    assert "stand again" in str(rig.events("firewall")[-1]["detail"])


def test_a_knock_that_finds_the_rules_deleted_opens_all_the_same(rig: Rig, knock: Knock) -> None:
    guard_of(rig)
    rig.engine.handle(knock())
    rig.firewall.delete_rules()
    rig.engine.handle(knock("192.0.2.8,tcp/22"))
    assert rig.doors() == ["192.0.2.7 tcp/22", "192.0.2.8 tcp/22"]
    assert rig.events("verdict")[-1]["verdict"] == "accept"


def test_a_door_opened_while_the_rules_are_missing_is_an_error(rig: Rig, knock: Knock) -> None:
    guard = guard_of(rig)
    rig.firewall.refuses = frozenset({"start", "open"})
    guard.cover(("eth2",))
    rig.engine.handle(knock())
    assert rig.events("verdict")[-1]["reason"] == "firewall-error"


def told(rig: Rig) -> list[str]:
    return [str(event["detail"]) for event in rig.events("firewall")]


def test_what_others_rules_do_is_told_once_and_anew_when_it_changes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    judgement = Diagnosis(False, "the chain inet filter input lacks the rule", ("pbr uses it",))
    monkeypatch.setattr(rig.firewall, "diagnose", lambda: judgement)
    guard = guard_of(rig)
    assert told(rig) == [judgement.detail, *judgement.warnings]
    guard.cover(("eth1", "eth2"))
    assert len(told(rig)) == 2
    judgement = Diagnosis(True, "all accept", ("mwan3 uses it",))
    guard.cover(("eth1",))
    assert told(rig)[2:] == ["mwan3 uses it"]


@pytest.mark.parametrize("takes", [0.1, 9.0, 20.0])
def test_looking_at_others_rules_takes_half_of_the_time_at_most(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, takes: float
) -> None:
    """However slow the router is, and however often pages ask."""
    looks: list[float] = []

    def slowly() -> Diagnosis:
        looks.append(rig.clock.monotonic())
        rig.clock.advance(takes)
        return Diagnosis(True, "all accept")

    guard = guard_of(rig)
    monkeypatch.setattr(rig.firewall, "diagnose", slowly)
    began = rig.clock.monotonic()
    guard.cover(("eth1", "eth2"))
    while rig.clock.monotonic() < began + 200:
        assert guard.diagnosis().ready
        rig.clock.advance(0.25)
    passed = rig.clock.monotonic() - began
    assert takes * len(looks) <= passed / 2 + takes
    assert len(looks) >= passed / (max(takes, DIAGNOSIS_SECONDS) + takes + 0.25) - 1


def test_without_a_device_there_is_nothing_to_judge(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig.firewall, "diagnose", lambda: Diagnosis(False, "no fw4"))
    FirewallGuard(rig.engine, rig.clock.monotonic).start(())
    assert told(rig) == []
