"""OpenPGP messages made by hand: what no gpg would make, and the same message in other framing.

Only what tests need: one RSA recipient, AES-256, data with a modification check.
"""

from __future__ import annotations

import hashlib
import os
import struct
import warnings

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

with warnings.catch_warnings():
    # It is moving to the corner for obsolete ciphers.
    warnings.simplefilter("ignore")
    from cryptography.hazmat.primitives.ciphers.modes import CFB

AES256 = 9


def new_packet(kind: int, body: bytes) -> bytes:
    """A packet with a new-format header."""
    return bytes([0xC0 | kind]) + new_length(len(body)) + body


def new_length(count: int) -> bytes:
    """A length in as few bytes as it needs."""
    if count < 192:
        return bytes([count])
    if count < 8384:
        return bytes([((count - 192) >> 8) + 192, (count - 192) & 0xFF])
    return b"\xff" + struct.pack("!I", count)


def long_packet(kind: int, body: bytes) -> bytes:
    """A packet with a five-byte length, however short it is."""
    return bytes([0xC0 | kind, 0xFF]) + struct.pack("!I", len(body)) + body


def parted_packet(kind: int, body: bytes, first: int = 9) -> bytes:
    """A packet whose body begins with a part of ``2**first`` bytes."""
    count = 1 << first
    rest = body[count:]
    return bytes([0xC0 | kind, 0xE0 | first]) + body[:count] + new_length(len(rest)) + rest


def session_packet(key_id: str, number: bytes, algorithm: int = 1) -> bytes:
    """An encrypted session key, as clients begin a message with."""
    body = b"\x03" + bytes.fromhex(key_id) + bytes([algorithm]) + number
    return b"\x85" + struct.pack("!H", len(body)) + body


def number(value: int) -> bytes:
    """A multiprecision integer."""
    return struct.pack("!H", value.bit_length()) + value.to_bytes((value.bit_length() + 7) // 8)


def sealed_for(exported: bytes, inner: bytes) -> tuple[str, bytes, bytes]:
    """Key id, session key as a number, and the body of the data packet, for an exported key.

    ``inner`` is what gpg finds when it has decrypted: packets.
    """
    key_id, public = _encryption_key(exported)
    session = os.urandom(32)
    secret = bytes([AES256]) + session + struct.pack("!H", sum(session) & 0xFFFF)
    start = os.urandom(16)
    text = start + start[-2:] + inner + b"\xd3\x14"
    text += hashlib.sha1(text, usedforsecurity=False).digest()
    cipher = Cipher(algorithms.AES(session), CFB(bytes(16))).encryptor()
    sealed = int.from_bytes(public.encrypt(secret, PKCS1v15()))
    return key_id, number(sealed), b"\x01" + cipher.update(text)


def _encryption_key(exported: bytes) -> tuple[str, RSAPublicKey]:
    """Id and key of the last subkey of an exported RSA key, by old-format packets."""
    position, found = 0, b""
    while position < len(exported):
        first, width = exported[position], 1 << (exported[position] & 3)
        start = position + 1 + width
        length = int.from_bytes(exported[position + 1 : start])
        if (first >> 2) & 15 == 14:
            found = exported[start : start + length]
        position = start + length
    modulus_end = 8 + (int.from_bytes(found[6:8]) + 7) // 8
    modulus = int.from_bytes(found[8:modulus_end])
    exponent = int.from_bytes(found[modulus_end + 2 :])
    hashed = b"\x99" + struct.pack("!H", len(found)) + found
    fingerprint = hashlib.sha1(hashed, usedforsecurity=False).hexdigest()
    return fingerprint[-16:].upper(), RSAPublicNumbers(exponent, modulus).public_key()
