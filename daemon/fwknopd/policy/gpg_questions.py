"""What gpg is asked about a packet, and what its answer means to a client.

Running gpg takes long and is not policy's business. So a client asks a `GpgQuestion`,
and the packet is judged again when somebody has the answer. The rules of each client are
applied to the answer here: clients that share a key ring share the question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fwknopd.policy.gpg import GpgAccess, GpgHome
from fwknopd.policy.stanza import Stanza
from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.gpg_report import Report
from fwknopd.spa.message import SpaMessage, parse_plaintext
from fwknopd.spa.openpgp import ANYBODY, Envelope


@dataclass(frozen=True, slots=True)
class GpgQuestion:
    """Open this message with the keys of that ring."""

    home: GpgHome
    passphrase: bytes = field(repr=False)
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class GpgFailure:
    """gpg gave no answer: it is missing, stuck or has too much to do. ``busy``: the latter."""

    detail: str
    busy: bool = False


GpgAnswer = Report | GpgFailure


@dataclass(frozen=True, slots=True)
class GpgFacts:
    """What is known of gpg's world when a packet is judged.

    ``recipients`` are by key ring the ids of its secret keys; a ring that isn't there has
    not been read, and then every message may be for it.
    """

    answers: Mapping[GpgQuestion, GpgAnswer] = field(default_factory=dict)
    recipients: Mapping[GpgHome, frozenset[str]] = field(default_factory=dict)

    def check_recipient(self, home: GpgHome, envelope: Envelope) -> None:
        """Raises `SpaError` when no key of the ring can open the message."""
        known = self.recipients.get(home)
        if known is None or ANYBODY in envelope.recipients:
            return
        if known.isdisjoint(envelope.recipients):
            raise SpaError(
                SpaErrorCode.GPGME_DECRYPT_FAILED,
                f"it is encrypted to key {', '.join(envelope.recipients[:3])}, "
                f"which is not in the key ring ({home.folder})",
            )


UNKNOWN = GpgFacts()
"""Nothing is known, and every GPG client has to ask."""


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


@dataclass(frozen=True, slots=True)
class NeedsGpg:
    """No verdict yet: judge the packet again when gpg has answered.

    ``stanza`` is whose packet it may be; with ``authenticated`` its HMAC fitted.
    """

    question: GpgQuestion
    stanza: Stanza
    authenticated: bool


def question_of(access: GpgAccess, envelope: Envelope) -> GpgQuestion:
    """What gpg has to be asked for a packet of this client."""
    return GpgQuestion(access.home, access.passphrase, envelope)
