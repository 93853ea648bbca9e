"""Command cycles: the words that are run, and for how long they hold. No door is ever opened."""

from __future__ import annotations

from typing import Any

import pytest

from fwknopd.policy.cycle import substituted
from fwknopd.policy.verdict import CycleDecision, Reason
from fwknopd.spa.message import MessageType

from .knocks import NOW, Gate, client, knock, ports

CYCLE: dict[str, Any] = {
    "cmd_cycle_open": "open $IP",
    "cmd_cycle_close": "close $IP",
    "cmd_cycle_timer": 60,
}
# 198.51.100.7 is where knocks come from, 192.0.2.1 where they are sent to.
VALUES = {
    b"IP": b"203.0.113.5",
    b"SRC": b"203.0.113.5",
    b"PKT_SRC": b"198.51.100.7",
    b"DST": b"192.0.2.1",
    b"PORT": b"22",
    b"PROTO": b"6",
    b"TIMEOUT": b"1800000060",
    b"CLIENT_TIMEOUT": b"60",
}


def cycle(
    message: str = "203.0.113.5,tcp/22",
    *,
    where: dict[str, str] | None = None,
    settings: dict[str, Any] | None = None,
    sent: dict[str, Any] | None = None,
    **rules: Any,
) -> CycleDecision:
    phone = client(**{**CYCLE, **rules})
    payload, places = knock(phone, message, **(sent or {})), dict[str, Any](where or {})
    verdict = Gate(phone, **(settings or {})).judge(payload, **places)
    assert isinstance(verdict, CycleDecision), verdict
    return verdict


def timed(seconds: int) -> dict[str, Any]:
    return {"kind": MessageType.CLIENT_TIMEOUT_ACCESS, "client_timeout": seconds}


# Words


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("x $IP $SRC", "x 203.0.113.5 203.0.113.5"),
        ("x $PKT_SRC $DST", "x 198.51.100.7 192.0.2.1"),
        ("x $PORT $PROTO", "x 22 6"),
        ("x $TIMEOUT $CLIENT_TIMEOUT", "x 1800000060 60"),
        # As measured with the C daemon.
        ("x $IPX $PKT_SRCx $SRCDST", "x 203.0.113.5X 198.51.100.7x 203.0.113.5DST"),
        ("x $CLIENT_TIMEOUTs x=$SRC,$PORT", "x 60s x=203.0.113.5,22"),
        ("x $FOO $_X $9 $ip ${IP}", "x FOO _X 9 ip {IP}"),
        ("x $$IP $IP$PORT a$ $", "x 203.0.113.5 203.0.113.522 a"),
        ("x '$IP' \"a b\" ; rm", "x '203.0.113.5' \"a b\" ; rm"),
        ("\t x \t $PORT  ", "x 22"),
        ("$IP", "203.0.113.5"),
    ],
)
def test_substitution(template: str, words: str) -> None:
    assert substituted(template, VALUES) == tuple(words.encode().split())


def test_values_come_from_the_knock() -> None:
    every = "x $IP $SRC $PKT_SRC $DST $PORT $PROTO $TIMEOUT $CLIENT_TIMEOUT"
    decision = cycle("203.0.113.9,udp/53,tcp/22", cmd_cycle_open=every, cmd_cycle_close=every)
    words = f"x 203.0.113.9 203.0.113.9 198.51.100.7 192.0.2.1 53 17 {NOW + 60} 60"
    assert decision.opening.text == words
    assert decision.closing is not None
    assert decision.closing.text == words
    assert (str(decision.address), str(decision.port)) == ("203.0.113.9", "udp/53")
    assert decision.replay_entry is not None


def test_the_packets_source_stands_in_for_no_address() -> None:
    assert cycle("0.0.0.0,tcp/22").opening.text == "open 198.51.100.7"


def test_a_knock_over_ipv6() -> None:
    where = {"source": "2001:db8::7", "destination": "2001:db8::1"}
    decision = cycle("0.0.0.0,tcp/22", where=where, cmd_cycle_open="open $SRC $PKT_SRC $DST")
    assert decision.opening.text == "open 2001:db8::7 2001:db8::7 2001:db8::1"
    named = cycle("203.0.113.5,tcp/22", where=where, cmd_cycle_open="open $SRC $PKT_SRC")
    assert named.opening.text == "open 203.0.113.5 2001:db8::7"


