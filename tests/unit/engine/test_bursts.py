"""Many knocks at once: as few goes at the firewall as can be, and the same outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall import FirewallBarred, FirewallError, FirewallStuck, TimedDoor
from fwknopd.policy.packet import Packet
from fwknopd.policy.verdict import Refusal
from fwknopd.spa.message import MessageType

from .conftest import PHONE, Broken, Knock, Rig, make_knock, make_rig, other_client

LAPTOP = other_client(open_ports=None, fw_access_timeout=60)


class Counting(Broken):
    """Refuses whole calls, all or none, for a door to ``bad``; counts them."""

    calls = 0
    bad = ""
    fault: type[FirewallError] | None = None

    def open(self, doors: Sequence[TimedDoor]) -> None:
        self.calls += 1
        if self.fault is not None:
            raise self.fault("somebody holds the lock")
        if any(str(timed.door.address) == self.bad for timed in doors):
            raise FirewallError(f"no door for {self.bad}")
        super().open(doors)


@pytest.fixture
def counting(rig: Rig) -> Counting:
    firewall = Counting(rig.clock.monotonic)
    firewall.clock = rig.clock
    rig.firewall = rig.engine.firewall = firewall
    return firewall


def burst(knock: Knock, count: int = 200) -> list[Packet]:
    return [knock(f"192.0.2.{number},tcp/22") for number in range(1, count + 1)]


def test_a_burst_is_one_go(rig: Rig, knock: Knock, counting: Counting) -> None:
    rig.engine.handle_all(burst(knock))
    assert counting.calls == 1
    assert len(rig.doors()) == len(rig.events("grant")) == 200


def test_one_that_cannot_be_had_keeps_out_nobody_else(
    rig: Rig, knock: Knock, counting: Counting
) -> None:
    counting.bad = "192.0.2.77"
    verdicts = rig.engine.handle_all(burst(knock))
    assert len(rig.doors()) == 199
    assert counting.calls < 20
    (refused,) = (e for e in rig.events("verdict") if e["verdict"] == "refuse")
    assert refused["reason"] == "firewall-error"
    assert "192.0.2.77" in str(refused["detail"])
    # What the packets said was right: it is the firewall that refused.
    assert not any(isinstance(verdict, Refusal) for verdict in verdicts)


@pytest.mark.parametrize("fault", [FirewallBarred, FirewallStuck])
def test_a_firewall_that_is_shut_off_or_stuck_is_asked_once(
    rig: Rig, knock: Knock, counting: Counting, fault: type[FirewallError]
) -> None:
    counting.fault = fault
    rig.engine.handle_all(burst(knock))
    assert counting.calls == 1
    assert rig.doors() == []
    assert [e["reason"] for e in rig.events("verdict")] == ["firewall-error"] * 200


def test_events_come_in_the_order_of_the_packets(rig: Rig, knock: Knock) -> None:
    wrong = knock("192.0.2.7,tcp/23")
    rig.engine.handle_all([*burst(knock, 2), wrong, knock("192.0.2.9,tcp/22")])
    told = [(e.event, str(e.request or "").partition(",")[0]) for e in rig.engine.events.recent(9)]
    assert told == [
        ("verdict", "192.0.2.1"),
        ("grant", "192.0.2.1"),
        ("verdict", "192.0.2.2"),
        ("grant", "192.0.2.2"),
        ("verdict", "192.0.2.7"),
        ("verdict", "192.0.2.9"),
        ("grant", "192.0.2.9"),
    ]


@dataclass(frozen=True)
class Ask:
    """A knock, few enough kinds that they meet each other."""

    address: int
    port: int
    target: int
    laptop: bool
    timeout: int

    def packet(self, knock: Knock) -> Packet:
        asked = f"192.0.2.{self.address},tcp/{self.port}"
        keys = (LAPTOP if self.laptop else PHONE).keys
        if not self.target:
            kind = MessageType.CLIENT_TIMEOUT_ACCESS
            return knock(asked, keys=keys, message_type=kind, timeout=self.timeout)
        nat, kind = f"192.168.1.{self.target},22", MessageType.CLIENT_TIMEOUT_NAT_ACCESS
        return knock(asked, keys=keys, nat=nat, message_type=kind, timeout=self.timeout)


ASKS = st.builds(
    Ask,
    st.integers(1, 3),
    st.integers(22, 23),
    st.integers(0, 2),
    st.booleans(),
    st.sampled_from((5, 20, 40)),
)


def outcome(asks: Sequence[Ask], bad: str, *, at_once: bool) -> tuple[object, ...]:
    """What is open, until when and for whom, and the verdicts."""
    rig = make_rig()
    firewall = Counting(rig.clock.monotonic)
    firewall.clock, firewall.bad = rig.clock, bad
    rig.firewall = rig.engine.firewall = firewall
    rig.use(replace(PHONE, open_ports=None), LAPTOP)
    knock = make_knock(rig)
    packets = [ask.packet(knock) for ask in asks]
    for group in [packets] if at_once else [[packet] for packet in packets]:
        rig.engine.handle_all(group)
    doors = {str(timed): 0 for timed in firewall.read()}
    grants = {(str(g.door), g.client, g.expires) for g in rig.engine.doors.table}
    return doors, grants, [e["reason"] for e in rig.events("verdict")]


@given(st.lists(ASKS, max_size=12), st.sampled_from(("", "192.0.2.2")))
def test_at_once_or_one_after_the_other_is_the_same(asks: list[Ask], bad: str) -> None:
    assert outcome(asks, bad, at_once=True) == outcome(asks, bad, at_once=False)
