"""`fwknopd --key-gen`: fresh keys in the C daemon's two lines."""

from __future__ import annotations

import os
import secrets
import sys

from fwknopd.keys import ENCRYPTION_KEY_LENGTH, HMAC_KEY_LENGTHS, encode_key_base64
from fwknopd.options import Options
from fwknopd.spa.digest import DigestType


class KeyGenError(Exception):
    """Keys can't be made or written; the text says why and what to do."""


def print_keys(options: Options) -> int:
    """Print fresh keys, or write them to the file asked for; the exit code."""
    try:
        text = generated_keys(options)
        if options.key_gen_file is None:
            sys.stdout.write(text)
        else:
            write_key_file(options.key_gen_file, text)
            print(f"[+] Wrote Rijndael and HMAC keys to: {options.key_gen_file}")
    except KeyGenError as error:
        print(f"fwknopd: {error}", file=sys.stderr)
        return 1
    return 0


def generated_keys(options: Options) -> str:
    """The two lines `KEY_BASE64: ...` and `HMAC_KEY_BASE64: ...`. Raises KeyGenError."""
    hmac_bytes = options.hmac_key_len or HMAC_KEY_LENGTHS[_hmac_type(options.hmac_digest_type)]
    key = secrets.token_bytes(options.key_len or ENCRYPTION_KEY_LENGTH)
    hmac_key = secrets.token_bytes(hmac_bytes)
    return f"KEY_BASE64: {encode_key_base64(key)}\nHMAC_KEY_BASE64: {encode_key_base64(hmac_key)}\n"


def _hmac_type(name: str) -> DigestType:
    try:
        return DigestType(name.lower())
    except ValueError:
        known = ", ".join(DigestType)
        raise KeyGenError(f"--hmac-digest-type: {name!r} is not one of {known}") from None


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
