"""The quick ways through the authorizer come to the verdicts of the long one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.policy.authorizer import NO_MATCH, Authorizer
from fwknopd.policy.candidates import candidates_of
from fwknopd.policy.copies import LIMIT
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.strangers import FEW_CLIENTS, Strangers
from fwknopd.policy.verdict import AccessDecision, Reason, Refusal, Verdict
from fwknopd.replay import ReplayCache
from tests.unit.policy.knocks import NOW, client, keys, knock, packet

CLIENTS = (client("phone", 1), client("laptop", 2), client("off", 3, enabled=False))
CROWD = tuple(client(f"client {n}", n) for n in range(10, 11 + FEW_CLIENTS))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
texts = st.text(ALPHABET, min_size=130, max_size=500).map(str.encode)
starts = st.sampled_from([b"", b"U2FsdGVkX1", b"hQ"])
payloads = st.one_of(st.binary(max_size=1600), texts, st.builds(bytes.__add__, starts, texts))
GOOD = [knock(sender, user=user) for sender in CLIENTS for user in ("alice", "bob")]


def judge(authorizer: Authorizer, payload: bytes) -> Verdict:
    """The verdict on a packet that comes now."""
    verdict = authorizer.judge(packet(payload), NOW)
    assert isinstance(verdict, Refusal | AccessDecision)
    return replace(verdict, replay_entry=None)


@given(st.one_of(payloads, st.sampled_from(GOOD)))
def test_strangers_are_told_by_the_quick_way_as_by_the_long_one(payload: bytes) -> None:
    """Beside a crowd there is no quick way."""
    quick = judge(Authorizer(CLIENTS, PolicySettings(), ReplayCache()), payload)
    long = judge(Authorizer((*CLIENTS, *CROWD), PolicySettings(), ReplayCache()), payload)
    assert quick == long


def strangers(*stanzas: Stanza, http: bool = False) -> Strangers:
    """The quick way for these clients."""
    candidates = [way for stanza in stanzas for way in candidates_of(stanza)]
    return Strangers(candidates, PolicySettings(enable_spa_over_http=http))


JUNK = knock(client("nobody"))


def test_a_stranger_is_known() -> None:
    assert strangers(*CLIENTS).sent(JUNK)
    assert not strangers(*CLIENTS).sent(GOOD[0])


@pytest.mark.parametrize(
    "odd",
    [client("without", 4, keys=keys("w", hmac=False)), client("near", 4, sources=())],
    ids=["no HMAC key", "SOURCE"],
)
def test_there_is_no_quick_way_with_an_unusual_client(odd: Stanza) -> None:
    assert not strangers(*CLIENTS, odd).sent(JUNK)


def test_there_is_no_quick_way_for_web_knocks_crowds_and_nobody() -> None:
    assert not strangers(*CLIENTS, http=True).sent(JUNK)
    assert not strangers(*CROWD).sent(JUNK)
    assert not strangers().sent(JUNK)


def test_a_copy_is_refused_again_and_again_and_told_to_be_what_it_is() -> None:
    authorizer = Authorizer(CLIENTS, PolicySettings(), ReplayCache())
    assert isinstance(judge(authorizer, GOOD[0]), AccessDecision)
    first, second, third = (judge(authorizer, GOOD[0]) for _ in range(3))
    assert isinstance(first, Refusal)
    assert (first.reason, first.stanza) == (Reason.REPLAY, CLIENTS[0])
    assert first == second == third


def test_a_copy_to_another_port_is_told_with_that_port() -> None:
    authorizer = Authorizer(CLIENTS, PolicySettings(), ReplayCache())
    again = [packet(GOOD[0])._replace(destination_port=port) for port in (1, 1, 1, 2, 2)]
    told = [dict(getattr(authorizer.judge(p, NOW), "facts", ())) for p in again]
    assert [facts.get("destination") for facts in told[1:]] == ["17/1"] * 2 + ["17/2"] * 2


def test_more_copies_than_are_remembered_are_refused_all_the_same() -> None:
    authorizer = Authorizer(CLIENTS, PolicySettings(), ReplayCache())
    packets = [packet(knock(CLIENTS[0], user=f"user {n}")) for n in range(LIMIT + 20)]
    for _ in range(3):
        verdicts = [authorizer.judge(each, NOW) for each in packets]
    assert {getattr(verdict, "reason", None) for verdict in verdicts} == {Reason.REPLAY}


def test_junk_is_the_very_verdict_that_is_only_counted() -> None:
    assert Authorizer(CLIENTS, PolicySettings(), ReplayCache()).judge(packet(JUNK), NOW) is NO_MATCH
