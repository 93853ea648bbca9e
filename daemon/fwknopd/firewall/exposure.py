"""How strangers fare at some ports, by everybody's rules in nftables: judged in a child.

What else may keep them out is not looked at: programs of tc or eBPF, a provider, a second
router in front of this one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from socket import if_indextoname

from fwknopd.firewall import FirewallError
from fwknopd.firewall.default_routes import default_devices
from fwknopd.firewall.nft_diagnosis import asked_apart
from fwknopd.firewall.nft_process import list_rules
from fwknopd.firewall.nft_ruleset import EVERY_DEVICE
from fwknopd.policy.stanza import Address
from fwknopd.spa.request import PortSpec, Protocol

MOST_PORTS = 100
"""Ports looked at; each is some ms of a slow router's."""

_MOST_BYTES = 60_000
"""Of findings, so that they fit what a child may answer."""

_SECONDS = 2.0
"""For judging: knocks wait meanwhile, and some hundred rules take milliseconds."""

_NET = Path("/proc/thread-self/net")
_LEGACY = ("ip_tables_names", "ip6_tables_names")


@dataclass(frozen=True, slots=True)
class Exposure:
    """How strangers who come in on ``device`` fare at a port: ``reach`` and ``how`` are those of
    `nft_strangers` and `nft_rule_names`, ``name`` and ``chain`` say by what.

    They are led to ``address`` and ``inside``, a port; if ``here``, to a port of the router.
    """

    port: PortSpec
    device: str
    version: int
    reach: str
    how: str
    name: str
    chain: str
    led: bool = False
    here: bool = False
    address: Address | None = None
    inside: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """``devices``: by which strangers come. Of ``ports``, which were looked at, those that are
    no ``exposures`` are closed there."""

    devices: tuple[str, ...]
    ports: frozenset[PortSpec]
    exposures: tuple[Exposure, ...]


def exposed(
    ports: Collection[PortSpec], mark: int, devices: Sequence[str], own_table: str
) -> Found:
    """How strangers fare by all rules but our own, as many ports as can be told.

    Raises FirewallError if nobody can tell.
    """
    _check_legacy()
    places = _places(devices)
    if not places:
        raise FirewallError(
            "none of the devices on which knocks are heard leads to the Internet now: without a "
            "default route nobody can tell by which of them strangers come"
        )
    listing = list_rules()

    def told() -> Sequence[str]:
        return _told(listing, ports, places, mark, own_table)

    # First how many ports it is.
    counted, *found = asked_apart(told, _SECONDS)
    try:
        looked_at = frozenset(sorted(ports)[: int(counted)])
        exposures = tuple(map(_read, found))
    except ValueError:
        raise FirewallError("the process that judges rules was cut short") from None
    return Found(tuple(dict.fromkeys(device for device, _ in places)), looked_at, exposures)


def _check_legacy() -> None:
    """What iptables-legacy made is in no listing of nft's."""
    for path in (_NET / name for name in _LEGACY):
        try:
            tables = path.read_text().split()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise FirewallError(f"{path} can't be read: {error.strerror}") from None
        if tables:
            raise FirewallError(
                "iptables-legacy has rules as well, which nft does not list (tables "
                f"{', '.join(tables)})"
            )


def _places(devices: Sequence[str]) -> list[tuple[str, int]]:
    """Device and IP version by which strangers come."""
    try:
        found = default_devices()
    except OSError as error:
        raise FirewallError(f"the kernel's routes can't be read: {error.strerror}") from None
    named = [(name, v) for v, numbers in found.items() for name in sorted(_names(numbers))]
    return [place for place in named if EVERY_DEVICE in devices or place[0] in devices]


def _names(numbers: Collection[int]) -> Iterator[str]:
    for number in numbers:
        with suppress(OSError):
            yield if_indextoname(number)


# In the child


def _told(
    listing: str,
    ports: Collection[PortSpec],
    places: Sequence[tuple[str, int]],
    mark: int,
    own_table: str,
) -> list[str]:
    import json

    lines: list[str] = []
    size = counted = 0
    for told in _exposures(listing, ports, places, mark, own_table):
        new = [json.dumps(asdict(item), default=str, ensure_ascii=False) for item in told]
        size += sum(len(line.encode("utf-8", "replace")) + 1 for line in new)
        if size > _MOST_BYTES:
            break
        lines += new
        counted += 1
    return [str(counted), *lines]


def _exposures(
    listing: str,
    ports: Collection[PortSpec],
    places: Sequence[tuple[str, int]],
    mark: int,
    own_table: str,
) -> Iterator[list[Exposure]]:
    """Of each port how strangers get in, none for one that is closed."""
    from fwknopd.firewall.nft_first_packet import FirstPacket
    from fwknopd.firewall.nft_listing import Ruleset
    from fwknopd.firewall.nft_rule_names import named
    from fwknopd.firewall.nft_strangers import Judge, Reach
    from fwknopd.firewall.own_addresses import OwnAddresses

    own = OwnAddresses()
    judge = Judge(Ruleset(listing), mark, own_table, own.has)
    for port in sorted(ports)[:MOST_PORTS]:
        found = []
        for device, version in places:
            fate = judge.fate(FirstPacket(device, version, port.protocol.value, port.port))
            if fate.reach is not Reach.CLOSED:
                to = fate.target
                how, name = named(fate)
                led = (True, to.here, to.address, to.port) if to else ()
                found.append(
                    Exposure(port, device, version, fate.reach, how, name, fate.chain, *led)
                )
        yield found


def _read(text: str) -> Exposure:
    import json

    found = json.loads(text)
    address = found.pop("address")
    protocol, port = found.pop("port")
    return Exposure(
        PortSpec(Protocol(protocol), port),
        address=ip_address(address) if address else None,
        **found,
    )
