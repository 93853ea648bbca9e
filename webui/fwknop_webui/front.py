"""The web server in front of the page, on a router."""

from __future__ import annotations

from dataclasses import dataclass

FRONT = "fwknop.front"
"""The key of the request's Front in its WSGI environment."""


@dataclass(frozen=True, slots=True)
class Front:
    """The web server a request came through, as it can be asked again: uhttpd's own port."""

    host: str
    port: int
    tls: bool
