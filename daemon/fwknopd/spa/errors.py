"""Why bytes are not a knock: one exception type and a closed list of codes.

Parsing in this package has two outcomes, a value or a `SpaError`; nothing else
may escape for any input. Most codes carry the names libfko gives the same refusal,
so that people can look them up, and so that the checks here can be compared with
the C library's one by one.
"""

from __future__ import annotations

from enum import StrEnum

_WITHOUT_INVALID_DATA = (
    "INVALID_",
    "DECRYPTION_",
    "DIGEST_",
    "GPGME_",
)


class SpaErrorCode(StrEnum):
    """What was wrong. The value is libfko's name without ``FKO_ERROR_[INVALID_DATA_]``."""

    # Size and authentication.
    FUNCS_NEW_MSGLEN_VALIDFAIL = "FUNCS_NEW_MSGLEN_VALIDFAIL"
    INVALID_KEY_LEN = "INVALID_KEY_LEN"
    INVALID_HMAC_KEY_LEN = "INVALID_HMAC_KEY_LEN"
    HMAC_ENCMSGLEN_VALIDFAIL = "HMAC_ENCMSGLEN_VALIDFAIL"
    ENCODE_NOTBASE64 = "ENCODE_NOTBASE64"
    HMAC_COMPAREFAIL = "HMAC_COMPAREFAIL"
    # Decryption.
    ENCRYPT_TYPE_UNKNOWN = "ENCRYPT_TYPE_UNKNOWN"
    ENCRYPT_CIPHERLEN_VALIDFAIL = "ENCRYPT_CIPHERLEN_VALIDFAIL"
    DECRYPTION_FAILURE = "DECRYPTION_FAILURE"
    GPGME_DECRYPT_FAILED = "GPGME_DECRYPT_FAILED"
    GPGME_NO_SIGNATURE = "GPGME_NO_SIGNATURE"
    GPGME_BAD_SIGNATURE = "GPGME_BAD_SIGNATURE"
    # The decrypted text.
    DECODE_MSGLEN_VALIDFAIL = "DECODE_MSGLEN_VALIDFAIL"
    DECODE_NON_ASCII = "DECODE_NON_ASCII"
    DECODE_LT_MIN_FIELDS = "DECODE_LT_MIN_FIELDS"
    INVALID_DIGEST_TYPE = "INVALID_DIGEST_TYPE"
    DIGEST_VERIFICATION_FAILED = "DIGEST_VERIFICATION_FAILED"
    DECODE_RAND_MISSING = "DECODE_RAND_MISSING"
    DECODE_USERNAME_MISSING = "DECODE_USERNAME_MISSING"
    DECODE_USERNAME_TOOBIG = "DECODE_USERNAME_TOOBIG"
    DECODE_USERNAME_DECODEFAIL = "DECODE_USERNAME_DECODEFAIL"
    DECODE_USERNAME_VALIDFAIL = "DECODE_USERNAME_VALIDFAIL"
    DECODE_TIMESTAMP_MISSING = "DECODE_TIMESTAMP_MISSING"
    DECODE_TIMESTAMP_TOOBIG = "DECODE_TIMESTAMP_TOOBIG"
    DECODE_TIMESTAMP_DECODEFAIL = "DECODE_TIMESTAMP_DECODEFAIL"
    DECODE_VERSION_MISSING = "DECODE_VERSION_MISSING"
    DECODE_VERSION_TOOBIG = "DECODE_VERSION_TOOBIG"
    DECODE_MSGTYPE_MISSING = "DECODE_MSGTYPE_MISSING"
    DECODE_MSGTYPE_TOOBIG = "DECODE_MSGTYPE_TOOBIG"
    DECODE_MSGTYPE_DECODEFAIL = "DECODE_MSGTYPE_DECODEFAIL"
    DECODE_WRONG_NUM_FIELDS = "DECODE_WRONG_NUM_FIELDS"
    DECODE_MESSAGE_MISSING = "DECODE_MESSAGE_MISSING"
    DECODE_MESSAGE_TOOBIG = "DECODE_MESSAGE_TOOBIG"
    DECODE_MESSAGE_DECODEFAIL = "DECODE_MESSAGE_DECODEFAIL"
    DECODE_MESSAGE_VALIDFAIL = "DECODE_MESSAGE_VALIDFAIL"
    DECODE_ACCESS_VALIDFAIL = "DECODE_ACCESS_VALIDFAIL"
    DECODE_NATACCESS_MISSING = "DECODE_NATACCESS_MISSING"
    DECODE_NATACCESS_TOOBIG = "DECODE_NATACCESS_TOOBIG"
    DECODE_NATACCESS_DECODEFAIL = "DECODE_NATACCESS_DECODEFAIL"
    DECODE_NATACCESS_VALIDFAIL = "DECODE_NATACCESS_VALIDFAIL"
    DECODE_SRVAUTH_MISSING = "DECODE_SRVAUTH_MISSING"
    DECODE_SRVAUTH_DECODEFAIL = "DECODE_SRVAUTH_DECODEFAIL"
    DECODE_EXTRA_DECODEFAIL = "DECODE_EXTRA_DECODEFAIL"
    DECODE_TIMEOUT_MISSING = "DECODE_TIMEOUT_MISSING"
    DECODE_TIMEOUT_VALIDFAIL = "DECODE_TIMEOUT_VALIDFAIL"
    DECODE_TIMEOUT_DECODEFAIL = "DECODE_TIMEOUT_DECODEFAIL"
    # What the C daemon, not its library, drops before decoding.
    SIZE = "SIZE"
    SPA_MSG_BAD_DATA = "SPA_MSG_BAD_DATA"
    SPA_MSG_NOT_SPA_DATA = "SPA_MSG_NOT_SPA_DATA"
    NO_ENCRYPTION_TYPE_MATCH = "NO_ENCRYPTION_TYPE_MATCH"
    # Refused here on purpose although libfko takes it: without an HMAC each would let
    # one packet exist in several texts, and so be sent twice.
    STRICT_BASE64 = "STRICT_BASE64"
    STRICT_PADDING = "STRICT_PADDING"
    # gpg gave no answer, or has too much to do.
    GPG_FAILED = "GPG_FAILED"
    GPG_BUSY = "GPG_BUSY"
    # Not AES.
    UNSUPPORTED_MODE = "UNSUPPORTED_MODE"

    @property
    def libfko_name(self) -> str | None:
        """The C library's full name (``FKO_ERROR_...``); None for a code of our own."""
        if self in _NOT_LIBFKO:
            return None
        infix = "" if self.startswith(_WITHOUT_INVALID_DATA) else "INVALID_DATA_"
        return f"FKO_ERROR_{infix}{self}"


_NOT_LIBFKO = frozenset(
    {
        SpaErrorCode.SIZE,
        SpaErrorCode.SPA_MSG_BAD_DATA,
        SpaErrorCode.SPA_MSG_NOT_SPA_DATA,
        SpaErrorCode.NO_ENCRYPTION_TYPE_MATCH,
        SpaErrorCode.STRICT_BASE64,
        SpaErrorCode.STRICT_PADDING,
        SpaErrorCode.GPG_FAILED,
        SpaErrorCode.GPG_BUSY,
        SpaErrorCode.UNSUPPORTED_MODE,
    }
)


class SpaError(Exception):
    """Bytes were refused. ``detail`` is for people and never holds a key or packet text."""

    def __init__(self, code: SpaErrorCode, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else str(self.code)
