"""The real fwknop client on the phone, with keys taken as a user would: from a client's section."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fwknopd.config.uci_format import UciSection, parse_uci
from fwknopd.keys import is_placeholder
from tests.lab.configs import SPA_PORT, write_private
from tests.lab.errors import LabError
from tests.lab.hosts import Host
from tests.lab.paths import LabPaths
from tests.lab.process import SYSTEM_PATH, installed_program

STANZA = "lab"
KEY_NAMES = ("KEY_BASE64", "KEY", "HMAC_KEY_BASE64", "HMAC_KEY")
# Other options of a section that the client must know too, under its own names.
SHARED_NAMES = ("HMAC_DIGEST_TYPE", "ENCRYPTION_MODE")
FALSE_WORDS = ("0", "off", "false", "no", "disabled")


@dataclass(frozen=True, slots=True)
class Client:
    """What a phone knows of its section: the keys, and what they are good for."""

    name: str
    keys: Mapping[str, str] = field(repr=False)
    open_ports: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Is there a key to encrypt with that is no placeholder?"""
        return bool({"KEY", "KEY_BASE64"} & self.keys.keys())


@dataclass(frozen=True, slots=True)
class Ask:
    """What a knock asks for: ``nat`` is HOST:PORT behind the router, for forwarded access."""

    access: str = "tcp/22"
    nat: str | None = None

    @property
    def port(self) -> int:
        """The port of the first thing asked for. Raises LabError."""
        match = re.fullmatch(r"(?:tcp|udp)/(\d{1,5})(?:,.*)?", self.access)
        if not match or not 0 < int(match[1]) <= 65535:
            raise LabError(f"{self.access!r} is no access", "Write it like tcp/22.")
        return int(match[1])


def clients_of(uci: Path) -> list[Client]:
    """The enabled clients of a UCI file, in order, usable or not."""
    sections = parse_uci(uci.read_bytes(), str(uci)).of_type("access")
    enabled = enumerate(sections, start=1)
    return [_client(s, n) for n, s in enabled if s.get("enabled", "1") not in FALSE_WORDS]


def _client(section: UciSection, number: int) -> Client:
    given = {name: section.get(name) for name in (*KEY_NAMES, *SHARED_NAMES)}
    ports = tuple(port.strip() for port in section.get("OPEN_PORTS").split(",") if port.strip())
    return Client(
        name=section.get("name") or section.name or f"#{number}",
        keys={name: value for name, value in given.items() if value and not is_placeholder(value)},
        open_ports=ports,
    )


def choose_client(uci: Path, name: str | None = None) -> Client:
    """The client of that name, or the first usable one. Raises LabError with what to do."""
    clients = clients_of(uci)
    if name is None:
        usable = [client for client in clients if client.usable]
    else:
        usable = [client for client in clients if client.name == name]
    if not usable:
        known = ", ".join(client.name for client in clients) or "none"
        wanted = "usable client" if name is None else f"enabled client {name!r}"
        raise LabError(
            f"{uci} has no {wanted} (it has: {known})",
            "Add one in the browser, generate its keys, then Save & Apply.",
        )
    if not usable[0].usable:
        raise LabError(f"client {name!r} has no keys", "Generate them, then Save & Apply.")
    return usable[0]


def spa_port(uci: Path) -> int:
    """The UDP port a client must send to, by the settings of a UCI file."""
    package = parse_uci(uci.read_bytes(), str(uci))
    settings = {o.name: o.text for section in package.of_type("config") for o in section.options}
    sniffed = re.search(r"udp port (\d+)", settings.get("PCAP_FILTER", ""))
    if settings.get("ENABLE_UDP_SERVER", "N").upper() == "Y":
        return int(settings.get("UDPSERV_PORT", SPA_PORT))
    return int(sniffed[1]) if sniffed else SPA_PORT


def rc_text(keys: Mapping[str, str]) -> str:
    """A .fwknoprc with one stanza that holds these keys."""
    lines = [f"{name:<20} {value}" for name, value in keys.items()]
    if any(name.startswith("HMAC_KEY") for name in keys):
        lines.append(f"{'USE_HMAC':<20} Y")
    return "\n".join(["[default]", "", f"[{STANZA}]", *lines, ""])


@dataclass(frozen=True, slots=True)
class Knock:
    """One knock: who asks whom for what. Keys are in the phone's .fwknoprc, never in argv."""

    paths: LabPaths
    phone: Host
    server: str
    ask: Ask

    def command(self) -> list[str]:
        """For the real client if it is installed, else for our own."""
        return self.fwknop() if shutil.which("fwknop") else self.fwknopctl()

    def fwknop(self) -> list[str]:
        """The command line of the real client."""
        command = ["fwknop", "--rc-file", str(self.paths.rc_file), "-n", STANZA]
        command += ["-A", self.ask.access, "-a", self.phone.address, "-D", self.server]
        return [*command, *self._given(nat="-N", port="-p")]

    def fwknopctl(self) -> list[str]:
        """The same for our own client."""
        command = [str(installed_program("fwknopctl")), "knock"]
        command += ["--rc", str(self.paths.rc_file), "--stanza", STANZA]
        command += ["--access", self.ask.access, "--allow-ip", self.phone.address]
        return [*command, "--server", self.server, *self._given(nat="--nat", port="--port")]

    def _given(self, *, nat: str, port: str) -> list[str]:
        number = spa_port(self.paths.uci)
        asked = [nat, self.ask.nat] if self.ask.nat else []
        return asked if number == SPA_PORT else [*asked, port, str(number)]

    def send(self, keys: Mapping[str, str], command: Sequence[str]) -> str:
        """Run a client's ``command`` on the phone; returns what it wrote. Raises LabError."""
        if not shutil.which(command[0]):
            raise LabError("the fwknop client is missing", "Install it: apt install fwknop-client.")
        write_private(self.paths.rc_file, rc_text(keys))
        environment = {"PATH": SYSTEM_PATH, "HOME": str(self.paths.folder)}
        return self.phone.run(command, environment=environment)
