"""A knock made here with a client's own keys, to be explained and never sent."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from fwknopd.control.protocol import VerbError
from fwknopd.policy.packet import Packet
from fwknopd.policy.stanza import Stanza
from fwknopd.spa.errors import SpaError
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import encode

USER = "fwknopd-test"
ANYWHERE = "0.0.0.0"  # noqa: S104 - "the packet's source" in a packet, nothing binds
_TYPES = {
    (False, False): MessageType.ACCESS,
    (False, True): MessageType.CLIENT_TIMEOUT_ACCESS,
    (True, False): MessageType.NAT_ACCESS,
    (True, True): MessageType.CLIENT_TIMEOUT_NAT_ACCESS,
}


def rehearsed(stanzas: Sequence[Stanza], arguments: dict[str, Any], now: int) -> Packet:
    """The packet a client would send for the verb's ``arguments``. Raises VerbError."""
    stanza = next((s for s in stanzas if s.number == arguments["client"]), None)
    if stanza is None:
        raise VerbError("no-client", "there is no such client", "Look at the list of clients")
    try:
        source = ip_address(arguments["source"])
        allowed = ip_address(arguments.get("allow_ip", ANYWHERE))
    except ValueError as error:
        raise VerbError("bad-argument", str(error), "Give plain addresses") from None
    payload = _payload(stanza, arguments, f"{allowed},{arguments['access']}", now)
    return Packet(payload, source, ip_address(ANYWHERE), None, None, 17, "udp")


def _payload(stanza: Stanza, arguments: dict[str, Any], message: str, now: int) -> bytes:
    nat, timeout = arguments.get("nat"), arguments.get("timeout", 0)
    user = stanza.require_username or USER
    try:
        return encode(
            user=user,
            timestamp=now,
            rand="".join(secrets.choice("0123456789") for _ in range(16)),
            message_type=_TYPES[nat is not None, timeout > 0],
            message=message,
            nat_access=nat,
            client_timeout=timeout,
            keys=stanza.keys,
            salt=secrets.token_bytes(8),
        )
    except (SpaError, ValueError, TypeError) as error:
        detail = error.detail or str(error.code) if isinstance(error, SpaError) else "no usable key"
        raise VerbError(
            "no-knock",
            f"no program could make this knock: {detail}",
            "Write ports like tcp/22, and an inside host like 192.168.1.5,22",
        ) from None
