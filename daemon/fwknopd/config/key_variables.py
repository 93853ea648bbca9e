"""The directives of an access stanza about its keys and how they are used."""

from __future__ import annotations

from fwknopd.config.variable import Kind, Variable, access

KEYS = "Keys"

KEY_VARIABLES: tuple[Variable, ...] = (
    access(
        "KEY_BASE64",
        Kind.KEY_BASE64,
        "The encryption key as generated keys are written. The same key goes into the client.",
        KEYS,
        maximum=32,
        unit="bytes",
        secret=True,
    ),
    access(
        "KEY",
        Kind.KEY_TEXT,
        "The encryption key as a password. A generated key is safer.",
        KEYS,
        maximum=32,
        unit="bytes",
        secret=True,
    ),
    access(
        "HMAC_KEY_BASE64",
        Kind.KEY_BASE64,
        "The second key, which proves that a knock is genuine before it is decrypted. Empty: "
        "knocks carry no such proof, which is weaker.",
        KEYS,
        maximum=136,
        unit="bytes",
        secret=True,
    ),
    access(
        "HMAC_KEY",
        Kind.KEY_TEXT,
        "The second key as a password. A generated key is safer.",
        KEYS,
        maximum=136,
        unit="bytes",
        secret=True,
    ),
    access(
        "HMAC_DIGEST_TYPE",
        Kind.CHOICE,
        "The hash used with the second key. Must be the same in the client.",
        KEYS,
        default="sha256",
        choices=("md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "sha3_512"),
        example="sha256",
    ),
    access(
        "ENCRYPTION_MODE",
        Kind.CHOICE,
        "How knocks are encrypted. legacy is for clients older than fwknop 2.5.",
        KEYS,
        default="CBC",
        choices=("CBC", "ECB", "CFB", "OFB", "CTR", "Asymmetric", "legacy"),
        example="CBC",
    ),
)