def test_an_ipv4_address_in_ipv6_clothes_is_shown_without_them() -> None:
    where = {"source": "::ffff:198.51.100.9", "destination": "::ffff:192.0.2.1"}
    decision = cycle("0.0.0.0,tcp/22", where=where, cmd_cycle_open="open $IP $PKT_SRC $DST")
    assert decision.opening.text == "open 198.51.100.9 198.51.100.9 192.0.2.1"


def test_words_that_undo_have_no_times_in_them() -> None:
    decision = cycle(cmd_cycle_close="close $IP until $TIMEOUT or $CLIENT_TIMEOUT")
    assert decision.closing is not None
    assert decision.closing.text == f"close 203.0.113.5 until {NOW + 60} or 60"
    assert decision.undoes == (b"close", b"203.0.113.5", b"until", b"or")


@pytest.mark.parametrize("close", ["NONE", "NONEsuch", "NONE of it"])
def test_nothing_to_undo(close: str) -> None:
    decision = cycle(cmd_cycle_close=close)
    assert decision.closing is None
    assert decision.undoes == ()


def test_none_in_small_letters_is_a_command() -> None:
    assert cycle(cmd_cycle_close="none").closing is not None


def test_who_they_run_as() -> None:
    decision = cycle(
        settings={"cmd_exec_timeout": 9, "sudo_exe": "/opt/sudo"},
        enable_cmd_sudo_exec=True,
        cmd_sudo_exec_user="bin",
        cmd_exec_user="nobody",
        cmd_exec_group="users",
    )
    assert decision.closing is not None
    for command, word in ((decision.opening, "open"), (decision.closing, "close")):
        assert command.text == f"/opt/sudo -u bin {word} 203.0.113.5"
        assert (command.user, command.group, command.seconds) == ("nobody", "users", 9)


# Times


@pytest.mark.parametrize(
    ("asked", "rules", "seconds"),
    [
        (0, {}, 60),
        (20, {}, 20),
        (5000, {}, 300),
        (5000, {"max_fw_timeout": 6000}, 5000),
        (0, {"cmd_cycle_timer": 3600, "max_fw_timeout": 100}, 100),
        (0, {"cmd_cycle_timer": 0, "fw_access_timeout": 40}, 40),
        (0, {"max_fw_timeout": 0}, 1),
    ],
)
def test_lifetime(asked: int, rules: dict[str, Any], seconds: int) -> None:
    decision = cycle(sent=timed(asked) if asked else None, **rules)
    assert decision.lifetime == seconds


# What is refused


def reason(message: str = "203.0.113.5,tcp/22", **rules: Any) -> Reason:
    sent = rules.pop("sent", {})
    phone = client(**{**CYCLE, **rules})
    return Gate(phone).reason(knock(phone, message, **sent))


def test_port_lists_apply() -> None:
    assert reason(open_ports=ports("tcp/80")) is Reason.PORT_NOT_ALLOWED
    assert reason(restrict_ports=ports("tcp/22")) is Reason.PORT_NOT_ALLOWED
    assert reason(open_ports=ports("tcp/22")) is Reason.ACCEPTED
    # Each port asked for, though only the first counts.
    assert reason("203.0.113.5,tcp/22,tcp/80", open_ports=ports("tcp/22")) is (
        Reason.PORT_NOT_ALLOWED
    )


def test_other_rules_apply() -> None:
    assert reason(require_username="bob") is Reason.USERNAME_MISMATCH
    assert reason("0.0.0.0,tcp/22", require_source_address=True) is Reason.ADDRESS_REQUIRED
    assert reason(sent={"timestamp": NOW - 300}) is Reason.TOO_OLD


@pytest.mark.parametrize("enabled", [False, True])
def test_a_packets_own_command_is_not_run(enabled: bool) -> None:
    phone = client(enable_cmd_exec=enabled, **CYCLE)
    refusal = Gate(phone).refusal(knock(phone, "203.0.113.5,id", kind=MessageType.COMMAND))
    assert refusal.reason is Reason.COMMAND_NOT_ALLOWED
    assert "CMD_CYCLE_OPEN" in refusal.detail


def test_nat_changes_nothing() -> None:
    phone = client(**CYCLE)
    sent = knock(phone, kind=MessageType.NAT_ACCESS, nat_access="10.0.0.5,22")
    assert Gate(phone).reason(sent) is Reason.NAT_NOT_ENABLED
    decision = Gate(phone, enable_ipt_forwarding=True).judge(sent)
    assert isinstance(decision, CycleDecision)
    assert decision.opening.text == "open 203.0.113.5"
