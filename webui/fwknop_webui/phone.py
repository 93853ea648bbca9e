"""What a client needs to knock: the QR code's text, the rest by hand, and a .fwknoprc."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fwknop_webui.client_keys import key_bytes, key_fields
from fwknop_webui.i18n import _
from fwknop_webui.ports import split
from fwknopd.config.uci_format import UciSection
from fwknopd.keys import (
    ClientProfile,
    KeyFields,
    client_command,
    fwknoprc_stanza,
    qr_payload,
    qr_problems,
)
from fwknopd.spa.digest import DigestType
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys

UNKNOWN_SERVER = "router.example.net"
"""Stands in the texts until the router's own name is typed."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """A value to be typed into the app."""

    label: str
    value: str
    copy: bool = True


@dataclass(frozen=True, slots=True)
class Phone:
    """Everything the QR dialog shows."""

    payload: str = field(repr=False)
    server: str
    by_hand: tuple[ByHand, ...]
    steps: tuple[str, ...]
    warnings: tuple[str, ...]
    rc_stanza: str = field(repr=False)
    command: str

    @property
    def rc_parts(self) -> tuple[str, str, str]:
        """The stanza before, at and after the server's name, which the page can exchange."""
        before, name, after = self.rc_stanza.partition(f" {self.server or UNKNOWN_SERVER}\n")
        return before + " ", name.strip(), "\n" + after


def phone_of(section: UciSection, label: str, server: str, spa_port: int) -> Phone:
    """The dialog's content. Raises KeyTextError (a key is no key), ValueError (bad server)."""
    fields = key_fields(section)
    keys = _spa_keys(section, fields)
    ports = ",".join(split(section.get("OPEN_PORTS")))
    profile = ClientProfile(
        label=section.get("name") or label.replace("#", "client-"),
        server=server or UNKNOWN_SERVER,
        keys=keys,
        access=ports,
        port=spa_port,
    )
    return Phone(
        payload=qr_payload(fields),
        server=server,
        by_hand=_by_hand(section, keys, ports, spa_port),
        steps=_steps(),
        warnings=qr_problems(fields, keys.hmac_type, keys.mode),
        rc_stanza=fwknoprc_stanza(profile) + _user_line(section),
        command=client_command(profile),
    )


def _user_line(section: UciSection) -> str:
    user = section.get("REQUIRE_USERNAME")
    return f"{'SPOOF_USER':<19} {user}\n" if user.isprintable() and user else ""


def _spa_keys(section: UciSection, fields: KeyFields) -> SpaKeys:
    return SpaKeys(
        encryption_key=key_bytes(fields.key_base64, fields.key),
        hmac_key=key_bytes(fields.hmac_key_base64, fields.hmac_key),
        mode=_mode(section.get("ENCRYPTION_MODE")),
        hmac_type=_hmac_type(section.get("HMAC_DIGEST_TYPE")),
    )


def _mode(text: str) -> EncryptionMode:
    try:
        return EncryptionMode.from_text(text or "CBC")
    except ValueError:
        return EncryptionMode.CBC


def _hmac_type(text: str) -> DigestType:
    known: Mapping[str, DigestType] = {item.value: item for item in DigestType}
    return known.get(text.lower(), DigestType.SHA256)


def _by_hand(section: UciSection, keys: SpaKeys, ports: str, spa_port: int) -> tuple[ByHand, ...]:
    needs_address = section.get("REQUIRE_SOURCE_ADDRESS")[:1] in ("Y", "y")
    rows = [
        ByHand(_("SPA port"), str(spa_port)),
        ByHand(_("Ports to open"), ports or _("any, such as tcp/22"), copy=bool(ports)),
        ByHand(_("HMAC type"), keys.hmac_type.upper() if keys.hmac_key else _("none"), copy=False),
        ByHand(
            _("Allow IP"),
            _("Resolve IP") if needs_address else _("Resolve IP or Source IP"),
            copy=False,
        ),
    ]
    if section.get("REQUIRE_USERNAME"):
        rows.append(ByHand(_("User name"), section.get("REQUIRE_USERNAME")))
    return tuple(rows)


def _steps() -> tuple[str, ...]:
    return (
        _("Menu → New Config"),
        _("Menu → Capture QR, and point the camera at this code"),
        _("Type the values below"),
        _("Menu → Save Config"),
    )
