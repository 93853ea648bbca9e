"""An explanation ends in the Authorizer's verdict, its steps lead there, and nothing is touched."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from fwknopd.policy.authorizer import Authorizer, PolicySettings
from fwknopd.policy.explanation import Explanation, explain
from fwknopd.policy.gpg_questions import NeedsGpg
from fwknopd.policy.packet import Packet
from fwknopd.policy.schedule import Schedule, local_time
from fwknopd.policy.stanza import NatTarget, Stanza
from fwknopd.policy.verdict import Reason, Refusal, Verdict
from fwknopd.replay import ReplayCache
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import seal
from tests.unit.policy.knocks import NOW, client, keys, knock, ports

PHONE = IPv4Address("198.51.100.7")
ROUTER = IPv4Address("192.0.2.1")
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

TODAY = local_time(NOW, 0).day
ALWAYS = Schedule(days=frozenset({TODAY}))
NEVER_NOW = Schedule(days=frozenset({(TODAY + 3) % 7}))

kinds = st.sampled_from(list(MessageType))
stanza_options = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "sources": st.sampled_from([None, (IPv4Network("198.51.100.0/24"),), ()]),
        "destinations": st.sampled_from([None, (IPv4Network("192.0.2.1/32"),), ()]),
        "open_ports": st.sampled_from([None, ports("tcp/22"), ports("tcp/22,udp/53")]),
        "restrict_ports": st.sampled_from([frozenset(), ports("tcp/80")]),
        "fw_access_timeout": st.integers(0, 1000),
        "max_fw_timeout": st.integers(0, 1000),
        "require_username": st.sampled_from([None, "alice", "bob"]),
        "require_source_address": st.booleans(),
        "enable_cmd_exec": st.booleans(),
        "allowed_commands": st.sampled_from([None, (), ("id -u",), ("id",)]),
        "enable_cmd_sudo_exec": st.booleans(),
        "cmd_cycle_open": st.sampled_from(["", "", "open $IP $PORT"]),
        "cmd_cycle_close": st.sampled_from(["NONE", "close $IP $TIMEOUT"]),
        "cmd_cycle_timer": st.integers(0, 1000),
        "access_expire": st.sampled_from([None, NOW - 1, NOW, NOW + 1]),
        "schedule": st.sampled_from([None, NEVER_NOW, ALWAYS]),
        "log_only": st.booleans(),
        "cut_at_expiry": st.booleans(),
        "force_nat": st.sampled_from([None, NatTarget(IPv4Address("192.168.1.2"), 22)]),
        "disable_dnat": st.booleans(),
    },
)


def with_options(options: dict[str, Any]) -> PolicySettings:
    return PolicySettings(**options)


settings_options = st.fixed_dictionaries(
    {},
    optional={
        name: st.booleans()
        for name in (
            "enable_destination_rule",
            "enable_ipt_snat",
            "enable_spa_packet_aging",
            "enable_digest_persistence",
            "enable_ipt_forwarding",
            "enable_ipt_local_nat",
            "enable_nat_dns",
            "enable_spa_over_http",
            "enable_x_forwarded_for",
            "allow_any_user_agent",
            "test",
        )
    },
).map(with_options)


@st.composite
def stanza_lists(draw: st.DrawFn) -> list[Stanza]:
    """Clients that may share keys, with and without HMAC."""
    owners = draw(st.lists(st.sampled_from(["a", "b", "-c"]), max_size=4))
    return [
        client(
            f"{owner}{number}",
            number,
            keys=keys(owner, hmac=not owner.startswith("-")),
            **draw(stanza_options),
        )
        for number, owner in enumerate(owners, start=1)
    ]


@st.composite
def knocks(draw: st.DrawFn) -> bytes:
    owner = draw(st.sampled_from(["a", "b", "-c", "stranger"]))
    sender = client(keys=keys(owner, hmac=not owner.startswith("-")))
    kind = draw(kinds)
    address = draw(st.sampled_from(["0.0.0.0", "203.0.113.5"]))
    what = "id -u" if kind is MessageType.COMMAND else draw(st.sampled_from(["tcp/22", "tcp/80"]))
    fields: dict[str, Any] = {}
    if kind.has_nat:
        fields["nat_access"] = draw(st.sampled_from(["192.168.1.2,22", "host,22", "127.0.0.1,1"]))
    if kind.has_timeout:
        fields["client_timeout"] = draw(st.integers(0, 65535))
    when = NOW + draw(st.sampled_from([0, -120, -121, 120, 121, -5000]))
    packet = knock(sender, f"{address},{what}", kind=kind, timestamp=when, **fields)
    return draw(st.sampled_from(["%s", "GET /%s HTTP/1.0\r\nUser-Agent: Fwknop\r\n"])).encode() % (
        packet
    )


payloads = st.one_of(
    knocks(),
    knocks(),
    st.binary(max_size=1600),
    st.text(BASE64, min_size=130, max_size=600).map(str.encode),
    st.text(max_size=200).map(
        lambda text: seal(text.encode("utf-8", "replace"), keys("a"), b"s" * 8)
    ),
)
sources = st.sampled_from(
    [PHONE, IPv4Address("203.0.113.9"), IPv6Address("2001:db8::7"), IPv4Address(0)]
)


def snapshot(cache: ReplayCache) -> tuple[object, ...]:
    return (
        cache.entries(),
        cache.max_age,
        cache.blind_before,
        cache._prune_at,
        cache._first_expiry,
    )


def without_entry(verdict: Verdict) -> Verdict:
    return verdict if isinstance(verdict, Refusal) else replace(verdict, replay_entry=None)


@examples(max_examples=400, deadline=None)
@given(
    stanza_lists(),
    settings_options,
    st.lists(payloads, max_size=3),
    payloads,
    sources,
    st.sampled_from(["", "the clock was never set"]),
    st.sampled_from([None, NOW]),
)
def test_explanation_and_authorizer_agree(
    stanzas: list[Stanza],
    settings: PolicySettings,
    earlier: list[bytes],
    payload: bytes,
    source: IPv4Address | IPv6Address,
    clock_problem: str,
    blind_before: int | None,
) -> None:
    cache = ReplayCache(limit=2, keep=0)
    cache.blind_before = blind_before
    authorizer = Authorizer(stanzas, settings, cache)
    for used in earlier:
        authorizer.judge(packet_of(used, PHONE), NOW)
    packet = packet_of(payload, source)
    before = snapshot(cache)
    explanation = explain(packet, stanzas, settings, cache, NOW, clock_problem)
    assert snapshot(cache) == before
    assert explanation == explain(packet, stanzas, settings, cache, NOW, clock_problem)
    verdict = authorizer.judge(packet, NOW, clock_problem)
    assert not isinstance(verdict, NeedsGpg)
    assert without_entry(explanation.verdict) == without_entry(verdict)
    assert steps_lead_to_the_verdict(explanation)
    json.dumps(explanation.as_json())


def packet_of(payload: bytes, source: IPv4Address | IPv6Address) -> Packet:
    return Packet(payload, source, ROUTER, 40000, 62201, 17, "wan")


def steps_lead_to_the_verdict(explanation: Explanation) -> bool:
    """The verdict is that of a step which failed, or nothing failed on the way to it."""
    verdict = explanation.verdict
    stopped = [step.refusal for step in explanation.steps if step.refusal]
    if stopped:
        return same_reason(stopped[0], verdict)
    for one in explanation.clients:
        if isinstance(one.decision, Refusal):
            assert any(step.refusal == one.decision for step in one.steps)
    said = {
        client.stanza.number: client.verdict for client in explanation.clients if client.verdict
    }
    if isinstance(verdict, Refusal) and verdict.reason is Reason.NO_CLIENT_MATCHED:
        return all(isinstance(one, Refusal) for one in said.values())
    if isinstance(verdict, Refusal):
        return any(same_reason(one, verdict) for one in said.values())
    assert verdict.stanza is not None
    return without_entry(said[verdict.stanza.number]) == without_entry(verdict)


def same_reason(one: Verdict, other: Verdict) -> bool:
    assert isinstance(other, Refusal)
    return isinstance(one, Refusal) and one.reason is other.reason
