"""A backup under a passphrase: BACKUP.md describes the format.

The only module of the web page that uses the crypto library, which costs megabytes: the page
lets a process of its own do it (sealing).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import unicodedata
from binascii import Error as Base64Error
from dataclasses import dataclass

MAGIC = b"fwknop-wrt backup "
VERSION = 1
MIN_PASSPHRASE, MAX_PASSPHRASE = 10, 1000

LOG2_N, BLOCK, PARALLEL = 15, 8, 1
"""scrypt costs: 32 MiB, a tenth of a second on a PC and a few seconds on a router."""

MAX_MEMORY = 64 << 20
MAX_PARALLEL = 4
_SALT, _NONCE = 16, 12

_HEADER = re.compile(
    rb"fwknop-wrt backup (?P<version>\d{1,4})\n"
    rb"scrypt (?P<n>\d{1,2}) (?P<r>\d{1,2}) (?P<p>\d) (?P<salt>[A-Za-z0-9+/=]{16,64})\n"
    rb"aes-256-gcm (?P<nonce>[A-Za-z0-9+/=]{16})\n"
)


class SealError(Exception):
    """It can't be opened. What doesn't depend on the passphrase is told, and nothing else."""


class NotThisFormat(SealError):
    """It is no backup this version can read."""


class WrongPassphrase(SealError):
    """The passphrase is wrong, or the file was changed: nobody can tell which."""


@dataclass(frozen=True, slots=True)
class _Costs:
    log2_n: int
    block: int
    parallel: int

    @property
    def memory(self) -> int:
        return 128 * self.block << self.log2_n

    @property
    def are_sane(self) -> bool:
        """A made-up file must not take all memory or all day."""
        # RFC 7914: N is less than 2 to the power of 16 times the block.
        sound = self.block >= 1 and 1 <= self.log2_n < 16 * self.block
        fits = sound and self.log2_n <= 20 and self.memory <= MAX_MEMORY
        return fits and 1 <= self.parallel <= MAX_PARALLEL


def is_sealed(data: bytes) -> bool:
    """Whether it claims to be a sealed backup, of whatever version."""
    return data.startswith(MAGIC)


def seal(content: bytes, passphrase: str) -> bytes:
    """The content under the passphrase."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    header = (
        f"fwknop-wrt backup {VERSION}\n"
        f"scrypt {LOG2_N} {BLOCK} {PARALLEL} {_text(salt)}\n"
        f"aes-256-gcm {_text(nonce)}\n"
    ).encode()
    key = _key(passphrase, salt, _Costs(LOG2_N, BLOCK, PARALLEL))
    return header + base64.encodebytes(AESGCM(key).encrypt(nonce, content, header))


def unseal(data: bytes, passphrase: str) -> bytes:
    """The content. Raises NotThisFormat, WrongPassphrase."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    header = _HEADER.match(data)
    if header is None or int(header["version"]) != VERSION:
        raise NotThisFormat
    costs = _Costs(int(header["n"]), int(header["r"]), int(header["p"]))
    try:
        salt, nonce = (base64.b64decode(header[name], validate=True) for name in ("salt", "nonce"))
        body = base64.b64decode(data[header.end() :].replace(b"\n", b""), validate=True)
    except Base64Error as error:
        raise NotThisFormat from error
    if not costs.are_sane or len(nonce) != _NONCE:
        raise NotThisFormat
    try:
        return AESGCM(_key(passphrase, salt, costs)).decrypt(nonce, body, header[0])
    except InvalidTag as error:
        raise WrongPassphrase from error


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _key(passphrase: str, salt: bytes, costs: _Costs) -> bytes:
    # The same letters can be written in several ways, and keyboards differ in which.
    normal = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(
        normal,
        salt=salt,
        n=1 << costs.log2_n,
        r=costs.block,
        p=costs.parallel,
        dklen=32,
        maxmem=costs.memory + (1 << 20) * costs.parallel,
    )
