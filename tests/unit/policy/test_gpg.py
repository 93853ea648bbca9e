"""What is decided before and after gpg has run. gpg itself answers by hand here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fwknopd.policy.authorizer import Authorizer, PolicySettings
from fwknopd.policy.explanation import explain
from fwknopd.policy.gpg import GpgHome
from fwknopd.policy.gpg_questions import GpgAnswer, GpgFacts, GpgFailure, GpgQuestion, NeedsGpg
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import AccessDecision, Reason, Refusal, Verdict
from fwknopd.replay import ReplayCache
from fwknopd.spa.gpg_report import Report
from fwknopd.spa.packet import SpaKeys
from tests.interop.openpgp_packets import long_packet, number, parted_packet, session_packet
from tests.unit.policy.gpg_knocks import (
    ANNA,
    HOME,
    ROUTER_KEY,
    STRANGER,
    gpg_client,
    gpg_packet,
    on_the_wire,
    opened,
    sealed,
)
from tests.unit.policy.knocks import NOW, client, keys, knock, packet

GOOD = opened()
OTHER_HOME = GpgHome("/home/anna/.gnupg", "/usr/bin/gpg")


class Gate:
    """An authorizer whose gpg gives one answer to everything, and what it was asked."""

    def __init__(self, *stanzas: Stanza, **settings: Any) -> None:
        self.stanzas = stanzas
        self.settings = PolicySettings(**settings)
        self.cache = ReplayCache()
        self.authorizer = Authorizer(stanzas, self.settings, self.cache)
        self.asked: list[NeedsGpg] = []
        self.recipients: dict[GpgHome, frozenset[str]] = {}

    def judge(
        self, payload: bytes, *answers: GpgAnswer, now: int = NOW, clock_problem: str = ""
    ) -> Verdict:
        """The verdict, each question being given the next of the answers, the last for ever."""
        known: dict[GpgQuestion, GpgAnswer] = {}
        self.asked.clear()
        while True:
            facts = GpgFacts(known, self.recipients)
            verdict = self.authorizer.judge(packet(payload), now, clock_problem, 0, facts)
            if not isinstance(verdict, NeedsGpg):
                return verdict
            known[verdict.question] = answers[min(len(self.asked), len(answers) - 1)]
            self.asked.append(verdict)

    def reason(self, payload: bytes, *answers: GpgAnswer, **how: Any) -> Reason:
        verdict = self.judge(payload, *answers, **how)
        return verdict.reason if isinstance(verdict, Refusal) else Reason.ACCEPTED


def refusal(verdict: Verdict) -> Refusal:
    assert isinstance(verdict, Refusal), verdict
    return verdict


@pytest.mark.parametrize("hmac", [True, False])
def test_a_packet_gets_its_verdict_when_gpg_has_answered(hmac: bool) -> None:
    anna = gpg_client(hmac=hmac)
    gate = Gate(anna)
    verdict = gate.judge(gpg_packet(anna), GOOD)
    assert isinstance(verdict, AccessDecision)
    assert verdict.signer == ANNA
    assert verdict.replay_entry is not None
    [need] = gate.asked
    assert (need.stanza, need.authenticated) == (anna, hmac)
    assert need.question.home == HOME


def test_no_gpg_is_asked_about_other_clients_packets() -> None:
    anna, bert = gpg_client(), gpg_client("bert", 2)
    gate = Gate(anna)
    assert gate.reason(gpg_packet(bert)) is Reason.NO_CLIENT_MATCHED
    genuine = gpg_packet(anna)
    changed = genuine[:-2] + (b"BB" if genuine[-2:] != b"BB" else b"CC")
    assert gate.reason(changed) is Reason.NO_CLIENT_MATCHED
    assert not gate.asked


def test_no_gpg_is_asked_about_what_is_no_message() -> None:
    anna = gpg_client(hmac=False)
    gate = Gate(anna)
    verdict = refusal(gate.judge(b"AAAA" * 120))
    assert (verdict.reason, verdict.stanza) == (Reason.NO_CLIENT_MATCHED, None)
    assert not gate.asked


def test_a_client_whose_packet_is_no_message_is_told() -> None:
    anna = gpg_client()
    verdict = refusal(Gate(anna).judge(on_the_wire(anna, b"\x85\x01" + bytes(400))))
    assert (verdict.reason, verdict.stanza) == (Reason.DECRYPT_FAILED, anna)


def test_no_gpg_is_asked_for_a_key_the_ring_does_not_have() -> None:
    anna = gpg_client()
    gate = Gate(anna)
    gate.recipients = {HOME: frozenset({"1111111111111111"})}
    verdict = refusal(gate.judge(gpg_packet(anna)))
    assert (verdict.reason, verdict.stanza) == (Reason.DECRYPT_FAILED, anna)
    assert ROUTER_KEY in verdict.detail
    assert not gate.asked
    gate.recipients = {HOME: frozenset({ROUTER_KEY}), OTHER_HOME: frozenset()}
    assert gate.reason(gpg_packet(anna), GOOD) is Reason.ACCEPTED


def test_a_hidden_recipient_may_be_anybody() -> None:
    anna = gpg_client()
    gate = Gate(anna)
    gate.recipients = {HOME: frozenset({ROUTER_KEY})}
    assert gate.reason(gpg_packet(anna, recipient="0" * 16), GOOD) is Reason.ACCEPTED


def test_short_packets_are_none_of_gpgs() -> None:
    phone = client()
    verdict = refusal(Gate(gpg_client(hmac=False)).judge(knock(phone)))
    assert verdict.reason is Reason.WRONG_LENGTH
    assert "400" in verdict.detail
    assert Gate(gpg_client(hmac=False), phone).reason(knock(phone)) is Reason.ACCEPTED


# What gpg answers


@pytest.mark.parametrize(
    ("answer", "reason", "word"),
    [
        (Report(None, fault="gpg can't decrypt it"), Reason.DECRYPT_FAILED, "can't decrypt"),
        (opened(signer=None), Reason.SIGNATURE_MISSING, "not signed"),
        (opened(fault="the signature is wrong"), Reason.SIGNATURE_BAD, "is wrong"),
        (opened(trusted=False), Reason.SIGNATURE_BAD, "trust"),
        (opened(signer=STRANGER), Reason.SIGNER_NOT_ALLOWED, "GPG_FINGERPRINT_ID"),
        (Report(b"rubbish", GOOD.signature), Reason.MALFORMED, ""),
        (opened(timestamp=NOW - 121), Reason.TOO_OLD, "121 s"),
        (GpgFailure("gpg is stuck"), Reason.GPG_FAILED, "stuck"),
        (GpgFailure("too many", busy=True), Reason.GPG_BUSY, "too many"),
    ],
)
def test_reasons(answer: GpgAnswer, reason: Reason, word: str) -> None:
    anna = gpg_client()
    verdict = refusal(Gate(anna).judge(gpg_packet(anna), answer))
    assert (verdict.reason, verdict.stanza) == (reason, anna)
    assert word in verdict.detail


@pytest.mark.parametrize(
    ("access", "answer", "reason"),
    [
        ({"check_signature": False}, opened(signer=None), Reason.ACCEPTED),
        ({"check_signature": False}, opened(signer=STRANGER), Reason.ACCEPTED),
        ({"ignore_verify_error": True}, opened(fault="expired"), Reason.ACCEPTED),
        ({"ignore_verify_error": True}, opened(trusted=False), Reason.ACCEPTED),
        ({"ignore_verify_error": True}, opened(signer=None), Reason.SIGNATURE_MISSING),
        ({"ignore_verify_error": True}, opened(signer=STRANGER), Reason.SIGNER_NOT_ALLOWED),
        # gpg may not say whose a faulty signature is: an unknown signer is no listed one.
        (
            {"ignore_verify_error": True, "remote_ids": frozenset({"BF48D714"})},
            Report(GOOD.text, replace(GOOD.signature, signer="")) if GOOD.signature else GOOD,
            Reason.SIGNER_NOT_ALLOWED,
        ),
        ({"fingerprints": frozenset({ANNA.lower()})}, GOOD, Reason.SIGNER_NOT_ALLOWED),
        ({"fingerprints": frozenset()}, GOOD, Reason.SIGNER_NOT_ALLOWED),
        (
            {"fingerprints": None, "remote_ids": frozenset({"BF48D714"})},
            GOOD,
            Reason.ACCEPTED,
        ),
        (
            {"fingerprints": None, "remote_ids": frozenset({"21176169BF48D714"})},
            GOOD,
            Reason.SIGNER_NOT_ALLOWED,
        ),
        ({"remote_ids": frozenset({"BF48D714"})}, GOOD, Reason.ACCEPTED),
        ({"remote_ids": frozenset({"002A22BD"})}, GOOD, Reason.SIGNER_NOT_ALLOWED),
    ],
)
def test_rules_of_the_signature(
    access: dict[str, object], answer: GpgAnswer, reason: Reason
) -> None:
    anna = gpg_client(access=access)
    assert Gate(anna).reason(gpg_packet(anna), answer) is reason


def test_a_signer_who_is_not_listed_is_named_as_the_c_daemon_does() -> None:
    anna = gpg_client(access={"fingerprints": None, "remote_ids": frozenset({"AAAAAAAA"})})
    verdict = refusal(Gate(anna).judge(gpg_packet(anna), GOOD))
    assert verdict.detail == (
        "Incoming SPA packet signed by ID: BF48D714, but that ID is not in the GPG_REMOTE_ID list."
    )


# Several clients


def test_clients_of_one_key_ring_ask_once() -> None:
    anna = gpg_client(hmac=False, access={"fingerprints": frozenset({STRANGER})})
    bert = gpg_client("bert", 2, hmac=False)
    gate = Gate(anna, bert)
    verdict = gate.judge(gpg_packet(anna), GOOD)
    assert isinstance(verdict, AccessDecision)
    assert verdict.stanza is bert
    assert len(gate.asked) == 1


def test_clients_of_two_key_rings_ask_twice_and_the_packet_is_spent_once() -> None:
    anna = gpg_client(hmac=False, access={"fingerprints": frozenset({STRANGER})})
    bert = gpg_client("bert", 2, hmac=False, access={"home": OTHER_HOME})
    gate = Gate(anna, bert)
    verdict = gate.judge(gpg_packet(anna), GOOD)
    assert isinstance(verdict, AccessDecision)
    assert verdict.stanza is bert
    assert [need.question.home for need in gate.asked] == [HOME, OTHER_HOME]
    assert len(gate.cache) == 1


def test_another_passphrase_is_another_question() -> None:
    anna = gpg_client(hmac=False, access={"passphrase": b"wrong"})
    bert = gpg_client("bert", 2, hmac=False, access={"passphrase": b"right"})
    gate = Gate(anna, bert)
    closed = Report(None, fault="the passphrase doesn't open the key")
    assert gate.reason(gpg_packet(anna), closed, GOOD) is Reason.ACCEPTED
    assert len(gate.asked) == 2
    assert "right" not in repr(gate.asked)


def test_one_client_may_have_both_kinds_of_keys() -> None:
    both = replace(gpg_client(), keys=keys("both"))
    gate = Gate(both)
    assert gate.reason(knock(both)) is Reason.ACCEPTED
    assert not gate.asked
    assert gate.reason(gpg_packet(both), GOOD) is Reason.ACCEPTED


def test_a_client_is_told_apart_by_its_gpg_rules() -> None:
    anna = gpg_client(hmac=False)
    others = [
        gpg_client(hmac=False, access={"fingerprints": frozenset({STRANGER})}),
        gpg_client(hmac=False, access={"home": OTHER_HOME}),
        gpg_client(hmac=False, access={"check_signature": False}),
        replace(anna, gpg=None),
    ]
    assert len({anna.identity, *(other.identity for other in others)}) == 5
    assert anna.identity == gpg_client(hmac=False, access={"passphrase": b"new"}).identity


# Replay


def test_no_packet_works_twice_in_any_framing() -> None:
    anna = gpg_client(hmac=False)
    gate = Gate(anna)
    body = sealed()
    session = session_packet(ROUTER_KEY, number(1 << 2047))
    assert gate.reason(gpg_packet(anna, body), GOOD) is Reason.ACCEPTED
    for message in (
        session + long_packet(18, body),
        session + parted_packet(18, body, 8),
        session + session_packet("F" * 16, number(3)) + long_packet(18, body),
        session_packet("0" * 16, number(1 << 2047)) + long_packet(18, body),
    ):
        assert gate.reason(on_the_wire(anna, message)) is Reason.REPLAY
        assert not gate.asked


def test_what_gpg_did_not_open_is_not_spent() -> None:
    anna = gpg_client()
    gate = Gate(anna)
    payload = gpg_packet(anna)
    for answer in (opened(signer=None), opened(trusted=False), GpgFailure("no answer")):
        gate.judge(payload, answer)
        assert len(gate.cache) == 0
    assert gate.reason(payload, GOOD) is Reason.ACCEPTED
    assert gate.reason(payload, GOOD) is Reason.REPLAY


def test_what_policy_refuses_is_spent() -> None:
    anna = gpg_client()
    gate = Gate(anna)
    payload = gpg_packet(anna)
    assert gate.reason(payload, opened(signer=STRANGER)) is Reason.SIGNER_NOT_ALLOWED
    assert gate.reason(payload, GOOD) is Reason.REPLAY


def test_base64_of_another_spelling_is_refused_before_gpg() -> None:
    anna = gpg_client(hmac=False)
    gate = Gate(anna)
    payload = gpg_packet(anna)
    assert len(payload) % 4 != 2
    assert gate.reason(payload + b"=") is Reason.NO_CLIENT_MATCHED
    assert not gate.asked


# Clients who may not


@pytest.mark.parametrize("hmac", [True, False])
def test_the_owner_of_a_disabled_client_is_told(hmac: bool) -> None:
    anna = gpg_client(hmac=hmac, enabled=False)
    gate = Gate(anna)
    payload = gpg_packet(anna)
    verdict = refusal(gate.judge(payload, GOOD))
    assert (verdict.reason, verdict.stanza) == (Reason.CLIENT_DISABLED, anna)
    assert gate.reason(payload, GOOD) is Reason.REPLAY


def test_no_gpg_runs_while_the_clock_is_not_set() -> None:
    anna, bert = gpg_client(), gpg_client("bert", hmac=False)
    for who, whose in ((anna, anna), (bert, None)):
        gate = Gate(who)
        verdict = refusal(gate.judge(gpg_packet(who), clock_problem="it is 1970"))
        assert (verdict.reason, verdict.stanza) == (Reason.CLOCK_NOT_SET, whose)
        assert not gate.asked
    gate = Gate(anna, wait_for_clock=False)
    gate.judge(gpg_packet(anna), GOOD, clock_problem="it is 1970")
    assert gate.asked


# Explanations


def steps(stanza: Stanza, payload: bytes, *answers: GpgAnswer) -> dict[str, str]:
    known: dict[GpgQuestion, GpgAnswer] = {}
    while True:
        facts = GpgFacts(known)
        made = explain(packet(payload), [stanza], PolicySettings(), None, NOW, gpg=facts)
        if not made.questions:
            [shown] = made.clients
            return {step.check: f"{step.outcome}: {step.detail}" for step in shown.steps}
        assert "gpg was not asked" in str(made.as_json())
        known |= dict(zip(made.questions, answers, strict=True))


def test_an_explanation_asks_and_tells_of_the_signature() -> None:
    anna = gpg_client()
    shown = steps(anna, gpg_packet(anna), GOOD)
    assert shown["decrypt"] == "passed: opened with this client's key (Asymmetric)"
    assert shown["signer"] == f"passed: key {ANNA} is one of this client's"
    assert shown["ports"].startswith("passed")
    unsigned = steps(anna, gpg_packet(anna), opened(signer=None))
    assert unsigned["decrypt"].startswith("passed")
    assert unsigned["signature"] == "failed: the packet is not signed"
    strange = steps(anna, gpg_packet(anna), opened(signer=STRANGER))
    assert strange["signer"].startswith("failed: Incoming SPA packet signed by")
    free = gpg_client(access={"check_signature": False})
    assert "GPG_DISABLE_SIG" in steps(free, gpg_packet(free), opened(signer=None))["signer"]


def test_an_explanation_of_a_short_packet() -> None:
    shown = steps(gpg_client(), knock(client()))
    assert shown["type"].startswith("failed: too short")
    assert "decrypt" not in shown


def test_both_ways_of_a_client_are_explained() -> None:
    both = replace(gpg_client(), keys=keys("both"))
    made = explain(packet(knock(both)), [both], PolicySettings(), None, NOW)
    aes, gpg = made.clients
    assert aes.verdict is not None
    assert gpg.foreign
    assert not made.questions


def test_aes_clients_have_no_step_of_a_signer() -> None:
    phone = client()
    assert "signer" not in steps(phone, knock(phone))


def test_secrets_are_in_no_repr() -> None:
    anna = gpg_client(access={"passphrase": b"open sesame"})
    gate = Gate(anna)
    gate.judge(gpg_packet(anna), GOOD)
    assert "sesame" not in repr((anna, gate.asked, SpaKeys()))
