"""A client with a GPG key as the authorizer tries it, and what gpg's answers mean to it.

The rules of each client are applied to the answer here. Loaded with the first such client.
"""

from __future__ import annotations

from fwknopd.policy.candidates import Candidate, Opened, Unopened
from fwknopd.policy.gpg import GpgAccess, GpgHome
from fwknopd.policy.gpg_questions import GpgAnswer, GpgFacts, GpgFailure, GpgQuestion
from fwknopd.policy.stanza import Stanza
from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.gpg_packet import gpg_keys, open_wire, sealed_key
from fwknopd.spa.gpg_report import Report
from fwknopd.spa.message import SpaMessage, parse_plaintext
from fwknopd.spa.mode import EncryptionGuess
from fwknopd.spa.openpgp import ANYBODY, Envelope
from fwknopd.spa.packet import WireText


class GpgCandidate(Candidate):
    """A stanza whose packets gpg opens."""

    __slots__ = ("_access",)

    def __init__(self, stanza: Stanza, access: GpgAccess) -> None:
        super().__init__(stanza, gpg_keys(stanza.keys))
        self._access = access

    def takes(self, wire: WireText) -> bool:
        """GPG packets are long."""
        return wire.encryption_guess is EncryptionGuess.GPG

    def open(self, wire: WireText, facts: GpgFacts) -> Opened | Unopened:
        """As of AES, once gpg's answer is among the facts."""
        envelope = open_wire(wire, self.keys, self.authenticator)
        _check_recipient(facts, self._access.home, envelope)
        question, key = question_of(self._access, envelope), sealed_key(envelope)
        answer = facts.answers.get(question)
        if answer is None:
            return Unopened(question, key)
        message, signer = message_of(answer, self._access)
        return Opened(message, key, signer)


def question_of(access: GpgAccess, envelope: Envelope) -> GpgQuestion:
    """What gpg has to be asked for a packet of this client."""
    return GpgQuestion(access.home, access.passphrase, envelope)


def message_of(answer: GpgAnswer, access: GpgAccess) -> tuple[SpaMessage, str | None]:
    """The message, and who signed it, None when this client's rules don't look at that.

    Raises `SpaError`: by libfko's names, in libfko's order.
    """
    if isinstance(answer, GpgFailure):
        code = SpaErrorCode.GPG_BUSY if answer.busy else SpaErrorCode.GPG_FAILED
        raise SpaError(code, answer.detail)
    if answer.text is None:
        raise SpaError(SpaErrorCode.GPGME_DECRYPT_FAILED, answer.fault)
    signer = _signer(answer, access) if access.check_signature else None
    return parse_plaintext(answer.text, gpg=True), signer


def _signer(report: Report, access: GpgAccess) -> str:
    signature = report.signature
    if signature is None:
        raise SpaError(SpaErrorCode.GPGME_NO_SIGNATURE, "the packet is not signed")
    if access.ignore_verify_error:
        return signature.signer
    fault = signature.fault
    if not fault and not signature.trusted:
        fault = (
            "the signature is good, but the key ring doesn't trust its key: sign it locally "
            "(gpg --lsign-key) or set its ownertrust to ultimate"
        )
    if fault:
        raise SpaError(SpaErrorCode.GPGME_BAD_SIGNATURE, f"{fault} (key {signature.signer})")
    return signature.signer


def _check_recipient(facts: GpgFacts, home: GpgHome, envelope: Envelope) -> None:
    """Raises `SpaError` when no key of the ring can open the message."""
    known = facts.recipients.get(home)
    if known is None or ANYBODY in envelope.recipients:
        return
    if known.isdisjoint(envelope.recipients):
        raise SpaError(
            SpaErrorCode.GPGME_DECRYPT_FAILED,
            f"it is encrypted to key {', '.join(envelope.recipients[:3])}, "
            f"which is not in the key ring ({home.folder})",
        )
