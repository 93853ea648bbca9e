"""Key text: making keys, and reading them. Nothing here is logged or shown in a repr."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from hashlib import sha256

from fwknopd.spa.digest import DigestType

PLACEHOLDERS = frozenset({"__CHANGEME__", "CHANGEME"})
"""What stock configurations hold where a key belongs; known to the whole world."""

ENCRYPTION_KEY_LENGTH = 32
MAX_ENCRYPTION_KEY_LENGTH = 32
HMAC_KEY_LENGTHS = {
    DigestType.MD5: 16,
    DigestType.SHA1: 20,
    DigestType.SHA256: 64,
    DigestType.SHA384: 128,
    DigestType.SHA512: 128,
    DigestType.SHA3_256: 64,
    DigestType.SHA3_512: 64,
}
"""Bytes of a new HMAC key: what ``fwknopd --key-gen`` makes, which has no default for SHA-3."""


class KeyTextError(ValueError):
    """Text isn't a key: ``message`` says why, ``remedy`` what to do. Neither quotes the text."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}")
        self.message = message
        self.remedy = remedy


def generate_encryption_key() -> bytes:
    """32 fresh random bytes, as many as AES packets can use."""
    # Loaded for this alone: it brings half a MiB with it that no daemon needs.
    import secrets

    return secrets.token_bytes(ENCRYPTION_KEY_LENGTH)


def generate_token() -> str:
    """What a scraper of metrics shows: 32 random bytes as text."""
    import secrets

    return secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """What the configuration has of a token. It is random, so this gives nothing of it away."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def generate_hmac_key(hmac_type: DigestType = DigestType.SHA256) -> bytes:
    """Fresh random bytes, as many as the C programs make for this type."""
    import secrets

    return secrets.token_bytes(HMAC_KEY_LENGTHS[hmac_type])


def is_placeholder(text: str) -> bool:
    """True for what stands in stock configurations where a key belongs.

    As in the C daemon ``__CHANGEME__`` is none in small letters either.
    """
    plain = text.strip()
    return plain in PLACEHOLDERS or plain.upper() == "__CHANGEME__"


def encode_key_base64(key: bytes) -> str:
    """The key as KEY_BASE64 or HMAC_KEY_BASE64 holds it."""
    return b2a_base64(key, newline=False).decode("ascii")


def decode_key_base64(text: str) -> bytes:
    """The bytes of a KEY_BASE64 or HMAC_KEY_BASE64 value, padded in any way or not at all.

    How many ``=`` there are says nothing about the key, and the C programs don't count them.
    Raises `KeyTextError` for an empty value, a placeholder, and all that isn't
    standard base64.
    """
    _check_key_text(text)
    unpadded = text.rstrip("=")
    try:
        data = unpadded.encode("ascii") + b"=" * (-len(unpadded) % 4)
        key = a2b_base64(data, strict_mode=True)
    except (Base64Error, UnicodeEncodeError):
        key = b""
    if not key:
        raise KeyTextError(
            "The key is not base64: a character is wrong, or the value was cut",
            "Copy it again in full, or generate a new one; a passphrase belongs in KEY or"
            " HMAC_KEY instead.",
        )
    return key


def weaknesses(encryption_key: bytes, hmac_key: bytes | None) -> tuple[str, ...]:
    """Why people should not use these keys, one sentence each; empty when they may."""
    found = []
    for name, key in (("encryption", encryption_key), ("HMAC", hmac_key)):
        if key and len(set(key)) == 1:
            found.append(f"The {name} key is one character repeated. Generate a new one.")
    if hmac_key and hmac_key == encryption_key:
        found.append("Both keys are the same, so one gives away the other. Generate new ones.")
    if not hmac_key:
        found.append(
            "There is no HMAC key: packets are decrypted before anything shows who made them."
        )
    return tuple(found)


def _check_key_text(text: str) -> None:
    if not text:
        raise KeyTextError("The key is empty", "Generate one.")
    if is_placeholder(text):
        raise KeyTextError(
            "The key is the placeholder of the stock configuration", "Generate a real one."
        )
