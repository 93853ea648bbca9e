"""What the SPA core's error codes mean as a verdict's reason."""

from __future__ import annotations

from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Reason, Refusal
from fwknopd.spa.errors import SpaError, SpaErrorCode

_LENGTH = frozenset(
    {
        SpaErrorCode.SIZE,
        SpaErrorCode.FUNCS_NEW_MSGLEN_VALIDFAIL,
        SpaErrorCode.NO_ENCRYPTION_TYPE_MATCH,
        SpaErrorCode.ENCRYPT_TYPE_UNKNOWN,
    }
)
_NOT_AUTHENTIC = frozenset(
    {
        SpaErrorCode.HMAC_COMPAREFAIL,
        SpaErrorCode.HMAC_ENCMSGLEN_VALIDFAIL,
        SpaErrorCode.INVALID_HMAC_KEY_LEN,
        SpaErrorCode.ENCODE_NOTBASE64,
    }
)
_NOT_OPENED = frozenset(
    {
        SpaErrorCode.INVALID_KEY_LEN,
        SpaErrorCode.ENCRYPT_CIPHERLEN_VALIDFAIL,
        SpaErrorCode.DECRYPTION_FAILURE,
        SpaErrorCode.GPGME_DECRYPT_FAILED,
        SpaErrorCode.STRICT_BASE64,
    }
)
_GPG = {
    SpaErrorCode.GPG_FAILED: Reason.GPG_FAILED,
    SpaErrorCode.GPG_BUSY: Reason.GPG_BUSY,
    SpaErrorCode.GPGME_NO_SIGNATURE: Reason.SIGNATURE_MISSING,
    SpaErrorCode.GPGME_BAD_SIGNATURE: Reason.SIGNATURE_BAD,
}
_OF_A_CLIENT = frozenset({Reason.MALFORMED, *_GPG.values()})
"""What can't be told of a packet without knowing for which client's keys it was made."""


def unreadable(error: SpaError) -> Refusal:
    """The refusal of a payload that can't be a knock at all."""
    reason = Reason.WRONG_LENGTH if error.code in _LENGTH else Reason.NOT_SPA
    return Refusal(reason, error.detail)


def refusal_of(error: SpaError, stanza: Stanza, *, authenticated: bool) -> Refusal:
    """The refusal of a packet that one client's keys didn't turn into a message.

    ``authenticated``: its HMAC fitted. Without an HMAC, decryption is what tells
    whose packet it is: an error after it still names the client, one before doesn't.
    """
    reason = _reason(error.code)
    if reason is Reason.NO_CLIENT_MATCHED:
        return Refusal(reason, error.detail)
    if authenticated or reason in _OF_A_CLIENT:
        return Refusal(reason, error.detail, stanza)
    if reason is Reason.WRONG_LENGTH:
        return Refusal(reason, error.detail)
    return Refusal(Reason.NO_CLIENT_MATCHED, error.detail)


def _reason(code: SpaErrorCode) -> Reason:
    if code in _LENGTH:
        return Reason.WRONG_LENGTH
    if code in _NOT_AUTHENTIC:
        return Reason.NO_CLIENT_MATCHED
    if code in _NOT_OPENED:
        return Reason.DECRYPT_FAILED
    if code is SpaErrorCode.UNSUPPORTED_MODE:
        return Reason.NOT_SUPPORTED
    return _GPG.get(code, Reason.MALFORMED)
