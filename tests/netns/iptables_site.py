"""The router of conftest.py with an admin's iptables rules instead of fw4; our firewall on it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from fwknopd.firewall import Diagnosis, TimedDoor
from fwknopd.firewall.iptables import IptablesFirewall
from fwknopd.firewall.iptables_rules import IptablesSettings
from fwknopd.grants import Door
from tests.netns.conftest import PORTS, Site, lay_cables
from tests.netns.namespaces import Machine, Machines
from tests.netns.probes import greeter

# Guide B of those people follow: everything is dropped but what belongs to a connection.
ADMIN_RULES = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p {icmp} -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
COMMIT
*nat
COMMIT
"""


def _works(variant: str) -> bool:
    probe = ["unshare", "--net", f"iptables{variant}", "-S"]
    return os.geteuid() != 0 or not subprocess.run(probe, capture_output=True).returncode


PATIENT_SECONDS = 12
"""To wait for that lock; a program that takes 15 seconds is stopped."""

# A kernel may be built without the old interface; iptables-nft must work everywhere.
VARIANTS = ["-nft", *(["-legacy"] if _works("-legacy") else [])]


@dataclass(frozen=True, slots=True)
class IptablesSite(Site):
    """The machines, and which iptables rules them."""

    variant: str = ""
    firewalls: list[RouterFirewall] = field(default_factory=list)

    def end_daemons(self) -> None:
        """What a daemon that was killed held open, the kernel closes."""
        while self.firewalls:
            self.firewalls.pop().die()

    def reset(self, scenario: str = "") -> None:
        """Nothing but the admin's rules."""
        self.end_daemons()
        for stem, icmp in (("iptables", "icmp"), ("ip6tables", "ipv6-icmp")):
            script = ADMIN_RULES.format(icmp=icmp)
            self.router.run(f"{stem}{self.variant}-restore", script=script)

    def iptables(self, *arguments: str) -> str:
        """Run iptables on the router."""
        return self.router.run(f"iptables{self.variant}", *arguments)

    def rules(self, chain: str, table: str = "filter") -> list[str]:
        """The rules of a chain, as iptables -S prints them."""
        lines = self.iptables("-t", table, "-S", chain).splitlines()
        return [line for line in lines if line.startswith("-A")]

    def saved(self) -> str:
        """Both families' rules without counters, comments and empty tables."""
        lines = []
        for stem in ("iptables", "ip6tables"):
            lines += self.router.run(f"{stem}{self.variant}-save").splitlines()
        chains = [line.partition(" [")[0] for line in lines if line.startswith(":F")]
        return "\n".join([*chains, *(line for line in lines if line.startswith("-A"))])


@contextmanager
def iptables_site(variant: str) -> Iterator[IptablesSite]:
    """The site while the block runs.

    The lock of the old iptables is the whole machine's: tests beside this one hold it as well,
    some for seconds, and that must not look like a firewall that refuses.
    """
    with Machines() as machines, ExitStack() as servers:
        patched = servers.enter_context(pytest.MonkeyPatch.context())
        for limit in ("LOCK_SECONDS", "CLOSING_LOCK_SECONDS"):
            patched.setattr(f"fwknopd.firewall.iptables_family.{limit}", PATIENT_SECONDS)
        outside, guest, router, host = map(machines.add, ("outside", "guest", "router", "host"))
        site = IptablesSite(outside, guest, router, host, variant)
        lay_cables(machines, site)
        for port in PORTS:
            servers.enter_context(greeter(site.router, port, "router"))
            servers.enter_context(greeter(site.host, port, "host"))
        yield site
        site.end_daemons()


class RouterFirewall(IptablesFirewall):
    """Our firewall, run on the router whoever calls it."""

    def __init__(
        self,
        site: IptablesSite,
        settings: IptablesSettings | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(settings, variant=site.variant, monotonic=monotonic, wall=wall)
        self._router: Machine = site.router
        site.firewalls.append(self)

    def die(self) -> None:
        """End as by a signal that can't be caught."""
        self._watch.close()

    def start(self, devices: Sequence[str] = ("eth1",)) -> None:
        with self._router.entered():
            super().start(devices)

    def open(self, doors: Sequence[TimedDoor]) -> None:
        with self._router.entered():
            super().open(doors)

    def open_for(self, *doors: Door, seconds: float = 30) -> None:
        """Open doors, all for the same time."""
        self.open([TimedDoor(item, seconds) for item in doors])

    def close(self, doors: Sequence[Door]) -> None:
        with self._router.entered():
            super().close(doors)

    def read(self) -> list[TimedDoor]:
        with self._router.entered():
            return super().read()

    def expire(self) -> None:
        with self._router.entered():
            super().expire()

    def stop(self) -> None:
        with self._router.entered():
            super().stop()

    def rules_lost(self) -> bool:
        with self._router.entered():
            return super().rules_lost()

    def diagnose(self) -> Diagnosis:
        with self._router.entered():
            return super().diagnose()

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Close doors in time, as the engine's loop does, while the block runs."""
        done = threading.Event()

        def tick() -> None:
            while not done.is_set():
                due = self.next_due()
                wait = 0.05 if due is None else min(due - time.monotonic(), 0.05)
                if not done.wait(max(wait, 0)):
                    self.expire()

        thread = threading.Thread(target=tick)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
