"""The directives of an access stanza about GPG keys."""

from __future__ import annotations

from fwknopd.config.variable import Kind, Variable, access

GPG = "GPG"

DEFAULT_HOME = "/root/.gnupg"
DEFAULT_PROGRAM = "/usr/bin/gpg"

GPG_VARIABLES: tuple[Variable, ...] = (
    access(
        "GPG_HOME_DIR",
        Kind.PATH,
        "The folder with the GPG key ring: the router's secret key and the client's public one. "
        "Empty: the one of the server settings.",
        GPG,
        example="/root/.gnupg",
    ),
    access(
        "GPG_EXE",
        Kind.PATH,
        "The gpg program. Empty: the one of the server settings.",
        GPG,
        example="/usr/bin/gpg",
    ),
    access(
        "GPG_DECRYPT_ID",
        Kind.TEXT,
        "The router's own GPG key, RSA or Elgamal. Knocks to any secret key of the ring are "
        "opened; this one is looked for when the settings are loaded.",
        GPG,
        example="38526D48",
    ),
    access(
        "GPG_DECRYPT_PW",
        Kind.TEXT,
        "The passphrase of the router's GPG key.",
        GPG,
        example="the passphrase",
        secret=True,
    ),
    access(
        "GPG_ALLOW_NO_PW",
        Kind.BOOLEAN,
        "The router's GPG key has no passphrase.",
        GPG,
        default=False,
        example="Y",
    ),
    access(
        "GPG_REQUIRE_SIG",
        Kind.BOOLEAN,
        "Knocks must be signed. Only GPG_DISABLE_SIG switches that off.",
        GPG,
        default=True,
        example="Y",
    ),
    access(
        "GPG_DISABLE_SIG",
        Kind.BOOLEAN,
        "Take unsigned knocks. Whoever has the router's public key can then make one, unless "
        "there is an HMAC key.",
        GPG,
        default=False,
        example="N",
    ),
    access(
        "GPG_IGNORE_SIG_VERIFY_ERROR",
        Kind.BOOLEAN,
        "Take signatures that are wrong, expired or not trusted: only whose they claim to be "
        "is looked at.",
        GPG,
        default=False,
        example="N",
    ),
    access(
        "GPG_REMOTE_ID",
        Kind.GPG_IDS,
        "The keys that may sign this client's knocks: of each the last 8 digits of its "
        "fingerprint, in capitals.",
        GPG,
        minimum=8,
        example="BF48D714, 002A22BD",
    ),
    access(
        "GPG_FINGERPRINT_ID",
        Kind.GPG_IDS,
        "The same with whole fingerprints, which nobody can imitate. If both are set, both "
        "must fit.",
        GPG,
        minimum=40,
        example="2B96E334758435CBE9ADF4C321176169BF48D714",
    ),
)
