"""Closing doors in time, for a firewall whose kernel doesn't do it."""

from __future__ import annotations

import pytest

from fwknopd.engine import CLOSE_RETRY_SECONDS
from fwknopd.firewall import FirewallError

from .conftest import Knock, Rig


class Closing:
    """What a firewall with `expire` does, on the rig's clock."""

    def __init__(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[float] = []
        self.fault = ""
        self._rig = rig
        monkeypatch.setattr(rig.firewall, "expire", self.expire)

    def expire(self) -> None:
        self.calls.append(self._rig.clock.monotonic())
        if self.fault:
            raise FirewallError(self.fault)


@pytest.fixture
def closing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Closing:
    return Closing(rig, monkeypatch)


def test_doors_are_closed_before_they_are_reported_closed(
    rig: Rig, knock: Knock, closing: Closing
) -> None:
    rig.engine.handle(knock())
    rig.clock.advance(30)
    rig.engine.tick()
    assert closing.calls == [rig.clock.monotonic()]
    assert len(rig.events("expire")) == 1


def test_the_engine_wakes_up_for_what_the_firewall_has_to_do(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rig.engine.next_due() is None
    monkeypatch.setattr(rig.firewall, "next_due", lambda: 777.0)
    assert rig.engine.next_due() == 777


def test_a_door_that_stays_open_stays_on_the_list(rig: Rig, knock: Knock, closing: Closing) -> None:
    rig.engine.handle(knock())
    closing.fault = "the lock is held"
    for _ in range(3):
        rig.clock.advance(30)
        rig.engine.tick()
        # The pause is kept, and the loop doesn't spin.
        assert rig.engine.next_due() == rig.clock.monotonic() + CLOSE_RETRY_SECONDS
        rig.engine.tick()
    assert len(closing.calls) == 3
    assert len(rig.engine.doors.table) == 1
    assert rig.events("expire") == []
    (told,) = rig.events("error")
    assert "can't be closed: the lock is held" in str(told["detail"])
    closing.fault = ""
    rig.clock.advance(CLOSE_RETRY_SECONDS)
    rig.engine.tick()
    assert len(rig.events("expire")) == 1
    assert rig.engine.next_due() is None
