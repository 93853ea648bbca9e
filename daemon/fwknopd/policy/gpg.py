"""GPG in a client's rules: which key ring opens its knocks, who must have signed them.

Only the rules, which the web page reads too; what gpg is asked stands in `gpg_questions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Origin = tuple[str, int | None, str]
"""File, line and UCI section where a setting was written, for what is said of it later."""

NOWHERE: Origin = ("", None, "")

SHORT_ID = 8
"""Digits of a fingerprint's end that GPG_REMOTE_ID holds."""


@dataclass(frozen=True, slots=True)
class GpgHome:
    """A key ring: the folder (GPG_HOME_DIR) and the gpg program that reads it (GPG_EXE)."""

    folder: str
    program: str


@dataclass(frozen=True, slots=True)
class GpgAccess:
    """One client's GPG rules; the names are access.conf's.

    ``check_signature``: neither GPG_DISABLE_SIG alone nor anything else switched it off.
    ``remote_ids`` and ``fingerprints`` are compared as they are written; None is unset.
    ``origins`` says by directive where it was written.
    """

    home: GpgHome
    passphrase: bytes = field(default=b"", repr=False)
    decrypt_id: str = ""
    check_signature: bool = True
    ignore_verify_error: bool = False
    remote_ids: frozenset[str] | None = None
    fingerprints: frozenset[str] | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, repr=False)

    @property
    def identity(self) -> bytes:
        """What makes this client another one when it changes."""
        signers = sorted(self.remote_ids or ()), sorted(self.fingerprints or ())
        return repr((self.home, self.decrypt_id, self.check_signature, signers)).encode()


def unlisted(signer: str, access: GpgAccess) -> str:
    """Why this signer isn't one of the client's, in the C daemon's words; "" when it is."""
    short = signer[-SHORT_ID:]
    if access.fingerprints is not None and signer not in access.fingerprints:
        return (
            f"Incoming SPA packet signed by: {signer}, but that fingerprint is not in the "
            "GPG_FINGERPRINT_ID list."
        )
    if access.remote_ids is not None and short not in access.remote_ids:
        return (
            f"Incoming SPA packet signed by ID: {short}, but that ID is not in the "
            "GPG_REMOTE_ID list."
        )
    return ""
