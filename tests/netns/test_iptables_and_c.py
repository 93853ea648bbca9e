"""Our iptables rules beside those of fwknop's own server: the same, taken over, given back."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.interop.program import Running
from tests.netns.both_daemons import SERVER, Client, Host, both_daemons_host, without_ends
from tests.netns.iptables_site import VARIANTS

pytestmark = [
    pytest.mark.root,
    pytest.mark.iptables,
    pytest.mark.client,
    pytest.mark.c_daemon,
]

INSIDE = "10.0.0.9"
SSH = ("-A", "tcp/22")
HERE = ("-A", "tcp/4001", "-N", f"{SERVER}:2222", "--nat-local")
LAST = Client(9, "", ("-A", "tcp/9"))


def to_host(port: int) -> tuple[str, ...]:
    """Ask for a port of the inside host."""
    return ("-A", "tcp/4000", "-N", f"{INSIDE}:{port}")


FORWARDING = (
    Client(1, "", ("-A", "tcp/22,udp/53")),
    Client(2, "", to_host(22), f"{INSIDE}:22"),
    Client(3, "", HERE),
    Client(4, f"FORCE_NAT {INSIDE} 23", SSH, f"{INSIDE}:23"),
    Client(5, "FORWARD_ALL Y", to_host(24), INSIDE),
    Client(6, "FORWARD_ALL Y", SSH),
    Client(7, "DISABLE_DNAT Y", to_host(25), f"{INSIDE}:25"),
)
HIDDEN = (
    Client(1, "", to_host(22), f"{INSIDE}:22"),
    Client(2, f"FORCE_NAT {INSIDE} 23\nFORCE_SNAT 10.0.0.2", SSH, f"{INSIDE}:23"),
    Client(3, "FORWARD_ALL Y", to_host(24), INSIDE),
    Client(4, "FORWARD_ALL Y\nFORCE_SNAT 10.0.0.2\nDISABLE_DNAT Y", SSH),
    Client(5, "FORWARD_ALL Y\nFORCE_MASQUERADE Y\nDISABLE_DNAT Y", SSH),
    Client(6, f"FORCE_NAT {INSIDE} 26\nFORCE_MASQUERADE Y\nDISABLE_DNAT Y", SSH, f"{INSIDE}:26"),
    Client(7, "", SSH),
)
ONE_ADDRESS = (
    Client(1, "", SSH),
    Client(2, "", to_host(22), f"{INSIDE}:22"),
    Client(3, "", HERE),
    Client(4, f"FORCE_NAT {INSIDE} 23\nFORWARD_ALL Y", SSH, INSIDE),
)
SITUATIONS = {
    "forwarding": ("", FORWARDING),
    "masquerading": ("ENABLE_IPT_SNAT Y;\n", HIDDEN),
    "source-nat": ("ENABLE_IPT_SNAT Y;\nSNAT_TRANSLATE_IP 10.0.0.1;\n", HIDDEN),
    "one-address": ("ENABLE_DESTINATION_RULE Y;\nENABLE_IPT_OUTPUT Y;\n", ONE_ADDRESS),
}
# Seconds. Ours closes to the second, and the C daemon looks at all rules every few.
OUR_TOLERANCE, C_TOLERANCE = 1.5, 6.0


# The rules are the same in the old interface; one situation shows that they are read back.
LEFT = [*(("-nft", name) for name in SITUATIONS), *((v, "source-nat") for v in VARIANTS[1:])]


@pytest.fixture
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    with both_daemons_host(tmp_path, getattr(request, "param", "-nft")) as host:
        yield host


# The differences COMPATIBILITY.md tells of


def as_ours(rule: str, clients: Sequence[Client]) -> list[str]:
    """What a rule of the C daemon's is here."""
    # From one port only one connection could come.
    rule = re.sub(r" --to-ports \d+$", "", rule)
    owner = owner_of(rule, clients)
    client = f"-s {owner.address}/32 "
    if client not in rule and "FWKNOP_OUTPUT" not in rule:
        # Whoever comes is hidden.
        return [rule.replace("-d ", f"{client}-d ", 1)]
    if owner.leads_to and re.search("_(FORWARD|POSTROUTING|MASQUERADE) ", rule):
        # Whatever host it goes to is let through, or hidden.
        return [rule.replace(client, f"{client}-d {INSIDE}/32 ", 1)]
    if "FORCE_MASQUERADE" in owner.stanza and "_POSTROUTING " in rule:
        # SNAT_TRANSLATE_IP wins over what the stanza says.
        return [re.sub("_POSTROUTING (.*) SNAT .*", r"_MASQUERADE \1 MASQUERADE", rule)]
    if "--nat-local" in owner.ask and " -d " in rule and "FWKNOP_INPUT" in rule:
        # Answers of local NAT are not let out.
        return [rule, f"-A FWKNOP_OUTPUT -s {SERVER}/32 -d {owner.address}/32 {tail(rule)}"]
    return [rule]


