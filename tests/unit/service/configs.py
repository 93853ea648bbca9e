"""Texts of configuration files, and the keys in them."""

from __future__ import annotations

import base64

from fwknopd.spa.packet import SpaKeys

PHONE = SpaKeys(b"e" * 31 + b"x", b"h" * 63 + b"y")
LAPTOP = SpaKeys(b"f" * 31 + b"x", b"g" * 63 + b"y")


def stanza(keys: SpaKeys = PHONE, *lines: str) -> str:
    """A stanza of access.conf."""
    return "".join(
        f"{line}\n"
        for line in (
            "SOURCE ANY",
            f"KEY_BASE64 {_base64(keys.encryption_key)}",
            f"HMAC_KEY_BASE64 {_base64(keys.hmac_key)}",
            "OPEN_PORTS tcp/22",
            "FW_ACCESS_TIMEOUT 30",
            *lines,
        )
    )


def uci_client(name: str, keys: SpaKeys = PHONE, *options: str) -> str:
    """An ``access`` section."""
    pairs = [
        *(("name", name), ("SOURCE", "ANY"), ("OPEN_PORTS", "tcp/22")),
        ("KEY_BASE64", _base64(keys.encryption_key)),
        ("HMAC_KEY_BASE64", _base64(keys.hmac_key)),
    ]
    lines = [f"\toption {name} '{value}'" for name, value in pairs]
    return "config access\n" + "\n".join([*lines, *(f"\toption {o}" for o in options)]) + "\n"


def uci_network(names: str) -> str:
    """The section that says which networks are captured on."""
    return f"config network\n\toption network '{names}'\n"


def _base64(key: bytes | None) -> str:
    return base64.b64encode(key or b"").decode()
