"""Static files under names that carry their hash, so browsers may keep them for ever.

They are few and small: read once, compressed once, served from memory.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field

from fwknop_webui.data import data

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: what to send and under which name."""

    name: str
    content_type: str
    body: bytes = field(repr=False)
    compressed: bytes = field(repr=False)


class Assets:
    """All files of ``static/``."""

    def __init__(self) -> None:
        found = [_asset(name, body) for name, body in data().files("static").items()]
        self._by_hashed = {asset.name: asset for asset in found if asset}
        self._hashed = {asset.name.split("-", 1)[1]: asset.name for asset in found if asset}

    def hashed_name(self, name: str) -> str:
        """``ab12cd34-app.css`` for ``app.css``. Raises KeyError."""
        return self._hashed[name]

    def find(self, hashed_name: str) -> Asset | None:
        """The file of exactly that name and content, or None."""
        return self._by_hashed.get(hashed_name)


def _asset(name: str, body: bytes) -> Asset | None:
    content_type = TYPES.get("." + name.rpartition(".")[2])
    if content_type is None:
        return None
    digest = hashlib.sha256(body).hexdigest()[:16]
    # 31: the largest window, in gzip's own wrapping.
    return Asset(f"{digest}-{name}", content_type, body, zlib.compress(body, 9, 31))
