"""`fwknopd --key-gen`: fresh keys in the C daemon's two lines."""

from __future__ import annotations

import base64
import os
import secrets

from fwknopd.options import Options
from fwknopd.spa.digest import DigestType

HMAC_KEY_LENGTHS = {
    DigestType.MD5: 16,
    DigestType.SHA1: 20,
    DigestType.SHA256: 64,
    DigestType.SHA384: 128,
    DigestType.SHA512: 128,
    DigestType.SHA3_256: 64,
    DigestType.SHA3_512: 64,
}
"""Bytes when --hmac-key-len is not given; the C daemon has no default for the SHA-3 types."""


class KeyGenError(Exception):
    """Keys can't be made or written; the text says why and what to do."""


def generated_keys(options: Options) -> str:
    """The two lines `KEY_BASE64: ...` and `HMAC_KEY_BASE64: ...`. Raises KeyGenError."""
    hmac_bytes = options.hmac_key_len or HMAC_KEY_LENGTHS[_hmac_type(options.hmac_digest_type)]
    return (
        f"KEY_BASE64: {_random_base64(options.key_len or 32)}\n"
        f"HMAC_KEY_BASE64: {_random_base64(hmac_bytes)}\n"
    )


def _hmac_type(name: str) -> DigestType:
    try:
        return DigestType(name.lower())
    except ValueError:
        known = ", ".join(DigestType)
        raise KeyGenError(f"--hmac-digest-type: {name!r} is not one of {known}") from None


def _random_base64(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode("ascii")


def write_key_file(path: str, text: str) -> None:
    """Write the keys, 0600, to a file that must not exist yet. Raises KeyGenError."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise KeyGenError(
            f"--key-gen-file {path}: {error.strerror}. Name a file that does not exist yet, "
            "in a folder this user may write to."
        ) from error
