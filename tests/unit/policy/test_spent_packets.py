"""What a journal has to hold: every packet that a client's keys opened, granted or not."""

from __future__ import annotations

import pytest

from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Reason
from fwknopd.replay import ReplayCache

from .knocks import NOW, Gate, client, keys, knock, ports, switched

DAY = 86_400


@pytest.mark.parametrize(
    ("stanza", "reason"),
    [
        (client(open_ports=ports("tcp/80")), Reason.PORT_NOT_ALLOWED),
        (client(require_username="bob"), Reason.USERNAME_MISMATCH),
        (client(enabled=False), Reason.CLIENT_DISABLED),
        (client(access_expire=NOW - DAY), Reason.CLIENT_EXPIRED),
    ],
    ids=str,
)
def test_a_refused_packet_is_spent_over_a_restart_too(stanza: Stanza, reason: Reason) -> None:
    payload = knock(stanza)
    refusal = Gate(stanza).refusal(payload)
    assert refusal.reason is reason
    assert refusal.replay_entry is not None
    later = ReplayCache()
    later.load([refusal.replay_entry], NOW)
    allowed = client(open_ports=None)
    assert Gate(allowed, cache=later).reason(payload) is Reason.REPLAY
    assert Gate(allowed).reason(payload) is Reason.ACCEPTED


@pytest.mark.parametrize("timestamp", [NOW - 121, NOW - DAY])
def test_a_store_of_old_packets_causes_no_writing(timestamp: int) -> None:
    phone = client()
    refusal = Gate(phone).refusal(knock(phone, timestamp=timestamp))
    assert (refusal.reason, refusal.replay_entry) == (Reason.TOO_OLD, None)


def test_a_copy_causes_no_writing() -> None:
    phone = client()
    gate, payload = Gate(phone), knock(phone)
    assert gate.access(payload).replay_entry is not None
    assert gate.refusal(payload).replay_entry is None


def test_strangers_cause_no_writing() -> None:
    refusal = Gate(client()).refusal(knock(client("stranger")))
    assert refusal.replay_entry is None


def test_test_mode_causes_no_writing() -> None:
    phone = client()
    assert Gate(phone, test=True).access(knock(phone)).replay_entry is None


def test_the_packet_is_spent_whichever_of_several_clients_is_named() -> None:
    one = client("one", 1, keys=keys("shared"), open_ports=ports("tcp/80"))
    two = client("two", 2, keys=keys("shared"), open_ports=ports("tcp/22"))
    assert Gate(one, two).access(knock(one)).replay_entry is not None
    neither = switched(two, open_ports=ports("tcp/443"))
    assert Gate(one, neither).refusal(knock(one)).replay_entry is not None


# A clock that is not set


def test_access_that_ends_some_day_waits_for_the_clock_even_without_packet_aging() -> None:
    phone = client(access_expire=NOW - DAY)
    gate = Gate(phone, enable_spa_packet_aging=False)
    refusal = gate.refusal(knock(phone), now=77, clock_problem="this clock says 1970")
    assert (refusal.reason, refusal.stanza) == (Reason.CLOCK_NOT_SET, phone)
    assert "1970" in refusal.detail


def test_the_next_client_of_the_same_keys_is_asked_when_only_the_first_needs_the_clock() -> None:
    until = client("until", 1, keys=keys("shared"), access_expire=NOW + DAY)
    always = client("always", 2, keys=keys("shared"))
    gate = Gate(until, always, enable_spa_packet_aging=False)
    assert gate.access(knock(until), now=77, clock_problem="1970").stanza is always
