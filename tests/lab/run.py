"""``make run``: a lab in this terminal until Ctrl-C."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tests.lab.client import clients_of
from tests.lab.commands import run_checked
from tests.lab.errors import LabError, LabStopped
from tests.lab.events import Event
from tests.lab.lab import Lab, LabOptions
from tests.lab.process import SYSTEM_PATH, wait_for_end
from tests.lab.stop import StopRequest

RESPAWN_SECONDS = 1.0
"""On a router procd waits for five."""

NEEDED = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "sysctl": "procps"}


def run(folder: Path, options: LabOptions) -> int:
    """Run a lab until it is asked to stop; returns the exit status. Raises LabError."""
    missing = missing_for_namespaces()
    with StopRequest() as stop:

        def checkpoint(step: str) -> None:
            if step:
                say(f"Starting: {step}")
            stop.check()

        options = replace(options, network=missing is None, checkpoint=checkpoint)
        try:
            with Lab(folder, replace(options, listener=print_event)) as lab:
                tell(lab, missing)
                _stay(lab, stop)
                say("\nTaking the lab down ...")
        except LabStopped:
            say("\nStopped while starting; nothing is left.")
            return 0
    say("Nothing is left.")
    return 0


def _stay(lab: Lab, stop: StopRequest) -> None:
    """Until we are to stop. A daemon or page that ends is started again, as procd does it."""
    while True:
        ended = wait_for_end([lab.daemon.process, lab.page.process], stop.fileno())
        if ended is None:
            return
        say(
            f"\n{ended.name} {ended.how_it_ended()}{ended.last_words()}\n"
            f"It is started again, as procd does on a router ..."
        )
        if stop.wait(RESPAWN_SECONDS):
            return
        if ended is lab.daemon.process:
            lab.daemon.restart()
        else:
            lab.page.close()
            lab.page.start()
        say(f"{ended.name} runs again.")


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
    """Print at once, even into a pipe; a closed terminal must not keep us from taking down."""
    with suppress(OSError):
        print(text, flush=True)


def tell(lab: Lab, missing: str | None) -> None:
    """What is there, and what to do with it."""
    say(_loopback_banner(missing) if missing else _network_banner(lab.options.scenario))
    rows = {} if missing else _machines(lab)
    rows["Web page"] = f"{lab.page.url}   user {lab.page.user}, password {lab.page.password}"
    rows["Clients"] = _clients(lab)
    rows["Knock"] = "make knock   (in another terminal)"
    rows["End"] = "Ctrl-C"
    say("\n".join(f"  {name:<12}{text}" for name, text in rows.items()) + "\n")


def _network_banner(scenario: str) -> str:
    return f'The lab is ready: network namespaces, and the rules fw4 printed for "{scenario}".\n'


def _loopback_banner(missing: str) -> str:
    return (
        f"The lab is ready, WITHOUT namespaces and WITHOUT a firewall: {missing}.\n"
        f"Knocks come in at a UDP port of this machine, and the daemon only tells what it\n"
        f"would open. Run as root for the whole lab.\n"
    )


def _machines(lab: Lab) -> dict[str, str]:
    inside = "tests.lab knock --nat"
    return {
        "Router": f"{lab.router.address}, {lab.router.address6}; listens at tcp/22 and tcp/2222, "
        "which look closed",
        "LAN host": f"{lab.lan.address}; tcp/80, reached by: .venv/bin/python -m {inside}",
        "Phone": f"{lab.phone.address}; it knocks",
        "Stranger": f"{lab.stranger.address}; it doesn't",
        "Look inside": f"ip netns exec {lab.network.stem}-router nft list table inet fwknopd",
    }


def _clients(lab: Lab) -> str:
    clients = clients_of(lab.paths.uci)
    usable = [f"{c.name} ({', '.join(c.open_ports) or 'any port'})" for c in clients if c.usable]
    return ", ".join(usable) or "none with keys yet: add one on the web page"


def print_event(event: Event) -> None:
    """One event as a line of text."""
    clock = time.strftime("%H:%M:%S", time.localtime(event["time"]))
    words = [event["event"], event.get("verdict"), event.get("reason"), event.get("client")]
    words += [event.get("source"), event.get("request"), event.get("detail")]
    say(f"{clock} " + "  ".join(str(word) for word in words if word))
