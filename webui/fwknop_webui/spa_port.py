"""The port clients knock on, as one number.

fwknopd has it in two places: inside the capture filter, and as the port of the UDP socket.
People think of one port, so the form shows one, as long as the filter is of the plain kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fwknop_webui.i18n import _
from fwknopd.key_handing import DEFAULT_SPA_PORT

_PLAIN = re.compile(r"\s*udp\s+(?:dst\s+)?port\s+([0-9]{1,5})\s*")


@dataclass(frozen=True, slots=True)
class PortOptions:
    """The three options that decide it, as stored; "" where unset."""

    pcap_filter: str
    udp_port: str
    udp_server: bool

    @property
    def filter_port(self) -> int | None:
        """The port in the filter; None for a filter of another kind."""
        if not self.pcap_filter:
            return DEFAULT_SPA_PORT
        match = _PLAIN.fullmatch(self.pcap_filter)
        return int(match[1]) if match else None

    @property
    def is_plain(self) -> bool:
        """Whether one number says it all."""
        return self.udp_server or self.filter_port is not None

    @property
    def port(self) -> int:
        """The port to tell clients."""
        if self.udp_server and _is_short_number(self.udp_port):
            return int(self.udp_port)
        return (None if self.udp_server else self.filter_port) or DEFAULT_SPA_PORT

    def changes(self, wanted: int, udp_server: bool) -> Iterator[tuple[str, str]]:
        """Options to set, with "" for those to delete, so that clients knock on ``wanted``."""
        if self.filter_port not in (None, wanted):
            yield "PCAP_FILTER", "" if wanted == DEFAULT_SPA_PORT else f"udp port {wanted}"
        if udp_server and PortOptions("", self.udp_port, True).port != wanted:
            yield "UDPSERV_PORT", "" if wanted == DEFAULT_SPA_PORT else str(wanted)


def _is_short_number(text: str) -> bool:
    # The length first: int() refuses numbers of thousands of digits.
    return len(text) <= 5 and text.isascii() and text.isdigit()


def port_fault(typed: str) -> str:
    """What is wrong with a typed port; "" when nothing is."""
    if _is_short_number(typed) and 1 <= int(typed) <= 65535:
        return ""
    return _("Expecting: a port number from 1 to 65535, such as 62201.")
