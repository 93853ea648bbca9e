"""Hashes: the unkeyed digest inside a message and the HMAC around a packet.

Both are compared as base64 text, in constant time.
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from enum import StrEnum
from hmac import compare_digest

from fwknopd.spa import base64
from fwknopd.spa.errors import SpaError, SpaErrorCode

MAX_HMAC_KEY_LENGTH = 136
SALTED_PREFIX = b"U2FsdGVkX1"
"""Base64 of ``Salted__``, as far as it is the same in every packet; never on the wire."""

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class DigestType(StrEnum):
    """Hashes fwknop knows, for the digest and for the HMAC; values are hashlib names."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"
    SHA3_256 = "sha3_256"
    SHA3_512 = "sha3_512"

    @property
    def text_length(self) -> int:
        """Characters of its base64 text without padding."""
        return _TEXT_LENGTHS[self]


HmacType = DigestType

# To copy a state takes a tenth of the time OpenSSL takes to find the hash by its name.
_FRESH = {kind: hashlib.new(kind, usedforsecurity=False) for kind in DigestType}
_TEXT_LENGTHS = {kind: len(base64.encode(fresh.digest())) for kind, fresh in _FRESH.items()}
_BY_LENGTH = {
    length: tuple(kind for kind in DigestType if _TEXT_LENGTHS[kind] == length)
    for length in _TEXT_LENGTHS.values()
}


def digest_text(kind: DigestType, data: bytes) -> bytes:
    """Base64 text of the hash of ``data``, as it ends a plaintext."""
    return base64.encode(_hashed(kind, data).digest())


def _hashed(kind: DigestType, data: bytes) -> hashlib._Hash:
    state = _FRESH[kind].copy()
    state.update(data)
    return state


def verify_digest(data: bytes, digest: bytes) -> DigestType:
    """The type whose hash of ``data`` reads ``digest``.

    The type isn't transmitted: the length gives it, and where two types share a
    length SHA-2 is tried first. Raises `SpaError`.
    """
    kinds = _BY_LENGTH.get(len(digest))
    if kinds is None:
        raise SpaError(
            SpaErrorCode.INVALID_DIGEST_TYPE, f"no hash makes a digest of {len(digest)} characters"
        )
    for kind in kinds:
        if compare_digest(digest_text(kind, data), digest):
            return kind
    raise SpaError(
        SpaErrorCode.DIGEST_VERIFICATION_FAILED, "the message doesn't match its own digest"
    )


class Authenticator:
    """Makes and checks the MACs of one key: HMAC with the key already absorbed.

    A flood of junk costs one check per packet and stanza. So key and constant
    prefix are hashed once, here, and a check copies the two states.
    """

    __slots__ = ("_inner", "_outer", "mac_length")

    def __init__(self, hmac_type: DigestType, key: bytes, prefix: bytes = SALTED_PREFIX) -> None:
        """``prefix`` is the text a MAC covers although it isn't sent. Raises `SpaError`."""
        if len(key) > MAX_HMAC_KEY_LENGTH:
            raise SpaError(
                SpaErrorCode.INVALID_HMAC_KEY_LEN,
                f"an HMAC key may have {MAX_HMAC_KEY_LENGTH} bytes, this one has {len(key)}",
            )
        block_size = _FRESH[hmac_type].block_size
        if len(key) > block_size:
            key = _hashed(hmac_type, key).digest()
        key = key.ljust(block_size, b"\0")
        self._inner = _hashed(hmac_type, key.translate(_INNER) + prefix)
        self._outer = _hashed(hmac_type, key.translate(_OUTER))
        self.mac_length = hmac_type.text_length
        """Characters a MAC takes at the end of the wire text."""

    def tag(self, body: bytes) -> bytes:
        """The MAC text of ``body`` (the base64 text as sent, so without prefix)."""
        inner = self._inner.copy()
        inner.update(body)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return base64.encode(outer.digest())

    def verify(self, body: bytes, mac: bytes) -> bool:
        """True when ``mac`` is the MAC text of ``body``; takes as long wherever it differs."""
        return compare_digest(self.tag(body), mac)

    def matches(self, text: bytes) -> bool:
        """True when the wire text ends in its own MAC: the cheap first test of a stanza."""
        # As `tag` does it, written out: of all code this runs most often by far.
        length = self.mac_length
        inner = self._inner.copy()
        inner.update(text[:-length])
        outer = self._outer.copy()
        outer.update(inner.digest())
        mac = b2a_base64(outer.digest(), newline=False)[:length]
        return compare_digest(mac, text[-length:])
