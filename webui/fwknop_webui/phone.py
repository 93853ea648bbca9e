"""What a client needs to knock: the QR code's text, the rest by hand, and a .fwknoprc."""

from __future__ import annotations

from dataclasses import dataclass, field

from fwknop_webui.client_keys import key_fields
from fwknop_webui.daemon_words import in_words
from fwknop_webui.i18n import _
from fwknop_webui.ports import split
from fwknopd.config.directive import Findings
from fwknopd.config.settings import ServerSettings
from fwknopd.config.uci_config import stanza_from_section
from fwknopd.config.uci_format import UciSection
from fwknopd.key_handing import (
    ClientProfile,
    android_fields,
    client_command,
    fwknoprc_stanza,
    qr_payload,
    qr_problems,
)

UNKNOWN_SERVER = "router.example.net"
"""Stands in the texts until the router's own name is typed."""


class NotUsable(Exception):
    """The client can't knock as it is; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """A value to be typed into the app."""

    label: str
    value: str
    copy: bool = True


@dataclass(frozen=True, slots=True)
class Phone:
    """Everything the QR dialog shows.

    ``converted``: options whose keys the code holds in another way of writing than the file.
    """

    payload: str = field(repr=False)
    server: str
    converted: tuple[str, ...]
    by_hand: tuple[ByHand, ...]
    steps: tuple[str, ...]
    warnings: tuple[str, ...]
    rc_stanza: str = field(repr=False)
    command: str

    @property
    def rc_parts(self) -> tuple[str, str, str]:
        """The stanza before, at and after the server's name, which the page can exchange."""
        name = self.server or UNKNOWN_SERVER
        before, _name, after = self.rc_stanza.partition(f" {name}\n")
        return f"{before} ", name, f"\n{after}"


def phone_of(section: UciSection, label: str, server: str, spa_port: int) -> Phone:
    """The dialog's content. Raises NotUsable, and ValueError when ``server`` is no host."""
    profile, rules = _read(section, label, server or UNKNOWN_SERVER, spa_port)
    stored, keys = key_fields(section), profile.keys
    if not any((stored.key, stored.key_base64, stored.hmac_key, stored.hmac_key_base64)):
        raise NotUsable(_gpg_keys())
    gpg = (_gpg_keys(),) if keys.encryption_key is None else ()
    fields, converted = android_fields(stored)
    hmac_type = keys.hmac_type.upper() if keys.hmac_key else _("none")
    return Phone(
        payload=qr_payload(fields),
        server=server,
        converted=converted,
        by_hand=_by_hand(profile, rules, hmac_type),
        steps=_steps(),
        warnings=(*gpg, *_server_warning(server), *qr_problems(fields, keys.hmac_type, keys.mode)),
        rc_stanza=fwknoprc_stanza(profile) + _user_line(rules.user),
        command=client_command(profile),
    )


def _gpg_keys() -> str:
    return _(
        "This client knocks with GPG. Its keys are in key rings, and no code holds those: export "
        "the router's public key (gpg --export) and import it where the client runs."
    )


def _server_warning(server: str) -> tuple[str, ...]:
    if not server or "." in server:
        return ()
    return (_("The app takes only names with a dot. The fwknop program takes this one, too."),)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the client must heed besides its keys."""

    user: str
    needs_address: bool


def _read(
    section: UciSection, label: str, server: str, spa_port: int
) -> tuple[ClientProfile, _Rules]:
    """The client as the daemon reads it, whatever the rest of the file is like."""
    findings = Findings()
    settings = ServerSettings(enable_ipt_forwarding=True)
    stanza = stanza_from_section(section, 1, "", settings, findings)
    if stanza is None:
        problems = findings.problems()
        found = (f"{p.option}: {in_words(p.message)}. {in_words(p.remedy)}" for p in problems)
        raise NotUsable(" ".join(found))
    profile = ClientProfile(
        label=label.replace("#", "client-"),
        server=server,
        keys=stanza.keys,
        access=",".join(str(port) for port in sorted(stanza.open_ports or ())),
        port=spa_port,
        gpg_recipient=section.get("GPG_DECRYPT_ID"),
    )
    return profile, _Rules(stanza.require_username or "", stanza.require_source_address)


def _user_line(user: str) -> str:
    return f"{'SPOOF_USER':<19} {user}\n" if user and user.isprintable() else ""


def _by_hand(profile: ClientProfile, rules: _Rules, hmac_type: str) -> tuple[ByHand, ...]:
    ports = ", ".join(split(profile.access))
    address = _("Resolve IP") if rules.needs_address else _("Resolve IP or Source IP")
    rows = (
        ByHand(_("SPA port"), str(profile.port)),
        ByHand(_("Ports to open"), ports or _("any, such as tcp/22"), copy=bool(ports)),
        ByHand(_("HMAC type"), hmac_type, copy=bool(profile.keys.hmac_key)),
        ByHand(_("Allow IP"), address, copy=False),
    )
    return (*rows, ByHand(_("User name"), rules.user)) if rules.user else rows


def _steps() -> tuple[str, ...]:
    return (
        _("Menu → New Config"),
        _("Menu → Capture QR, and point the camera at this code"),
        _("Type the values below"),
        _("Menu → Save Config"),
    )
