"""The daemon on a guarded host, and the real client that knocks at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from fwknopd.control.client import ControlClient
from tests.interop.example_keys import HMAC_KEY_BASE64, KEY_BASE64
from tests.interop.program import Running
from tests.netns.conftest import CLIENT, ROUTER
from tests.netns.guarded_host import GuardedHost
from tests.netns.probes import connect

KEYS = f"KEY_BASE64 {KEY_BASE64}\nHMAC_KEY_BASE64 {HMAC_KEY_BASE64}\n"
ACCESS = f"SOURCE ANY\n{KEYS}"


@contextmanager
def serving(
    site: GuardedHost, config: str, access: str = ACCESS, fwknoprc: str = f"[it]\n{KEYS}"
) -> Iterator[Running]:
    """The daemon with these settings and clients, and their keys in the client's home."""
    site.host.write("/etc/fwknop/fwknopd.conf", config)
    site.host.write("/etc/fwknop/access.conf", access)
    site.outside.write("/home/.fwknoprc", fwknoprc)
    with site.host.running("fwknopd -f") as daemon:
        yield daemon


def ask(site: GuardedHost, verb: str, **arguments: object) -> dict[str, Any]:
    """Ask the daemon."""
    return ControlClient(site.host.path("/run/fwknop/control.sock")).call(verb, **arguments)


def send_knock(site: GuardedHost, options: str) -> str:
    """What the client says. Asks for tcp/22 unless told otherwise."""
    access = "" if "-A " in options else "-A tcp/22"
    return site.outside.type(f"fwknop -n it -D {ROUTER} {access} {options}")


def knock(site: GuardedHost, daemon: Running, options: str) -> str:
    """What the client says; the door is open afterwards. Asks for tcp/22 unless told otherwise."""
    said = len(daemon.lines)
    output = send_knock(site, options)
    daemon.wait_for("Added ", after=said)
    return output


def greeting(site: GuardedHost, port: int) -> str:
    """What the server behind a port says first: who it is."""
    with closing(connect(site.outside.machine, CLIENT, ROUTER, port)) as client:
        return client.recv(100).decode()
