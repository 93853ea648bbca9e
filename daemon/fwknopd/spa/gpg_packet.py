"""GPG packets: from wire text to the OpenPGP message in it, and from gpg's report to the knock.

In between gpg runs, which is not this package's business. What is checked before is all
that can be had without a private key: length, MAC, spelling and framing.
"""

from __future__ import annotations

import hashlib

from fwknopd.spa import base64
from fwknopd.spa.digest import Authenticator
from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.mode import EncryptionGuess, EncryptionMode
from fwknopd.spa.openpgp import Envelope, parse_message, was_cut
from fwknopd.spa.packet import (
    MIN_GPG_TEXT,
    SpaKeys,
    WireText,
    authentic_text,
    counted_length,
)


def gpg_keys(keys: SpaKeys) -> SpaKeys:
    """What a stanza's MACs are checked by when its packets are GPG's."""
    return SpaKeys(None, keys.hmac_key, EncryptionMode.ASYMMETRIC, keys.hmac_type)


def open_wire(
    wire: WireText, keys: SpaKeys, authenticator: Authenticator | None = None
) -> Envelope:
    """The OpenPGP message in a packet, once its MAC is right. Raises `SpaError`.

    ``keys`` are those of `gpg_keys`, ``authenticator`` what they made.
    """
    if wire.encryption_guess is not EncryptionGuess.GPG:
        raise SpaError(
            SpaErrorCode.NO_ENCRYPTION_TYPE_MATCH,
            f"{len(wire.text)} characters are too few: GPG packets have {MIN_GPG_TEXT} or more",
        )
    full = authentic_text(wire, keys, authenticator)
    if counted_length(full, keys) < MIN_GPG_TEXT:
        # libfko takes it for AES then, which it isn't.
        raise SpaError(
            SpaErrorCode.ENCRYPT_CIPHERLEN_VALIDFAIL,
            f"without its MAC it is shorter than the {MIN_GPG_TEXT} characters of GPG packets",
        )
    envelope = _envelope(_message_bytes(full))
    if base64.encode(envelope.data) != full:
        raise SpaError(
            SpaErrorCode.STRICT_BASE64, "the packet's base64 isn't the one a client makes"
        )
    return envelope


def sealed_key(envelope: Envelope) -> bytes:
    """32 bytes that name the packet for the replay cache, however it is framed and spelled."""
    return hashlib.sha256(envelope.sealed).digest()


def _envelope(data: bytes) -> Envelope:
    try:
        return parse_message(data)
    except SpaError as error:
        if not was_cut(data):
            raise
        raise SpaError(
            error.code,
            "the packet was made for a kind of key whose packets lose their beginning on the "
            "way: the server's key must be RSA of 2048 bits or more, or Elgamal",
        ) from None


def _message_bytes(full: bytes) -> bytes:
    try:
        return base64.decode_lenient(full)
    except ValueError:
        raise SpaError(SpaErrorCode.ENCODE_NOTBASE64, "not base64") from None
