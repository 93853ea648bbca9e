"""The framing of an OpenPGP message (RFC 4880): to which keys it is encrypted, and what is sealed.

A message is a few packets that each hold the session key for one recipient, then one
packet with the encrypted data, up to the end. Nothing is decrypted here, so that junk is
told apart before a gpg is started for it.

Stricter than gpg where a message could be sent again with other framing: markers, trailing
packets, and data without a modification check are refused. What framing remains free
(length forms, further recipients) is no part of ``sealed``.
"""

from __future__ import annotations

from dataclasses import dataclass

from fwknopd.spa.errors import SpaError, SpaErrorCode

ANYBODY = "0" * 16
"""The key id of a recipient that the sender kept hidden."""

_SESSION = 1
_SEALED = {18: "integrity protected data", 20: "AEAD encrypted data"}
_MIN_SEALED = 41
"""Version, random prefix and modification check; what is shorter holds nothing."""

_RSA, _ELGAMAL, _ECDH = (1, 2), (16,), (18, 25, 26)
_MPIS = dict.fromkeys(_RSA, 1) | dict.fromkeys(_ELGAMAL, 2)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message for gpg. ``recipients`` are key ids, 16 hexadecimal digits in capitals.

    ``sealed`` is the encrypted data without any framing: nobody who can't decrypt it can
    change a bit of it and have it still open.
    """

    data: bytes
    recipients: tuple[str, ...]
    sealed: bytes


def parse_message(data: bytes) -> Envelope:
    """The framing of a whole message. Raises `SpaError` (GPGME_DECRYPT_FAILED)."""
    recipients: list[str] = []
    position = 0
    while True:
        kind, body, position = _packet(data, position)
        if kind != _SESSION:
            break
        recipients.append(_recipient(body))
    if not recipients:
        raise _refused("the message isn't encrypted to a key")
    if kind not in _SEALED or len(body) < _MIN_SEALED or body[0] != 1:
        raise _refused("what follows the session key is no encrypted data gpg would open")
    if position != len(data):
        raise _refused("there is something behind the encrypted data")
    return Envelope(data, tuple(recipients), body)


def was_cut(data: bytes) -> bool:
    """Is this a message whose first bytes were lost, because its key isn't a long RSA one?

    Clients leave out the first two base64 characters and servers put back those of a
    session key packet of 256 bytes and more. Others are shorter, and never arrive whole.
    """
    return len(data) > 11 and data[2] == 3 and data[11] in (*_RSA, *_ELGAMAL, *_ECDH)


def _refused(detail: str) -> SpaError:
    return SpaError(SpaErrorCode.GPGME_DECRYPT_FAILED, detail)


def _recipient(body: bytes) -> str:
    """The key id in a session key packet."""
    if len(body) < 10 or body[0] != 3:
        raise _refused("a session key is not of version 3")
    numbers = _MPIS.get(body[9])
    if numbers is not None:
        _check_numbers(body[10:], numbers)
    return body[1:9].hex().upper()


def _check_numbers(body: bytes, count: int) -> None:
    """``body`` is exactly so many multiprecision integers, none of them zero."""
    for _ in range(count):
        bits = int.from_bytes(body[:2])
        end = 2 + (bits + 7) // 8
        if not bits or end > len(body):
            raise _refused("a session key is cut off")
        body = body[end:]
    if body:
        raise _refused("a session key is longer than it says")


# Packets


def _packet(data: bytes, position: int) -> tuple[int, bytes, int]:
    """Kind (tag) and body of the packet at ``position``, and where the next one begins."""
    first = _bytes(data, position, 1)[0]
    if not first & 0x80:
        raise _refused("this is no OpenPGP message")
    if first & 0x40:
        body, end = _new_body(data, position + 1)
        return first & 0x3F, body, end
    width = 1 << (first & 3)
    if width == 8:
        raise _refused("a packet doesn't say how long it is")
    length = int.from_bytes(_bytes(data, position + 1, width))
    start = position + 1 + width
    return (first >> 2) & 0x0F, _bytes(data, start, length), start + length


def _new_body(data: bytes, position: int) -> tuple[bytes, int]:
    """The body behind a new-format length, put together if it comes in parts."""
    parts = []
    while True:
        length, position, partial = _new_length(data, position)
        parts.append(_bytes(data, position, length))
        position += length
        if not partial:
            return b"".join(parts), position


def _new_length(data: bytes, position: int) -> tuple[int, int, bool]:
    """Length, where what it counts begins, and whether another length follows that."""
    first = _bytes(data, position, 1)[0]
    if first < 192:
        return first, position + 1, False
    if first < 224:
        second = _bytes(data, position + 1, 1)[0]
        return ((first - 192) << 8) + second + 192, position + 2, False
    if first == 255:
        return int.from_bytes(_bytes(data, position + 1, 4)), position + 5, False
    return 1 << (first & 0x1F), position + 1, True


def _bytes(data: bytes, position: int, count: int) -> bytes:
    if position + count > len(data):
        raise _refused("the message is cut off")
    return data[position : position + count]
