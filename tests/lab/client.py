"""The real fwknop client on the phone, with keys taken as a user would: from a client's section."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fwknopd.config.uci_format import UciSection, parse_uci
from fwknopd.keys import is_placeholder
from tests.lab.configs import SPA_PORT, write_private
from tests.lab.errors import LabError
from tests.lab.hosts import Host
from tests.lab.paths import LabPaths
from tests.lab.process import SYSTEM_PATH

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
        if not match:
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


def knock_command(paths: LabPaths, ask: Ask, *, allow: str, server: str) -> list[str]:
    """The command a user would type, with the keys in the phone's .fwknoprc."""
    command = ["fwknop", "--rc-file", str(paths.rc_file), "-n", STANZA]
    command += ["-A", ask.access, "-a", allow, "-D", server]
    if ask.nat:
        command += ["-N", ask.nat]
    port = spa_port(paths.uci)
    return command if port == SPA_PORT else [*command, "-p", str(port)]


def send_knock(
    paths: LabPaths,
    phone: Host,
    server: str,
    keys: Mapping[str, str],
    ask: Ask,
    save_packet: Path | None = None,
) -> str:
    """Knock from ``phone`` with the real client; returns what it wrote. Raises LabError."""
    if not shutil.which("fwknop"):
        raise LabError("the fwknop client is missing", "Install it: apt install fwknop-client.")
    write_private(paths.rc_file, rc_text(keys))
    argv = knock_command(paths, ask, allow=phone.address, server=server)
    argv += ["--no-save-args", *(["-B", str(save_packet)] if save_packet else [])]
    return phone.run(argv, environment={"PATH": SYSTEM_PATH, "HOME": str(paths.folder)})
