"""The keys of one stanza: which of several counts, and whether they can be used at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fwknopd.config.directive import Directive, Findings
from fwknopd.config.typed_values import TypedValue
from fwknopd.keys import (
    MAX_ENCRYPTION_KEY_LENGTH,
    is_placeholder,
)
from fwknopd.spa.digest import MAX_HMAC_KEY_LENGTH, DigestType
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys

ENCRYPTION_NAMES = ("KEY", "KEY_BASE64")
HMAC_NAMES = ("HMAC_KEY", "HMAC_KEY_BASE64")
KEY_NAMES = ENCRYPTION_NAMES + HMAC_NAMES
LEGACY_KEY_LENGTH = 16


class Unusable(Exception):
    """The stanza can't be used by anybody, though nothing in it is an error in itself."""

    def __init__(self, place: Directive, message: str, remedy: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message
        self.remedy = remedy


class NoKeys(Unusable):
    """There is no key, or only what stands in the place of one."""


@dataclass(frozen=True, slots=True)
class Placeholders:
    """Key directives that hold the stock placeholder, taken out of the stanza."""

    encryption: Directive | None
    hmac: Directive | None


def split_placeholders(
    directives: Iterable[Directive],
) -> tuple[list[Directive], Placeholders]:
    """The directives without placeholder keys (and without empty ones), and those."""
    kept: list[Directive] = []
    encryption = hmac = None
    for place in directives:
        if place.name not in KEY_NAMES or (place.value.strip() and not is_placeholder(place.value)):
            kept.append(place)
        elif place.name in ENCRYPTION_NAMES:
            encryption = place
        else:
            hmac = place
    return kept, Placeholders(encryption, hmac)


def build_keys(
    head: Directive,
    values: dict[str, TypedValue],
    placeholders: Placeholders,
    findings: Findings,
    *,
    gpg: bool,
) -> SpaKeys:
    """The keys. ``head`` is named where a key is missing. Raises Unusable.

    With ``gpg`` the client has a GPG key, and needs none for AES.
    """
    encryption = _chosen(values, ENCRYPTION_NAMES, findings)
    hmac = _chosen(values, HMAC_NAMES, findings)
    if encryption is None and not gpg:
        raise _no_key(head, placeholders.encryption)
    if hmac is None and placeholders.hmac is not None and placeholders.hmac.value.strip():
        # Without it the client's knocks would be taken unauthenticated: nobody asked for that.
        raise _no_key(head, placeholders.hmac)
    mode = EncryptionMode(values["ENCRYPTION_MODE"].value if "ENCRYPTION_MODE" in values else "CBC")
    hash_type = values["HMAC_DIGEST_TYPE"].value if "HMAC_DIGEST_TYPE" in values else "sha256"
    if hmac is not None:
        _check_hmac(hmac, encryption, findings)
    key = None if encryption is None else _aes_key(encryption, mode, gpg, findings)
    if key is None:
        mode = EncryptionMode.ASYMMETRIC
    return SpaKeys(key, hmac.value if hmac else None, mode, DigestType(hash_type))


def _chosen(
    values: dict[str, TypedValue], names: tuple[str, str], findings: Findings
) -> TypedValue | None:
    """The last one counts, as in fwknopd."""
    present = [typed for name, typed in values.items() if name in names]
    if len(present) == 2 and present[0].value != present[1].value:
        findings.warn(
            present[0].place,
            f"{present[1].place.name} is set as well and counts, because it comes later",
            "Delete the one the client does not use.",
        )
    return present[-1] if present else None


def _no_key(head: Directive, placeholder: Directive | None) -> NoKeys:
    if placeholder is None or not placeholder.value.strip():
        return NoKeys(head, "there is no key", "Generate keys for this client.")
    return NoKeys(
        placeholder,
        "this is the placeholder of the stock configuration, which everybody knows, and no key",
        "Generate keys for this client.",
    )


def _check_hmac(hmac: TypedValue, encryption: TypedValue | None, findings: Findings) -> None:
    if encryption is not None and hmac.value == encryption.value:
        findings.error(
            hmac.place, "it is the same as the encryption key", "Generate new keys for both."
        )
    _check_length(hmac, MAX_HMAC_KEY_LENGTH)


def _aes_key(
    encryption: TypedValue, mode: EncryptionMode, gpg: bool, findings: Findings
) -> bytes | None:
    """The key's bytes, as far as they count; None when the mode leaves no use for them."""
    key: bytes = encryption.value
    if mode is EncryptionMode.ASYMMETRIC:
        _check_asymmetric(encryption, gpg, findings)
        return None
    if mode is EncryptionMode.LEGACY:
        _check_legacy(encryption, findings)
        return key[:LEGACY_KEY_LENGTH]
    try:
        _check_length(encryption, MAX_ENCRYPTION_KEY_LENGTH)
    except Unusable as error:
        if not gpg:
            raise
        # The client can still knock with GPG.
        findings.warn(error.place, error.message, error.remedy)
        return None
    return key


def _check_asymmetric(encryption: TypedValue, gpg: bool, findings: Findings) -> None:
    if not gpg:
        raise Unusable(
            encryption.place,
            "ENCRYPTION_MODE Asymmetric is for GPG, and this client has no GPG key",
            "Use ENCRYPTION_MODE CBC here and in the client, or set GPG_DECRYPT_PW or "
            "GPG_ALLOW_NO_PW.",
        )
    findings.warn(
        encryption.place,
        "with ENCRYPTION_MODE Asymmetric it is not used, only the GPG key",
        "Delete the line ENCRYPTION_MODE to let the client use both.",
    )


def _check_legacy(encryption: TypedValue, findings: Findings) -> None:
    if len(encryption.value) > LEGACY_KEY_LENGTH:
        findings.warn(
            encryption.place,
            f"in legacy mode only the first {LEGACY_KEY_LENGTH} bytes of the key count",
            "Use ENCRYPTION_MODE CBC if the client can.",
        )


def _check_length(key: TypedValue, maximum: int) -> None:
    if len(key.value) > maximum:
        raise Unusable(
            key.place,
            f"the key has {len(key.value)} bytes; no client can use more than {maximum}",
            "Generate a new key.",
        )
