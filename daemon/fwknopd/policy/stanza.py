"""One client's rules: the typed form of an access.conf stanza or a UCI ``access`` section."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from fwknopd.spa.packet import SpaKeys
from fwknopd.spa.request import PortSpec

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class NatTarget:
    """Where forwarded connections go: an address and a port of the inside."""

    address: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Stanza:
    """Everything policy needs to know of one client. Lifetimes are seconds.

    ``sources`` and ``destinations`` are None for ANY. ``open_ports`` is None when
    unset: then the client may ask for any port not restricted.
    """

    number: int
    keys: SpaKeys = field(repr=False)
    name: str = ""
    enabled: bool = True
    sources: tuple[Network, ...] | None = None
    destinations: tuple[Network, ...] | None = None
    open_ports: frozenset[PortSpec] | None = None
    restrict_ports: frozenset[PortSpec] = frozenset()
    fw_access_timeout: int = 30
    max_fw_timeout: int = 300
    require_username: str | None = None
    require_source_address: bool = False
    enable_cmd_exec: bool = False
    access_expire: int | None = None
    force_nat: NatTarget | None = None
    disable_dnat: bool = False

    @property
    def identity(self) -> str:
        """Tells this client from others for as long as it has these keys, whatever its label.

        A digest, so that it gives nothing away; still nothing to show or to store.
        """
        keys = self.keys
        material = b"\0".join((keys.encryption_key or b"", keys.hmac_key or b""))
        return sha256(material + str(keys.mode).encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """How people see this client: its name, or its number in file order."""
        return self.name or f"#{self.number}"
