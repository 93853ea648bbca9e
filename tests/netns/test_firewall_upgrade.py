"""Starting over the table that another version of ours left: its doors stay open."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from fwknopd.firewall import TimedDoor
from fwknopd.firewall.nftables import NftablesFirewall
from tests.netns.conftest import CLIENT, CLIENT6, HOST, ROUTER6, STRANGER, Site
from tests.netns.probes import Outcome, greeter, try_tcp
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.nft]

EARLIER = (Path(__file__).parents[1] / "data" / "nftables" / "before-lookups.nft").read_text()
EARLIER_DOORS = {
    door(CLIENT, "tcp/22"),
    door(CLIENT6, "udp/53"),
    door(CLIENT, "tcp/4000", f"{HOST}:7000"),
    door(CLIENT6, "tcp/4000", f"{ROUTER6}:22", local=True),
}
FW4_PRIORITIES = {"input": 0, "forward": 0, "prerouting": -100}


@contextmanager
def started(site: Site) -> Iterator[NftablesFirewall]:
    """A new daemon's firewall."""
    firewall = NftablesFirewall()
    with site.router.entered():
        firewall.start(["eth1"])
        yield firewall
        firewall.stop()


class Trying:
    """Connections to a port of the router, one after the other, while the block runs."""

    def __init__(self, site: Site, port: int) -> None:
        self._site, self._port = site, port
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen: set[Outcome] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.seen.add(self._site.tcp(self._port))

    def _run(self) -> None:
        while not self._done.is_set():
            self.seen.add(self._site.tcp(self._port))


def test_the_doors_of_an_earlier_version_stay_open(site: Site) -> None:
    site.router.nft(EARLIER)
    with greeter(site.host, 7000, "host"), started(site) as firewall:
        held = firewall.read()
        assert {timed.door for timed in held} == EARLIER_DOORS
        assert all(20 < timed.seconds <= 30 for timed in held)
        assert site.tcp(22) is Outcome.CONNECTED
        assert site.tcp(4000) is Outcome.CONNECTED
        assert try_tcp(site.outside, CLIENT6, ROUTER6, 4000) is Outcome.CONNECTED
        assert site.tcp(22, STRANGER) is not Outcome.CONNECTED
        listing = site.router.run("nft", "list", "table", "inet", "fwknopd")
        assert "forward4" not in listing
        assert "captured" not in listing
        assert not firewall.rules_lost()
        firewall.close([timed.door for timed in held])
        assert site.tcp(4000) is not Outcome.CONNECTED


def test_no_door_is_shut_for_a_moment_by_an_upgrade(site: Site) -> None:
    with greeter(site.host, 7000, "host"):
        for _ in range(10):
            site.router.nft("add table inet fwknopd\ndelete table inet fwknopd\n" + EARLIER)
            firewall = NftablesFirewall()
            plain, forwarded = Trying(site, 22), Trying(site, 4000)
            with plain, forwarded, site.router.entered():
                firewall.start(["eth1"])
            firewall.stop()
            assert plain.seen | forwarded.seen == {Outcome.CONNECTED}


def test_a_packet_meets_the_chains_of_an_upgrade_after_the_earlier_ones(site: Site) -> None:
    """Only so no packet can pass between the two tables."""
    site.router.nft(EARLIER)
    earlier = priorities(site)
    with started(site):
        now = priorities(site)
    assert len(now) == len(earlier) == 3
    assert all(earlier[chain] < now[chain] < theirs for chain, theirs in FW4_PRIORITIES.items())


def test_a_table_with_chains_of_another_priority_keeps_its_doors(site: Site) -> None:
    with started(site) as firewall:
        firewall.open([TimedDoor(door(CLIENT, "tcp/22"), 30)])
        text = site.router.run("nft", "list", "table", "inet", "fwknopd")
        site.router.nft(
            "delete table inet fwknopd\n" + re.sub(r"filter - \d+", "filter - 10", text)
        )
        with started(site) as again:
            assert [timed.door for timed in again.read()] == [door(CLIENT, "tcp/22")]
            assert site.tcp(22) is Outcome.CONNECTED


def priorities(site: Site) -> dict[str, int]:
    """Those of our chains by name, as the kernel has them."""
    listing = json.loads(site.router.run("nft", "-j", "list", "table", "inet", "fwknopd"))
    chains = [item["chain"] for item in listing["nftables"] if "chain" in item]
    return {chain["name"]: chain["prio"] for chain in chains if "prio" in chain}


def test_a_table_that_cant_be_renewed_keeps_its_doors(site: Site) -> None:
    site.router.nft("""
        table inet fwknopd {
            set open4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }
            set from_the_future { type ipv4_addr; flags timeout; }
            chain input { type filter hook input priority 300; policy accept; }
        }
        add element inet fwknopd open4 { 198.51.100.7 . tcp . 22 timeout 30s }
        add element inet fwknopd open4 { 198.51.100.7 . tcp . 23 }
    """)
    with started(site) as firewall:
        assert site.tcp(22) is Outcome.CONNECTED
        # What has no end is no work of ours.
        assert [timed.door for timed in firewall.read()] == [door(CLIENT, "tcp/22")]
        assert "from_the_future" not in site.list_ruleset()


def test_sets_of_our_names_and_other_types_are_replaced(site: Site) -> None:
    site.router.nft("""
        table inet fwknopd {
            set open4 { type ipv4_addr; flags timeout; }
            map redirect4 { type ipv4_addr : ipv4_addr; flags timeout; }
        }
        add element inet fwknopd open4 { 198.51.100.7 timeout 30s }
    """)
    with started(site) as firewall:
        assert firewall.read() == []
        assert site.tcp(22) is not Outcome.CONNECTED
