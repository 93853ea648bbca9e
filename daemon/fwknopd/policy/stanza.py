"""One client's rules: the typed form of an access.conf stanza or a UCI ``access`` section."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

from fwknopd.policy.schedule import Schedule
from fwknopd.spa.packet import SpaKeys
from fwknopd.spa.request import PortSpec

if TYPE_CHECKING:
    # Few clients knock with GPG, and the web page never does.
    from fwknopd.policy.gpg import GpgAccess

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NEVER = "NONE"
"""A CMD_CYCLE_CLOSE that begins so is none."""


class Standing(StrEnum):
    """PRESENT may knock; of the others, REVOKED were shut out, and EXPIRED had an end."""

    PRESENT = "present"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class NatTarget:
    """Where forwarded connections go: an address and a port of the inside.

    Port 0 keeps whatever port a connection asks for; with an access to everything
    (FORWARD_ALL) it can be nothing else.
    """

    address: Address
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else f"{self.address}"
        return f"{host}:{self.port}" if self.port else f"{self.address}"


@dataclass(frozen=True, slots=True)
class NatRange:
    """Inside hosts a client may be led to; ``port`` 0 is any port."""

    network: Network
    port: int = 0

    def covers(self, target: NatTarget) -> bool:
        """``target`` is one of them."""
        return target.address in self.network and self.port in (0, target.port)

    def __str__(self) -> str:
        single = self.network.prefixlen == self.network.max_prefixlen
        host = str(self.network.network_address if single else self.network)
        if not self.port:
            return host
        return f"[{host}]:{self.port}" if self.network.version == 6 else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SourceNat:
    """Whose address forwarded connections appear to come from.

    ``address`` None: that of the device they leave by (masquerading).
    """

    address: Address | None = None

    def __str__(self) -> str:
        return "masquerade" if self.address is None else str(self.address)


@dataclass(frozen=True, slots=True)
class Stanza:
    """Everything policy needs to know of one client. Lifetimes are seconds.

    ``gpg`` is None for a client that knocks with AES only; one with both may use either.
    ``sources`` and ``destinations`` are None for ANY. ``open_ports`` is None when
    unset: then the client may ask for any port not restricted. ``nat_targets`` is None when
    it may ask to be led anywhere. ``widen_ipv4`` and ``widen_ipv6`` are prefix lengths: a
    door opens for the whole network around the address; None is the address alone.
    ``schedule`` None is any time. ``log_only``: its knocks are judged, and nothing comes of it.
    ``cut_at_expiry``: connections end with the door they came in by.
    ``old_keys_of``: these are former keys of the client of that name; with
    ``end_at_first_use`` they end when it has knocked with its new ones.
    ``cmd_*`` are as in access.conf, "" or 0 when unset; with ``cmd_cycle_open`` its knocks run
    that command and open no door. ``allowed_commands`` is None when it may run anything.
    """

    number: int
    keys: SpaKeys = field(repr=False)
    gpg: GpgAccess | None = None
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
    cmd_exec_user: str = ""
    cmd_exec_group: str = ""
    enable_cmd_sudo_exec: bool = False
    cmd_sudo_exec_user: str = ""
    cmd_sudo_exec_group: str = ""
    allowed_commands: tuple[str, ...] | None = None
    cmd_cycle_open: str = ""
    cmd_cycle_close: str = ""
    cmd_cycle_timer: int = 0
    access_expire: int | None = None
    force_nat: NatTarget | None = None
    force_snat: SourceNat | None = None
    forward_all: bool = False
    disable_dnat: bool = False
    nat_targets: tuple[NatRange, ...] | None = None
    grant_source: bool = False
    widen_ipv4: int | None = None
    widen_ipv6: int | None = None
    schedule: Schedule | None = None
    log_only: bool = False
    cut_at_expiry: bool = False
    old_keys_of: str = ""
    end_at_first_use: bool = False
    identity: str = field(init=False, repr=False, compare=False)
    """Tells this client from others for as long as it has these keys, whatever its label.

    A digest, so that it gives nothing away; still nothing to show or to store. Made once: each
    knock asks for it several times, and each reload several times of every client.
    """

    def __post_init__(self) -> None:
        keys = self.keys
        material = b"\0".join((keys.encryption_key or b"", keys.hmac_key or b""))
        if self.gpg is not None:
            material += self.gpg.identity
        digest = sha256(material + str(keys.mode).encode()).hexdigest()[:16]
        object.__setattr__(self, "identity", digest)

    @property
    def label(self) -> str:
        """How people see this client: its name, or its number in file order."""
        return self.name or f"#{self.number}"

    def standing(self, now: float) -> Standing:
        """What the client is at ``now``, in epoch seconds."""
        if not self.enabled:
            return Standing.REVOKED
        over = self.access_expire is not None and now > self.access_expire
        return Standing.EXPIRED if over else Standing.PRESENT


def clients_in(stanzas: Iterable[Stanza]) -> int:
    """How many clients these are: old keys beside a client's new ones are no other client."""
    return sum(1 for stanza in stanzas if not stanza.old_keys_of)
