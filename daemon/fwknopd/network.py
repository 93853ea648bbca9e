"""From OpenWrt's logical networks (wan, lan) to the devices packets are seen on.

netifd knows, and `netifd.py` asks it. A network's layer 3 device is the one to capture
on: ``pppoe-wan``, not the Ethernet port below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fwknopd.config.device_names import DEVICE_NAME_RULE, is_device_name

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


def parse_dump(text: str) -> tuple[LogicalNetwork, ...]:
    """The networks in netifd's answer. Raises NetworkError when it is something else."""
    import json

    try:
        entries = json.loads(text)["interface"]
        return tuple(_network(entry) for entry in entries)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NetworkError(
            "the network daemon's list of interfaces can't be read",
            f"Look at what 'ubus call network.interface dump' prints ({type(error).__name__})",
        ) from None


def find_device(networks: Sequence[LogicalNetwork], name: str) -> str:
    """The device of the network called ``name``. Raises NetworkError."""
    by_name = {network.name: network for network in networks}
    wanted = name
    for _ in range(_MAX_ALIASES):
        device = _device(by_name, wanted)
        if not device.startswith("@"):
            return _checked(device, name)
        wanted = device[1:]
    raise NetworkError(
        f"the network {name} leads back to itself", "Check its device in /etc/config/network"
    )


def _checked(device: str, network: str) -> str:
    # To libpcap, and so to doors, a device called any is all of them.
    if is_device_name(device) and device != "any":
        return device
    raise NetworkError(
        f"the device {device!r} of the network {network} can't be used: "
        f"its name is not {DEVICE_NAME_RULE}",
        "Give it another name in /etc/config/network",
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
