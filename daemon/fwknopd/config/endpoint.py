"""Where a server is: an address and a port."""

import re
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from fwknopd.config.invalid import InvalidValue, shown
from fwknopd.policy.stanza import Address

SYSLOG_PORT = 514
"""Of syslog over UDP, RFC 5426 section 3.3."""

_MAX_PORT = 65535
_FORM = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?")


class Endpoint(NamedTuple):
    """An address and a port."""

    address: Address
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if isinstance(self.address, IPv6Address) else self.address
        return f"{host}:{self.port}"


def parse_endpoint(text: str, example: str) -> Endpoint:
    """``ADDRESS``, ``ADDRESS:PORT`` or ``[IPV6]:PORT``. Raises InvalidValue.

    No names: to look one up may take seconds, in which no knock would be judged.
    """
    found = _FORM.fullmatch(text)
    try:
        if found is None or "%" in text:
            # An IPv6 address may stand alone without brackets; but none of one cable.
            return Endpoint(IPv6Address(text.replace("%", "/")), SYSLOG_PORT)
        address = ip_address(found["four"] or found["six"])
    except ValueError:
        raise _invalid(text, "no address (names are not possible)", example) from None
    if found["six"] and not isinstance(address, IPv6Address):
        raise _invalid(text, "no IPv6 address, which the brackets are for", example)
    port = int(found["port"] or SYSLOG_PORT)
    if not 1 <= port <= _MAX_PORT:
        raise _invalid(text, "no port from 1 to 65535", example)
    return Endpoint(address, port)


def _invalid(text: str, what: str, example: str) -> InvalidValue:
    return InvalidValue(f"{shown(text)} has {what}", f"Write an address and a port: {example}.")
