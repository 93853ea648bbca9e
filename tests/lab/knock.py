"""``make knock``: what a stranger and the phone reach before and after the phone knocks."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.client import Ask, Client, Knock, choose_client
from tests.lab.control import ask_daemon, wait_for_verdict
from tests.lab.errors import LabError
from tests.lab.folder import running_lab
from tests.lab.hosts import THIS_MACHINE, Attempt, Host
from tests.lab.network import LAN, Network, hosts_of
from tests.lab.paths import LabPaths

LAN_PORT = 80
# How long silence lasts before it counts as a dropped packet.
SILENCE_SECONDS = 0.5


def lan_ask(access: str) -> Ask:
    """Ask for the LAN host's service, at a port of the router's outside."""
    return Ask(access, f"{LAN[0]}:{LAN_PORT}")


def knock(folder: Path, ask: Ask, client_name: str | None) -> int:
    """Knock at the lab that runs in ``folder`` and show what came of it; the exit status.

    Raises LabError.
    """
    record = running_lab(folder)
    paths = LabPaths(folder)
    client = choose_client(paths.uci, client_name)
    if record.stem:
        return _Demonstration(paths, client, ask, hosts_of(record.stem)).run()
    _send(paths, client, ask, THIS_MACHINE, THIS_MACHINE.address)
    print("No firewall here, so nothing was opened. Run the lab as root to see a door open.")
    return 0


def _send(paths: LabPaths, client: Client, ask: Ask, phone: Host, server: str) -> None:
    """Knock, and tell the daemon's verdict. Raises LabError when it is no."""
    before = ask_daemon(paths.control, "events", limit=1)["last"]
    counters = ask_daemon(paths.control, "status")["counters"]
    sent = Knock(paths, phone, server, ask)
    command = sent.command()
    print(f'\n  {phone.name} knocks with the keys of client "{client.name}":')
    print(f"    $ {shlex.join([*_place(phone), *command])}")
    written = sent.send(client.keys, command)
    print("".join(f"    {line}\n" for line in written.splitlines()), end="")
    verdict = wait_for_verdict(paths.control, phone.address, after=before)
    if verdict is None:
        raise LabError(*_unheard(paths, counters))
    detail = f": {verdict['detail']}" if verdict["detail"] else ""
    print(f"    fwknopd: {verdict['verdict']}, {verdict['reason']}{detail}\n")
    if verdict["verdict"] != "accept":
        raise LabError(f"fwknopd refused the knock ({verdict['reason']})")


def _place(host: Host) -> list[str]:
    return [] if host.machine is None else ["ip", "netns", "exec", host.machine.name]


def _unheard(paths: LabPaths, before: dict[str, int]) -> tuple[str, str]:
    """Why there may be no verdict on a knock."""
    status = ask_daemon(paths.control, "status")
    grown = [name for name, n in status["counters"].items() if n > before.get(name, 0)]
    if grown:
        return (
            f"fwknopd got the knock and dropped it ({', '.join(grown)})",
            "Its keys are not those the daemon uses: Save & Apply on the web page.",
        )
    captures = [f"{c['name']}: {c['state']} {c['detail']}".strip() for c in status["captures"]]
    return (
        "fwknopd got no knock",
        f"Is Enable config overwrite on, and applied? It watches: {'; '.join(captures) or '-'}.",
    )


@dataclass(frozen=True, slots=True)
class _Demonstration:
    """Before, knock, after: in the namespaces of a running lab."""

    paths: LabPaths
    client: Client
    ask: Ask
    network: Network

    def run(self) -> int:
        phone, stranger = self.network.phone, self.network.stranger
        print(f"{self.ask.access} of the router, {self.network.router.address}, from outside:\n")
        self._try(stranger, "before")
        self._try(phone, "before")
        _send(self.paths, self.client, self.ask, phone, self.network.router.address)
        reached = self._try(phone, "after")
        strange = self._try(stranger, "after")
        self._tell_time_left()
        if strange:
            raise LabError("the stranger got in, which is a fault of the firewall rules")
        if not reached and self._is_tcp:
            raise LabError(f"the phone did not get in: {reached.outcome}", self._remedy(reached))
        return 0

    @property
    def _is_tcp(self) -> bool:
        return self.ask.access.startswith("tcp/")

    def _try(self, host: Host, when: str) -> Attempt:
        if not self._is_tcp:
            return Attempt("not tried: the lab's services speak TCP", 0)
        address = self.network.router.address
        attempt = host.connect(address, self.ask.port, SILENCE_SECONDS)
        text = attempt.outcome
        if attempt:
            text = f'connected in {attempt.milliseconds:.1f} ms: "{attempt.greeting}"'
        print(f"  {when:<7} {host.name:<9} {host.address:<13} {text}", flush=True)
        return attempt

    def _remedy(self, attempt: Attempt) -> str:
        if attempt.outcome == "connection refused":
            return "The door is open, but nothing listens there: the lab has tcp/22 and tcp/2222."
        return "Look at the daemon's lines in the lab's terminal."

    def _tell_time_left(self) -> None:
        for grant, seconds in self._grants():
            to = f" to {grant['nat']}" if grant["nat"] else ""
            print(
                f"\n{grant['port']}{to} is open for {grant['address']} alone, for another "
                f"{seconds:.0f} s. A session begun in that time goes on afterwards."
            )

    def _grants(self) -> list[tuple[dict[str, Any], float]]:
        answer = ask_daemon(self.paths.control, "grants")
        address = self.network.phone.address
        mine = [g for g in answer["grants"] if g["address"] == address]
        return [(grant, grant["expires"] - answer["now"]) for grant in mine]
