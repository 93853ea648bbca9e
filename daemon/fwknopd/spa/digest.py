"""Hash types of the plaintext digest and of the HMAC."""

from __future__ import annotations

from enum import StrEnum


class DigestType(StrEnum):
    """Hashes fwknop knows, for the digest and for the HMAC; values are hashlib names."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"
    SHA3_256 = "sha3_256"
    SHA3_512 = "sha3_512"


HmacType = DigestType
