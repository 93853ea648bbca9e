"""UCI files to start a lab with."""

from __future__ import annotations

import base64
import secrets
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lab.commands import run_checked
from tests.lab.process import installed_program
from tests.lab.ruleset import PROJECT
from tests.ports import free_port, is_free

SPA_PORT = 62201
UDP = socket.SOCK_DGRAM
PACKAGED = PROJECT / "package/fwknop-wrt/files/etc/config/fwknopd"

_SWITCHED_ON = """\
config global
	option uci_enabled '1'

config network
	option network 'wan'
"""

_CLIENT = """
config access
	option name '{name}'
	option SOURCE 'ANY'
	option KEY_BASE64 '{key}'
	option HMAC_KEY_BASE64 '{hmac_key}'
	option OPEN_PORTS '{open_ports}'
	option FW_ACCESS_TIMEOUT '{seconds}'
	option REQUIRE_SOURCE_ADDRESS 'Y'
"""

_SETTINGS = """
config config
	option ENABLE_IPT_FORWARDING 'Y'
	option ENABLE_NAT_DNS 'Y'
"""


def packaged_config() -> str:
    """The file as the package installs it: nothing on, no usable client."""
    return PACKAGED.read_text()


def first_boot_config() -> tuple[str, str]:
    """What a router's first boot makes of that file (uci-defaults), and what it says it did.

    Raises LabError.
    """
    with TemporaryDirectory(prefix="fwlab-") as folder:
        uci = Path(folder, "fwknopd")
        write_private(uci, packaged_config())
        program = str(installed_program("fwknopctl"))
        told = run_checked([program, "migrate", "--uci", str(uci), "--network", "wan"])
        return uci.read_text(), told


def ready_config(
    name: str = "phone", open_ports: str = "tcp/22,tcp/8080", seconds: int = 30
) -> str:
    """A router set up: overwrite on, watching wan, one client with fresh keys."""
    return _SWITCHED_ON + client_section(name, open_ports, seconds) + _SETTINGS


def client_section(name: str, open_ports: str, seconds: int) -> str:
    """An ``access`` section with fresh keys."""
    return _CLIENT.format(
        name=name,
        key=base64.b64encode(secrets.token_bytes(32)).decode(),
        hmac_key=base64.b64encode(secrets.token_bytes(64)).decode(),
        open_ports=open_ports,
        seconds=seconds,
    )


def loopback_config(*, usual_port: bool = True) -> str:
    """For a machine without namespaces: knocks arrive at a UDP port of this machine.

    That is the usual one, if nothing has it; several labs at the same time want others.
    """
    port = SPA_PORT if usual_port and is_free(SPA_PORT, UDP) else free_port(UDP)
    udp = f"\toption ENABLE_UDP_SERVER 'Y'\n\toption UDPSERV_PORT '{port}'\n"
    client = client_section("phone", "tcp/22,tcp/8080", 30)
    return "config global\n\toption uci_enabled '1'\n" + client + _SETTINGS + udp


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read, at no moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
