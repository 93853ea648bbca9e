"""Is this request meant for us, and does it come from our own pages? Pure checks.

A foreign Host header is DNS rebinding; a foreign Origin is another site's form.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

ALWAYS = frozenset({"127.0.0.1", "localhost", "::1"})


def host_name(header: str) -> str:
    """The host of a Host header: lower case, without port, brackets and final dot; "" if bad."""
    try:
        parts = urlsplit(f"//{header}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return ""
    if not name or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return ""
    return name.removesuffix(".")


def is_allowed(header: str, configured: Collection[str]) -> bool:
    """Whether the Host header names this machine."""
    name = host_name(header)
    return bool(name) and (name in ALWAYS or name in configured)


def is_address(header: str) -> bool:
    """Whether the Host header has an address instead of a name.

    Whoever sees that in the address bar is at this machine or a port forward to it: an
    address can't be made to point somewhere else afterwards, as a name can.
    """
    try:
        ip_address(host_name(header))
    except ValueError:
        return False
    return True


def is_same_origin(host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Whether a request that changes something comes from a page of ours.

    Browsers send at least one of the two headers with a POST. Where both are missing
    (old browsers, scripts) the CSRF token alone decides. Only host and port of the origin
    are compared: a TLS front leaves us with plain http.
    """
    if fetch_site is not None and fetch_site != "same-origin":
        return False
    if origin is None:
        return True
    try:
        netloc = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(netloc) and netloc.lower() == host.lower()


def is_local_path(target: str, prefix: str = "") -> bool:
    """Whether ``target`` may be redirected to: a path on this very site, under ``prefix``."""
    if not target.startswith(prefix + "/") or not target.isascii() or not target.isprintable():
        return False
    # Browsers read \ as / and //host as another site.
    return "\\" not in target and not target.startswith("//") and "//" not in target.split("?")[0]
