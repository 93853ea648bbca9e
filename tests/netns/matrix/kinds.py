"""What a kind of access is: what a client asks for, and who gets where while its door is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from tests.netns.matrix.attempts import Attempt
from tests.netns.matrix.services import Answer
from tests.netns.matrix.site import ALIAS, HOST, ROUTER, SECOND, Home, Pair
from tests.netns.namespaces import Machine

WORDS = {"host": HOST, "router": ROUTER, "alias": ALIAS}
"""Words in the texts of a kind that stand for an address of the client's IP version."""

PLACES = {"router": ROUTER, "second": SECOND, "host": HOST}
"""Where one can connect to."""

EVERY_BIT = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class Way:
    """A port of a place that leads to a port of a machine.

    ``seen``: whom that machine sees; None is who came.
    """

    to: str
    port: str
    role: str
    inner: int
    seen: Pair | None = field(default=None, compare=False)

    @property
    def protocol(self) -> str:
        """tcp or udp."""
        return self.port.partition("/")[0]

    @property
    def number(self) -> int:
        """The port's number."""
        return int(self.port.partition("/")[2])

    def address(self, version: int) -> str:
        """Where one connects to."""
        return PLACES[self.to][version]

    def attempt(self, machine: Machine, source: str) -> Attempt:
        """The attempt of that address to go this way."""
        to = self.address(ip_address(source).version)
        return Attempt(machine, source, to, self.number, self.protocol)

    def answer(self, source: str) -> Answer:
        """What a connection from that address is answered."""
        seen = source if self.seen is None else self.seen[ip_address(source).version]
        return Answer(self.role, self.inner, seen)


def at(place: str, *ports: str, seen: Pair | None = None) -> tuple[Way, ...]:
    """Ports of the router (which has two addresses) or of the LAN host, under their own numbers."""
    role = "host" if place == "host" else "router"
    return tuple(Way(place, port, role, int(port.partition("/")[2]), seen) for port in ports)


def led(port: str, inner: int, role: str = "host", *, seen: Pair | None = None) -> tuple[Way, ...]:
    """A port of the router that leads elsewhere."""
    return (Way("router", port, role, inner, seen),)


NEVER = (*at("router", "tcp/7003", "udp/7003"), *at("second", "tcp/7003"), *at("host", "tcp/7003"))
"""No kind asks for these; only a door to everything leads there."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One client of the configuration for each IP version.

    - ``ports`` is what it asks for; ``nat`` where it asks to be led to, itself when ``local``
    - ``ways`` lead in while its door is open; ``shut`` are shut even then
    - ``behind`` is the target under its own address: shut where the firewall can tell
    - ``options`` are those of the client's section; words such as {host} are addresses
    - ``widths``: prefix length of the network let in, by IP version
    - ``names``: host number of the address the client names, if that isn't its own
    - ``knocks_at`` is the place that packets are sent to
    - ``strict``: needs the server settings of that name
    - ``everything``: it leads to every port
    """

    name: str
    ports: str
    ways: tuple[Way, ...]
    shut: tuple[Way, ...] = ()
    behind: tuple[Way, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    nat: str = ""
    local: bool = False
    widths: Mapping[int, int] = field(default_factory=dict, hash=False)
    names: int = 0
    knocks_at: str = "router"
    versions: tuple[int, ...] = (4, 6)
    strict: bool = False
    everything: bool = False

    def client(self, version: int) -> str:
        """The name of this client's section."""
        return f"{self.name}-{version}"

    def section(self, version: int) -> dict[str, str]:
        """The options of the client's section, beside its keys."""
        words = {word: pair[version] for word, pair in WORDS.items()}
        written = {name: text.format(**words) for name, text in self.options.items()}
        if version in self.widths:
            written[f"widen_ipv{version}"] = str(self.widths[version])
        return written

    def target(self, version: int) -> str | None:
        """The NAT access its packets carry."""
        words = {word: pair[version] for word, pair in WORDS.items()}
        return self.nat.format(**words) if self.nat else None

    def let_in(self, home: Home) -> tuple[str, ...]:
        """Of the addresses around a phone, those its door is open for."""
        if self.names:
            return (home.phone, home.address(self.names))
        bits = self.widths.get(home.version, EVERY_BIT[home.version])
        network = ip_network((home.phone, bits), strict=False)
        return tuple(address for address in home.around if ip_address(address) in network)

    def holders(self, home: Home) -> tuple[str, ...]:
        """Whom the list of open doors names for it: addresses, or a network."""
        bits = self.widths.get(home.version)
        if bits is not None:
            return (str(ip_network((home.phone, bits), strict=False)),)
        return (home.phone, home.address(self.names)) if self.names else (home.phone,)

    @property
    def closed(self) -> tuple[Way, ...]:
        """What stays shut for the phone while its door is open, whatever the firewall."""
        return self.shut if self.everything else (*self.shut, *NEVER)
