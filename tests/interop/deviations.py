"""Every recorded packet on which fwknop-wrt decides otherwise than the C programs, and why.

The vector tests fail for a difference not listed here, and for one listed that is none.
"""

from __future__ import annotations

from dataclasses import dataclass

from fwknopd.spa.errors import SpaErrorCode

_REPLAY = "without an HMAC the same packet could be sent again in another spelling"
_NUMBER = "numbers are plain digits; no known client sends anything else"
_WRAP = "a number beyond 32 bits is refused, where C's wraps around to another one"
_NUL = "what follows a NUL is invisible to C; we don't act on half of a field"
_2038 = "a timestamp after 2038-01-19 is a time like any other; C's integer overflows"
_PREFIX = "we implement the C daemon's rule, which refuses a prefix that should be missing"


@dataclass(frozen=True, slots=True)
class Deviation:
    """What we answer instead: the error code, or None when we accept."""

    ours: SpaErrorCode | None
    reason: str


DECODING: dict[str, Deviation] = {
    # Accepted by libfko, refused here.
    "nohmac-pad-equals": Deviation(SpaErrorCode.STRICT_BASE64, _REPLAY),
    "nohmac-equals-junk": Deviation(SpaErrorCode.STRICT_BASE64, _REPLAY),
    "nohmac-noncanonical-0": Deviation(SpaErrorCode.STRICT_BASE64, _REPLAY),
    "nohmac-noncanonical-1": Deviation(SpaErrorCode.STRICT_BASE64, _REPLAY),
    "forge-pad-absent": Deviation(
        SpaErrorCode.STRICT_PADDING,
        "without an HMAC a packet padded by a whole block could be sent again without it",
    ),
    "forge-user-nul": Deviation(SpaErrorCode.DECODE_USERNAME_VALIDFAIL, _NUL),
    "forge-msg-nul-tail": Deviation(SpaErrorCode.DECODE_ACCESS_VALIDFAIL, _NUL),
    "forge-cmd-nul": Deviation(SpaErrorCode.DECODE_MESSAGE_VALIDFAIL, _NUL),
    "forge-user-b64-padded-junk": Deviation(
        SpaErrorCode.DECODE_USERNAME_DECODEFAIL, "text after base64 padding is no base64"
    ),
    "forge-ts-alpha": Deviation(SpaErrorCode.DECODE_TIMESTAMP_DECODEFAIL, _NUMBER),
    "forge-ts-trailing-alpha": Deviation(SpaErrorCode.DECODE_TIMESTAMP_DECODEFAIL, _NUMBER),
    "forge-ts-leading-space": Deviation(SpaErrorCode.DECODE_TIMESTAMP_DECODEFAIL, _NUMBER),
    "forge-ts-plus": Deviation(SpaErrorCode.DECODE_TIMESTAMP_DECODEFAIL, _NUMBER),
    "forge-ts-hex": Deviation(SpaErrorCode.DECODE_TIMESTAMP_DECODEFAIL, _NUMBER),
    "forge-ts-float": Deviation(SpaErrorCode.DECODE_TIMESTAMP_DECODEFAIL, _NUMBER),
    "forge-ts-minus-zero": Deviation(SpaErrorCode.DECODE_TIMESTAMP_DECODEFAIL, _NUMBER),
    "forge-ts-4294967296": Deviation(SpaErrorCode.DECODE_TIMESTAMP_DECODEFAIL, _WRAP),
    "forge-ts-wrap-now": Deviation(SpaErrorCode.DECODE_TIMESTAMP_DECODEFAIL, _WRAP),
    "forge-to-wrap": Deviation(SpaErrorCode.DECODE_TIMEOUT_DECODEFAIL, _WRAP),
    "forge-type-1x": Deviation(SpaErrorCode.DECODE_MSGTYPE_DECODEFAIL, _NUMBER),
    "forge-type-space1": Deviation(SpaErrorCode.DECODE_MSGTYPE_DECODEFAIL, _NUMBER),
    "forge-type-x": Deviation(
        SpaErrorCode.DECODE_MSGTYPE_DECODEFAIL, "C reads x as 0, which makes it a command"
    ),
    "prefix-salted-kept": Deviation(SpaErrorCode.HMAC_COMPAREFAIL, _PREFIX),
    "prefix-salted-kept-nohmac": Deviation(SpaErrorCode.ENCRYPT_CIPHERLEN_VALIDFAIL, _PREFIX),
    # Refused by libfko, accepted here.
    "forge-ts-2147483648": Deviation(None, _2038),
    "forge-ts-4294967295": Deviation(None, _2038),
    # Refused by both, with another name.
    "forge-user-b64-1char": Deviation(
        SpaErrorCode.DECODE_USERNAME_DECODEFAIL,
        "one base64 character holds no byte; C decodes it to nothing and misses the name then",
    ),
}
"""By vector name, for `decode` against libfko."""

GPG: dict[str, Deviation] = {}
"""By vector name, for GPG packets: none of those recorded."""
