"""GPG knocks for tests of what is decided around gpg: framed rightly, answered by hand."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Any

from fwknopd.policy.gpg import GpgAccess, GpgHome
from fwknopd.policy.stanza import Stanza
from fwknopd.spa import base64
from fwknopd.spa.gpg_packet import gpg_keys
from fwknopd.spa.gpg_report import Report, Signature
from fwknopd.spa.message import MessageType, build_plaintext
from fwknopd.spa.packet import GPG_PREFIX, SpaKeys
from tests.interop.openpgp_packets import new_packet, number, session_packet
from tests.unit.policy.knocks import NOW

HOME = GpgHome("/root/.gnupg", "/usr/bin/gpg")
ROUTER_KEY = "287DD901FE89BD70"
ANNA = "2B96E334758435CBE9ADF4C321176169BF48D714"
STRANGER = "E0BF30701C7BE867F9C4E9CCEAF3CAB4002A22BD"

_bodies = count(1)


def gpg_client(name: str = "anna", key: int = 1, *, hmac: bool = True, **options: Any) -> Stanza:
    """A client who knocks with GPG and signs as ANNA; ``access`` changes its GPG rules."""
    access = {"home": HOME, "fingerprints": frozenset({ANNA})} | options.pop("access", {})
    secret = hashlib.sha256(name.encode()).digest() if hmac else None
    return Stanza(
        **{
            "number": key,
            "name": name,
            "keys": gpg_keys(SpaKeys(None, secret)),
            "gpg": GpgAccess(**access),
            **options,
        }
    )


def sealed() -> bytes:
    """Encrypted data that was never there before."""
    return b"\x01" + next(_bodies).to_bytes(4) * 90


def gpg_packet(client: Stanza, body: bytes = b"", recipient: str = ROUTER_KEY) -> bytes:
    """A packet that this client could have sent; what is in it, only gpg can tell."""
    start = session_packet(recipient, number(1 << 2047))
    return on_the_wire(client, start + new_packet(18, body or sealed()))


def on_the_wire(client: Stanza, message: bytes) -> bytes:
    """An OpenPGP message as the client sends it."""
    text = base64.encode(message).removeprefix(GPG_PREFIX)
    authenticator = gpg_keys(client.keys).authenticator()
    return text + (authenticator.tag(text) if authenticator else b"")


def opened(
    message: str = "203.0.113.5,tcp/22",
    signer: str | None = ANNA,
    *,
    fault: str = "",
    trusted: bool = True,
    timestamp: int = NOW,
) -> Report:
    """gpg's report of a packet with this request."""
    text = build_plaintext(
        rand="1234567890123456",
        user="anna",
        timestamp=timestamp,
        message_type=MessageType.ACCESS,
        message=message.encode(),
    )
    return Report(text, Signature(signer, fault, trusted) if signer else None)