def owner_of(rule: str, clients: Sequence[Client]) -> Client:
    for client in clients:
        if f"{client.address}/" in rule:
            return client
    port = re.search(r"--dport (\d+) ", rule)
    assert port, rule
    return next(client for client in clients if client.leads_to == f"{INSIDE}:{port[1]}")


def tail(rule: str) -> str:
    return rule[rule.index("-p ") :].replace("--dport", "--sport")


def knocked(host: Host, daemon: Running, clients: Sequence[Client]) -> list[str]:
    """The rules that ``daemon`` makes of everybody's knock."""
    for client in (*clients, LAST):
        # Rules of one knock come one after the other. When the next knock has one, all are there.
        host.knock(client)
        daemon.wait_for(f" for {client.address} -> ")
    return [rule for rule in host.rules() if f"{LAST.address}/" not in rule]


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_rules_are_those_of_the_c_daemon(host: Host, name: str) -> None:
    settings, clients = SITUATIONS[name]
    host.configure((*clients, LAST), settings)
    with host.c_daemon() as daemon:
        theirs = without_ends(knocked(host, daemon, clients))
    host.clear()
    with host.our_daemon() as daemon:
        made = without_ends(knocked(host, daemon, clients))
    assert made == sorted(ours for rule in theirs for ours in as_ours(rule, clients))


# From one to the other and back


@pytest.mark.parametrize(("host", "name"), LEFT, indirect=["host"])
def test_what_the_c_daemon_left_is_taken_over_and_closed_in_time(host: Host, name: str) -> None:
    settings, clients = SITUATIONS[name]
    host.configure((*clients, LAST), settings, seconds=10)
    with host.c_daemon() as daemon:
        left = knocked(host, daemon, clients)
    doors = sum(client.ask[1].count(",") + 1 for client in clients if not is_open_ended(client))
    with host.our_daemon() as daemon:
        daemon.wait_for(f"{doors + 1} open doors taken over")
        taken = [rule for rule in host.rules() if f"{LAST.address}/" not in rule]
        assert sorted(taken) == sorted(ours for r in left for ours in taken_over(r, clients))
        assert_closed_in_time(host, OUR_TOLERANCE)


def is_open_ended(client: Client) -> bool:
    """Whether the C daemon's rules don't name the target, so that they can be no door here."""
    return "DISABLE_DNAT" in client.stanza and bool(client.leads_to)


def taken_over(rule: str, clients: Sequence[Client]) -> list[str]:
    """What becomes of a rule that the C daemon left."""
    owner = owner_of(rule, clients)
    as_it_is = is_open_ended(owner) or "FORCE_MASQUERADE" in owner.stanza
    return [rule] if as_it_is else as_ours(rule, clients)


def assert_closed_in_time(host: Host, tolerance: float) -> None:
    """No rule goes before its end, and none stays long after."""
    before, asked = set(host.ends()), time.time()
    while ends := host.ends():
        now = time.time()
        assert all(end > asked - tolerance for end in ends)
        gone, before = before - set(ends), set(ends)
        assert all(end < now + 1 for end in gone)
        time.sleep(0.05)
        asked = time.time()


@pytest.mark.parametrize(("host", "name"), LEFT, indirect=["host"])
def test_the_c_daemon_takes_over_what_we_left(host: Host, name: str) -> None:
    settings, clients = SITUATIONS[name]
    host.configure((*clients, LAST), settings, seconds=6)
    with host.our_daemon() as daemon:
        knocked(host, daemon, clients)
        daemon.end(signal.SIGKILL)
    assert host.ends()
    with host.c_daemon():
        assert_closed_in_time(host, C_TOLERANCE)


def test_rules_the_c_daemon_piled_up_become_one(host: Host) -> None:
    phone = Client(1, "", SSH)
    host.configure((phone,))
    with host.c_daemon() as daemon:
        for _ in range(3):
            host.knock(phone)
            daemon.wait_for("Added access rule to", after=len(daemon.lines))
            wait_for_next_second()
    assert len(host.rules()) == 3
    latest = max(host.ends())
    with host.our_daemon():
        assert host.ends() == [latest]


def wait_for_next_second() -> None:
    time.sleep(1.05 - time.time() % 1)
