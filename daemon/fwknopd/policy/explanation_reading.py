"""The part of an explanation that needs no keys: is this a packet, and was this text used?"""

from __future__ import annotations

from collections.abc import Sequence

from fwknopd.policy.addresses import plain
from fwknopd.policy.authorizer import not_heard, read_wire
from fwknopd.policy.candidates import Candidate
from fwknopd.policy.explanation_steps import Case, Outcome, Step, judged, passed
from fwknopd.policy.spa_refusals import unreadable
from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.http import is_request, names_a_client, unwrap
from fwknopd.spa.mode import EncryptionGuess
from fwknopd.spa.packet import MAX_PAYLOAD, MIN_GPG_TEXT, MIN_PAYLOAD, WireText

_READING = ("size", "http", "prefix", "alphabet")
_FACTS_OF_READING = {
    "http": "a GET request with the packet in its path",
    "prefix": "the constant beginning is left out, as it must be",
    "alphabet": "base64 throughout",
}


def read_steps(case: Case) -> tuple[tuple[Step, ...], WireText | None]:
    """Is it a packet at all? The wire text, or None when the last step failed."""
    payload = case.packet.payload
    whole = f"{len(payload)} bytes; a packet has {MIN_PAYLOAD} to {MAX_PAYLOAD}"
    texts = _FACTS_OF_READING | {"size": whole}
    checks = [name for name in _READING if name != "http" or _is_http(case)]
    try:
        wire = read_wire(payload, case.settings)
    except SpaError as error:
        failed = _failed_reading(case, error)
        before = checks[: checks.index(failed)]
        stop = judged(failed, unreadable(error), "")
        return (_from(case), *(passed(name, texts[name]) for name in before), stop), None
    texts["http"] += _forwarded(case, wire)
    read = (passed(name, texts[name]) for name in checks)
    return (_from(case), *read, _type(wire)), wire


def _forwarded(case: Case, wire: WireText) -> str:
    """What became of the header a proxy adds."""
    if not case.settings.enable_x_forwarded_for or not names_a_client(case.packet.payload):
        return ""
    if wire.forwarded_for is None:
        return "; its X-Forwarded-For is no single IPv4 address and is not used"
    return f"; X-Forwarded-For names {wire.forwarded_for}"


def _is_http(case: Case) -> bool:
    return case.settings.enable_spa_over_http and is_request(case.packet.payload)


def _failed_reading(case: Case, error: SpaError) -> str:
    if error.code is SpaErrorCode.SPA_MSG_BAD_DATA:
        return "prefix"
    if not _is_http(case):
        return "size" if error.code is SpaErrorCode.SIZE else "alphabet"
    if error.code is SpaErrorCode.SIZE:
        return "http" if MIN_PAYLOAD <= len(case.packet.payload) <= MAX_PAYLOAD else "size"
    try:
        unwrap(case.packet.payload, allow_any_user_agent=case.settings.allow_any_user_agent)
    except SpaError:
        return "http"
    return "alphabet"


def _from(case: Case) -> Step:
    source, destination = plain(case.packet.source), plain(case.packet.destination)
    known = "not known" if source.is_unspecified else str(source)
    to = "not known" if destination.is_unspecified else str(destination)
    return Step("addresses", Outcome.NOTED, f"source {known}, destination {to}")


def _type(wire: WireText) -> Step:
    guess = wire.encryption_guess
    kind = "GPG, or AES of a client with ENABLE_CMD_EXEC" if guess is EncryptionGuess.GPG else "AES"
    return Step(
        "type",
        Outcome.NOTED,
        f"{len(wire.text)} characters, so {kind} (GPG has {MIN_GPG_TEXT} or more)",
    )


def heard_step(case: Case, candidates: Sequence[Candidate]) -> Step:
    """May anybody knock from there?"""
    heard = sum(candidate.hears(plain(case.packet.source)) for candidate in candidates)
    refusal = None if heard else not_heard(case.packet)
    return judged("source", refusal, f"{heard} of {len(candidates)} clients may knock from there")


def seen_step(case: Case, wire: WireText) -> Step:
    """Was this very text used before?"""
    if not case.remembers:
        return Step("replay", Outcome.NOTED, "not known: only the running daemon remembers packets")
    if not case.check.enabled:
        return Step("replay", Outcome.NOTED, "ENABLE_DIGEST_PERSISTENCE is off: replays are taken")
    return judged("replay", case.check.used(wire.reference_digest, case.packet), "not used before")
