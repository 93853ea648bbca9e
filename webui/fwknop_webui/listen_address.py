"""An address to listen at, as people write it: HOST:PORT, IPv6 in brackets."""

from __future__ import annotations

import re

_HOST = re.compile(r"[A-Za-z0-9._:%-]+")


def listen_address(text: str) -> tuple[str, int]:
    """Host and port. Raises ValueError."""
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    digits = port.isascii() and port.isdigit() and len(port) <= 5
    if not (separator and digits and int(port) <= 65535 and _HOST.fullmatch(host)):
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host, int(port)
