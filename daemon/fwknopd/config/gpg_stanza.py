"""The GPG rules of one client from its directives. Behaviour notes 3.2.

A client knocks with GPG when GPG_DECRYPT_PW is set or GPG_ALLOW_NO_PW is Y, as in fwknopd.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fwknopd.config.directive import Directive, Findings
from fwknopd.config.file_text import encode_text
from fwknopd.config.settings import ServerSettings
from fwknopd.config.stanza_keys import NoKeys
from fwknopd.config.typed_values import TypedValue
from fwknopd.policy.gpg import GpgAccess, GpgHome, Origin
from fwknopd.policy.stanza import Stanza

Values = dict[str, TypedValue]

_SIGNERS = ("GPG_REMOTE_ID", "GPG_FINGERPRINT_ID")


def gpg_access(
    head: Directive, values: Values, settings: ServerSettings, findings: Findings
) -> GpgAccess | None:
    """The rules, or None for a client without a GPG key. ``head`` is named where one is missing.

    Raises NoKeys when signatures are to be checked and nobody may sign.
    """
    passphrase = _text(values, "GPG_DECRYPT_PW")
    if not passphrase and not _is_on(values, "GPG_ALLOW_NO_PW"):
        _check_unused(values, findings)
        return None
    access = GpgAccess(
        home=GpgHome(
            _text(values, "GPG_HOME_DIR") or settings.gpg_home_dir,
            _text(values, "GPG_EXE") or settings.gpg_exe,
        ),
        passphrase=encode_text(passphrase),
        decrypt_id=_text(values, "GPG_DECRYPT_ID"),
        check_signature=_checks_signature(values),
        ignore_verify_error=_is_on(values, "GPG_IGNORE_SIG_VERIFY_ERROR"),
        remote_ids=values["GPG_REMOTE_ID"].value if "GPG_REMOTE_ID" in values else None,
        fingerprints=_fingerprints(values),
        origins=_origins(head, values),
    )
    _check_signers(head, values, access, findings)
    return access


def with_defaults(
    stanzas: Iterable[Stanza], folder: str | None, program: str | None
) -> tuple[Stanza, ...]:
    """The clients with another key ring or gpg where they name none of their own.

    For what the command line says, which wins over fwknopd.conf and not over a client.
    """
    return tuple(_with_default(stanza, folder, program) for stanza in stanzas)


def _with_default(stanza: Stanza, folder: str | None, program: str | None) -> Stanza:
    access = stanza.gpg
    if access is None:
        return stanza
    home = access.home
    if folder and "GPG_HOME_DIR" not in access.origins:
        home = replace(home, folder=folder)
    if program and "GPG_EXE" not in access.origins:
        home = replace(home, program=program)
    return replace(stanza, gpg=replace(access, home=home))


def _text(values: Values, name: str) -> str:
    return str(values[name].value) if name in values else ""


def _is_on(values: Values, name: str) -> bool:
    return name in values and bool(values[name].value)


def _checks_signature(values: Values) -> bool:
    """GPG_REQUIRE_SIG N alone changes nothing; written as Y it wins over GPG_DISABLE_SIG."""
    return not _is_on(values, "GPG_DISABLE_SIG") or _is_on(values, "GPG_REQUIRE_SIG")


def _fingerprints(values: Values) -> frozenset[str] | None:
    return values["GPG_FINGERPRINT_ID"].value if "GPG_FINGERPRINT_ID" in values else None


def _origins(head: Directive, values: Values) -> dict[str, Origin]:
    places = [typed.place for typed in values.values() if typed.place.name.startswith("GPG_")]
    return {
        place.name: (place.file, place.line, place.section)
        for place in (*places, head)
        if place.value or place is head
    }


def _check_unused(values: Values, findings: Findings) -> None:
    for name in ("GPG_DECRYPT_ID", *_SIGNERS):
        if name in values:
            findings.warn(
                values[name].place,
                "it has no effect: this client has no GPG key",
                "Set GPG_DECRYPT_PW, or GPG_ALLOW_NO_PW Y for a key without a passphrase.",
            )


def _check_signers(head: Directive, values: Values, access: GpgAccess, findings: Findings) -> None:
    if not access.check_signature:
        if "HMAC_KEY" not in values and "HMAC_KEY_BASE64" not in values:
            findings.warn(
                values["GPG_DISABLE_SIG"].place,
                "whoever has the router's public GPG key can knock",
                "Set an HMAC key here and in the client, or have knocks signed.",
            )
        return
    if not any(name in values for name in _SIGNERS):
        raise NoKeys(
            head,
            "nobody is named who may sign its GPG knocks",
            "Set GPG_FINGERPRINT_ID to the fingerprint of the client's key (gpg --fingerprint), "
            "or GPG_DISABLE_SIG Y for unsigned knocks.",
        )
    for name in ("GPG_REQUIRE_SIG", "GPG_DISABLE_SIG"):
        if name in values and values[name].value is (name == "GPG_DISABLE_SIG"):
            findings.warn(
                values[name].place,
                "signatures are checked all the same",
                "To take unsigned knocks set GPG_DISABLE_SIG Y and leave GPG_REQUIRE_SIG out.",
            )
    if access.ignore_verify_error:
        findings.warn(
            values["GPG_IGNORE_SIG_VERIFY_ERROR"].place,
            "whoever has the router's public GPG key can knock, with any signature that names "
            "the client's key",
            "Set it to N, and have the key ring trust the client's key (gpg --lsign-key).",
        )
