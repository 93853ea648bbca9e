"""``make run``: a lab in this terminal until Ctrl-C."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

from tests.lab.client import clients_of
from tests.lab.commands import run_checked
from tests.lab.errors import LabError, LabStopped
from tests.lab.events import Event
from tests.lab.lab import Lab, LabOptions
from tests.lab.process import SYSTEM_PATH, wait_for_end
from tests.lab.stop import StopRequest

NEEDED = {"ip": "iproute2", "nsenter": "util-linux", "nft": "nftables"}


def run(folder: Path, options: LabOptions) -> int:
    """Run a lab until it is asked to stop; returns the exit status. Raises LabError."""
    missing = missing_for_namespaces()
    with StopRequest() as stop:

        def checkpoint(step: str) -> None:
            say(f"Starting: {step}")
            stop.check()

        options = replace(options, network=missing is None, checkpoint=checkpoint)
        try:
            with Lab(folder, replace(options, listener=print_event)) as lab:
                tell(lab, missing)
                ended = wait_for_end([lab.daemon.process, lab.page.process], stop.fileno())
                if ended is not None:
                    raise ended.died()
                say("\nTaking the lab down ...")
        except LabStopped:
            say("\nStopped while starting; nothing is left.")
            return 0
    say("Nothing is left.")
    return 0


def missing_for_namespaces() -> str | None:
    """Why this machine and user can't have a lab with namespaces, or None."""
    lacking = [
        package
        for program, package in NEEDED.items()
        if not shutil.which(program, path=SYSTEM_PATH)
    ]
    if lacking:
        return f"missing here: {', '.join(lacking)}"
    try:
        run_checked(["unshare", "--net", "--", "true"])
    except LabError as error:
        return f"network namespaces need root ({error.message.rpartition(': ')[2]})"
    return None


def say(text: str) -> None:
    """Print at once, even into a pipe."""
    print(text, flush=True)


def tell(lab: Lab, missing: str | None) -> None:
    """What is there, and what to do with it."""
    say(_about_loopback(lab, missing) if missing else _about_network(lab))
    say(f"  Web page    {lab.page.url}   user {lab.page.user}, password {lab.page.password}")
    say(f"  Clients     {_about_clients(lab)}")
    say("  Knock       make knock      (in another terminal)")
    say("  End         Ctrl-C\n")


def _about_network(lab: Lab) -> str:
    return (
        f"The lab is ready: network namespaces, and the rules fw4 printed for "
        f'"{lab.options.scenario}".\n\n'
        f"  Router      {lab.router.address}, {lab.router.address6}: tcp/22 and tcp/2222, dropped\n"
        f"  LAN host    {lab.lan.address}: tcp/80, behind the router\n"
        f"  Phone       {lab.phone.address}: may knock\n"
        f"  Stranger    {lab.stranger.address}: may not\n"
        f"  Look inside ip netns exec {lab.network.stem}-router nft list table inet fwknopd"
    )


def _about_loopback(lab: Lab, missing: str) -> str:
    return (
        f"The lab is ready, WITHOUT namespaces and WITHOUT a firewall: {missing}.\n"
        f"Knocks come in at a UDP port of this machine, and the daemon only tells what it\n"
        f"would open. Run as root for the whole lab.\n"
    )


def _about_clients(lab: Lab) -> str:
    clients = clients_of(lab.paths.uci)
    usable = [f"{c.name} ({', '.join(c.open_ports) or 'any port'})" for c in clients if c.usable]
    return ", ".join(usable) or "none with keys yet: add one on the web page"


def print_event(event: Event) -> None:
    """One event as a line of text."""
    clock = time.strftime("%H:%M:%S", time.localtime(event["time"]))
    words = [event["event"], event.get("verdict"), event.get("reason"), event.get("client")]
    words += [event.get("source"), event.get("request"), event.get("detail")]
    say(f"{clock} " + "  ".join(str(word) for word in words if word))
