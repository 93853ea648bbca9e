"""The recorded SPA packets of tests/data/spa as typed values.

Each was made or judged by the real fwknop client, libfko and fwknopd 2.6.10.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from fwknopd.spa.digest import DigestType
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys

DATA = Path(__file__).parent.parent / "data" / "spa"


@dataclass(frozen=True, slots=True)
class Decoded:
    """What libfko read from the packet; text it returned is kept as bytes."""

    rand: bytes
    user: bytes
    timestamp: int
    version: bytes
    message_type: int
    message: bytes
    nat_access: bytes | None
    server_auth: bytes | None
    client_timeout: int
    digest_type: DigestType
    digest: bytes


@dataclass(frozen=True, slots=True)
class SpaVector:
    """One packet, the receiver's settings, and what the C programs made of it.

    - ``packet``: the payload as on the wire, for ``transport`` http the whole request
    - ``spa_data``: http only, the SPA text inside the request
    - ``keys``: the receiver's, which in "wrong key" vectors aren't the sender's
    - ``gpg``: GPG vectors only, which key files and signature rules apply
    - ``stanza_extra``, ``server_conf``: what differs from the base configuration
    - ``server_now``: the daemon's clock (epoch seconds); None: packet aging is off
    - ``accept``, ``daemon_verdict``: what fwknopd did; ``library_verdict``: libfko's result
    """

    name: str
    group: str
    origin: str
    transport: str
    packet: bytes
    spa_data: bytes | None
    encryption: str
    keys: SpaKeys
    gpg: Mapping[str, Any] | None
    stanza_extra: tuple[tuple[str, str], ...]
    server_conf: Mapping[str, str]
    server_now: int | None
    plaintext: bytes | None
    decoded: Decoded | None
    accept: bool
    daemon_verdict: str
    library_verdict: str
    note: str = field(default="", compare=False)

    @property
    def library_input(self) -> bytes:
        """What libfko was given: the payload, or the text taken out of the HTTP request."""
        return self.packet if self.spa_data is None else self.spa_data

    @property
    def enables_commands(self) -> bool:
        """The stanza has ENABLE_CMD_EXEC, which also widens the length limit."""
        return ("ENABLE_CMD_EXEC", "Y") in self.stanza_extra


@cache
def load_vectors() -> tuple[SpaVector, ...]:
    """All recorded vectors, GPG included, in a fixed order."""
    return tuple(
        _vector(entry)
        for path in sorted(DATA.glob("*.json"))
        for entry in json.loads(path.read_text())["vectors"]
    )


def rijndael_vectors() -> tuple[SpaVector, ...]:
    """The vectors of the symmetric modes."""
    return tuple(vector for vector in load_vectors() if vector.encryption == "rijndael")


def _bytes(value: str | Mapping[str, str] | None) -> bytes | None:
    if isinstance(value, Mapping):
        return b64decode(value["b64"])
    return None if value is None else value.encode("ascii")


def _present(value: str | Mapping[str, str]) -> bytes:
    found = _bytes(value)
    assert found is not None
    return found


def _packet(entry: Mapping[str, Any]) -> bytes:
    if "packet_b64" in entry:
        return b64decode(entry["packet_b64"])
    return _present(entry["packet"])


def _keys(entry: Mapping[str, Any]) -> SpaKeys:
    encryption, hmac = (entry["keys"].get(name) for name in ("enc_key_b64", "hmac_key_b64"))
    return SpaKeys(
        encryption_key=None if encryption is None else b64decode(encryption),
        hmac_key=None if hmac is None else b64decode(hmac),
        mode=EncryptionMode.from_text(entry["encryption_mode"]),
        hmac_type=DigestType(entry["hmac_type"] or "sha256"),
    )


def _decoded(entry: Mapping[str, Any] | None) -> Decoded | None:
    if entry is None:
        return None
    texts = {name: _present(entry[name]) for name in ("rand", "user", "version", "message")}
    return Decoded(
        **texts,
        timestamp=entry["timestamp"],
        message_type=entry["message_type"],
        nat_access=_bytes(entry["nat_access"]),
        server_auth=_bytes(entry["server_auth"]),
        client_timeout=entry["client_timeout"],
        digest_type=DigestType(entry["digest_type"]),
        digest=_present(entry["digest"]),
    )


def _vector(entry: Mapping[str, Any]) -> SpaVector:
    return SpaVector(
        name=entry["name"],
        group=entry["class"],
        origin=entry["origin"],
        transport=entry["transport"],
        packet=_packet(entry),
        spa_data=_bytes(entry.get("spa_data")),
        encryption=entry["encryption"],
        keys=_keys(entry),
        gpg=entry["keys"].get("gpg"),
        stanza_extra=tuple((name, value) for name, value in entry["stanza_extra"]),
        server_conf=entry["server_conf"],
        server_now=entry.get("server_now"),
        plaintext=_bytes(entry.get("plaintext")),
        decoded=_decoded(entry.get("decoded")),
        accept=entry["expect"]["accept"],
        daemon_verdict=entry["expect"]["fwknopd"],
        library_verdict=entry["expect"]["libfko"],
        note=entry.get("note", ""),
    )
