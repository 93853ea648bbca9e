"""Network namespaces for tests: machines made of nothing, joined by cables, gone at the end.

    with Machines("fw") as machines:
        router, phone = machines.add("router"), machines.add("phone")
        machines.join(End(router, "eth1", ("198.51.100.1/24",)), End(phone, "eth0", (...,)))
        with router.entered():
            ...  # sockets made, and programs started, in here belong to the router

A socket stays in the namespace it was made in, so one process can talk with itself
across a firewall: make each socket inside ``entered()`` and use it anywhere.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

NAMESPACES = Path("/run/netns")
# Names are PREFIX-PID-RANDOM-ROLE, so that what a killed run left behind can be told.
PREFIX = "fwkt"
CLONE_NEWNET = 0x40000000
TIME_LIMIT = 20.0

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Machine:
    """One network namespace. ``role`` is for people, ``name`` for ``ip netns``."""

    role: str
    name: str

    def run(self, *argv: str, script: str = "", check: bool = True) -> str:
        """Run a program in the namespace; its output. Raises RuntimeError."""
        return _run("ip", "netns", "exec", self.name, *argv, script=script, check=check)

    def ip(self, *arguments: str) -> str:
        """Run ``ip`` on the namespace."""
        return _run("ip", "-n", self.name, *arguments)

    def nft(self, script: str) -> None:
        """Load ``script`` into the namespace's nftables."""
        self.run("nft", "-f", "-", script=script)

    def sysctl(self, **settings: int) -> None:
        """Set kernel settings, dots written as two underscores: net__ipv4__ip_forward=1."""
        words = [f"{name.replace('__', '.')}={value}" for name, value in settings.items()]
        self.run("sysctl", "-qw", *words)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let the calling thread, and programs it starts, live in the namespace."""
        with _opened("/proc/thread-self/ns/net") as home, _opened(NAMESPACES / self.name) as there:
            _enter(there)
            try:
                yield
            finally:
                _enter(home)


@dataclass(frozen=True, slots=True)
class End:
    """One end of a cable: a device of a machine, with addresses like 192.0.2.1/24."""

    machine: Machine
    device: str
    addresses: Sequence[str] = ()


class Machines:
    """Machines and cables that vanish when the block ends, however it ends.

    What a killed run could not take away, the next one does.
    """

    def __init__(self, prefix: str = PREFIX) -> None:
        remove_abandoned(prefix)
        self._stem = f"{prefix}-{os.getpid()}-{secrets.token_hex(2)}"
        self._machines: list[Machine] = []

    def __enter__(self) -> Self:
        atexit.register(self.close)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, role: str) -> Machine:
        """A machine with nothing but its loopback."""
        machine = Machine(role, f"{self._stem}-{role}")
        # First in the list, then in the kernel: an interrupt in between must not leak it.
        self._machines.append(machine)
        _run("ip", "netns", "add", machine.name)
        # An address being checked for duplicates is of no use for a second.
        machine.sysctl(net__ipv6__conf__all__accept_dad=0, net__ipv6__conf__default__accept_dad=0)
        machine.ip("link", "set", "lo", "up")
        return machine

    def join(self, one: End, other: End) -> None:
        """Lay a cable (veth) and give both ends their addresses."""
        left = ("name", one.device, "netns", one.machine.name)
        right = ("name", other.device, "netns", other.machine.name)
        _run("ip", "link", "add", *left, "type", "veth", "peer", *right)
        for end in (one, other):
            end.machine.ip("link", "set", end.device, "up")
            for address in end.addresses:
                end.machine.ip("address", "add", address, "dev", end.device)

    def close(self) -> None:
        """Remove every machine; again is no error."""
        atexit.unregister(self.close)
        while self._machines:
            _run("ip", "netns", "delete", self._machines.pop().name, check=False)


def remove_abandoned(prefix: str = PREFIX) -> None:
    """Remove the namespaces of runs whose process is no more."""
    for path in NAMESPACES.glob(f"{prefix}-*-*-*"):
        pid = path.name.removeprefix(f"{prefix}-").split("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            _run("ip", "netns", "delete", path.name, check=False)


@contextmanager
def _opened(path: str | Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _enter(namespace: int) -> None:
    # os.setns came with Python 3.12.
    if _libc.setns(namespace, CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")


def _run(*argv: str, script: str = "", check: bool = True) -> str:
    done = subprocess.run(
        argv, input=script, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout
