"""From OpenWrt's logical networks (wan, lan) to the devices packets are seen on.

netifd knows; ``ubus call network.interface dump`` asks it. A network's layer 3 device
is the one to capture on: ``pppoe-wan``, not the Ethernet port below it. The answer
changes with every redial, so it is asked for at each opening and never kept.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from dataclasses import dataclass

QUERY = ("ubus", "call", "network.interface", "dump")
TIME_LIMIT = 5.0
_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin"
_OUTPUT_LIMIT = 1 << 20
# A network may name another ("@wan"); a chain of them is never long, a circle is.
_MAX_ALIASES = 4


class NetworkError(Exception):
    """A logical network has no device to offer; says why and what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}")
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class LogicalNetwork:
    """One interface of netifd; ``device`` is "" while it has none.

    ``device`` is the layer 3 device, or "@other" for one that rides on another network.
    """

    name: str
    up: bool
    device: str


def device_of(network: str, *, time_limit: float = TIME_LIMIT) -> str:
    """The device packets of ``network`` are seen on now; asks netifd.

    Waits ``time_limit`` seconds at most. Raises NetworkError.
    """
    return find_device(parse_dump(_query(time_limit)), network)


def parse_dump(text: str) -> tuple[LogicalNetwork, ...]:
    """The networks in netifd's answer. Raises NetworkError when it is something else."""
    import json

    try:
        entries = json.loads(text)["interface"]
        return tuple(_network(entry) for entry in entries)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NetworkError(
            "the network daemon's list of interfaces can't be read",
            f"Look at what '{' '.join(QUERY)}' prints ({type(error).__name__})",
        ) from None


def find_device(networks: Sequence[LogicalNetwork], name: str) -> str:
    """The device of the network called ``name``. Raises NetworkError."""
    by_name = {network.name: network for network in networks}
    wanted = name
    for _ in range(_MAX_ALIASES):
        device = _device(by_name, wanted)
        if not device.startswith("@"):
            return device
        wanted = device[1:]
    raise NetworkError(
        f"the network {name} leads back to itself", "Check its device in /etc/config/network"
    )


def _device(by_name: dict[str, LogicalNetwork], name: str) -> str:
    if name not in by_name:
        raise NetworkError(
            f"there is no network '{name}'",
            f"Choose one of: {', '.join(sorted(by_name)) or 'none is configured'}",
        )
    found = by_name[name]
    if not found.up or not found.device:
        raise NetworkError(
            f"the network {name} is down",
            f"Capturing starts by itself when it is up; to bring it up now: ifup {name}",
        )
    return found.device


def _network(entry: dict[str, object]) -> LogicalNetwork:
    device = entry.get("l3_device") or entry.get("device") or ""
    return LogicalNetwork(str(entry["interface"]), entry.get("up") is True, str(device))


def _query(time_limit: float) -> str:
    # A memory file holds the answer, so the program never waits for us to read; and
    # without the subprocess module, which the daemon would carry about all its life.
    output = os.memfd_create("ubus")
    try:
        status = _wait(_spawn(output), time_limit)
        text = os.pread(output, _OUTPUT_LIMIT, 0).decode("utf-8", "replace")
    finally:
        os.close(output)
    if status:
        raise NetworkError(
            f"the network daemon gave no answer (ubus ended with status {status})",
            "Check that netifd and ubusd run, or set PCAP_INTF to a device name instead",
        )
    return text


def _spawn(output: int) -> int:
    environment = {"PATH": os.environ.get("PATH", "") or _FOLDERS}
    try:
        return os.posix_spawnp(
            QUERY[0],
            QUERY,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM),
        )
    except OSError as error:
        raise NetworkError(
            f"the network daemon can't be asked: ubus: {error.strerror}",
            "Logical networks exist on OpenWrt only; elsewhere set PCAP_INTF to a device name",
        ) from None


def _wait(pid: int, time_limit: float) -> int:
    process = os.pidfd_open(pid)
    try:
        ended = select.select([process], [], [], time_limit)[0]
        if not ended:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(process)
    if not ended:
        raise NetworkError(
            f"the network daemon gave no answer within {time_limit:g} seconds",
            "Check that netifd and ubusd run",
        )
    return os.waitstatus_to_exitcode(status)
