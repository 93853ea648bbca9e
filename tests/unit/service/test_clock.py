"""A clock that can't be believed yet: what is refused, what is told, and how to go on anyway."""

from __future__ import annotations

import pytest

from tests.unit.service.rig import Rig

DOUBT = "no time server has confirmed the time"
OFF = "PCAP_INTF eth1;\nWAIT_FOR_CLOCK N;\n"


@pytest.fixture
def early(rig: Rig) -> Rig:
    rig.clock.doubt = DOUBT
    return rig


def test_nothing_is_granted_until_the_clock_is_set(early: Rig) -> None:
    early.start()
    assert early.knock() == "clock-not-set"
    assert early.ask("status")["clock"] == {"ok": False, "detail": DOUBT}
    assert early.events("start")[-1] == f"Knocks are refused for now: {DOUBT}"
    early.clock.doubt = ""
    assert early.knock() == "accepted"
    assert early.ask("status")["clock"] == {"ok": True, "detail": ""}


def test_the_wait_can_be_switched_off(early: Rig) -> None:
    early.conf(OFF)
    early.start()
    assert early.knock() == "accepted"
    assert early.ask("status")["clock"] == {
        "ok": True,
        "detail": f"{DOUBT}; knocks are judged by it all the same",
    }
    assert not any("refused for now" in text for text in early.events("start"))
    assert early.knock(age=200) == "too-old", "age counts all the same"


def test_a_reload_switches_it(early: Rig) -> None:
    early.start()
    assert early.knock() == "clock-not-set"
    early.conf(OFF)
    early.ask("reload")
    assert early.knock() == "accepted"


def test_an_explanation_says_why_it_did_not_matter(early: Rig) -> None:
    from base64 import b64encode

    early.conf(OFF)
    early.start()
    payload = b64encode(early.packet().payload).decode()
    [client] = early.ask("explain", payload=payload)["clients"]
    [step] = [step for step in client["steps"] if step["check"] == "clock"]
    assert step["outcome"] == "passed"
    assert step["detail"] == f"{DOUBT}; but WAIT_FOR_CLOCK is off"
