"""Doors that change where forwarded connections appear to come from, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fwknopd.firewall import TimedDoor
from fwknopd.firewall.nftables import NftablesFirewall
from tests.netns.conftest import CLIENT, HOST, ROUTER, ROUTER_LAN, STRANGER, Site
from tests.netns.door_kinds import AT_HOST, AT_OTHER, IPV4, IPV6, KINDS, Side, place
from tests.netns.probes import connect, greeter
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.nft]

FORWARDED = [name for name, kind in KINDS.items() if kind.door(IPV4).forwarded]

both_families = pytest.mark.parametrize("side", [IPV4, IPV6], ids=["IPv4", "IPv6"])


@pytest.fixture(scope="module", autouse=True)
def _greeters(_site: Site) -> Iterator[None]:
    """Servers of the host, which say whom they see."""
    with (
        greeter(_site.host, 7000, f"{AT_HOST}|{{peer}}"),
        greeter(_site.host, 7001, f"{AT_OTHER}|{{peer}}"),
    ):
        yield


def told(site: Site, source: str, address: str, port: int) -> list[str]:
    """What the server behind a port says: who it is, and who it sees connect."""
    with connect(site.outside, source, address, port) as client:
        return client.recv(100).decode().split("|")


@both_families
@pytest.mark.parametrize("prefix", [False, True], ids=["address", "network"])
@pytest.mark.parametrize("how", ["masquerade", "fixed"])
@pytest.mark.parametrize("name", FORWARDED)
def test_forwarded_connections_appear_to_come_from_the_router(
    site: Site, firewall: NftablesFirewall, side: Side, name: str, how: str, prefix: bool
) -> None:
    kind = KINDS[name]
    mask = how if how == "masquerade" else side.router_lan
    more = {"prefix": side.near} if prefix else {}
    masked = kind.door(side, mask=mask, **more)
    plain = kind.door(side, **more)
    firewall.open([TimedDoor(masked, 30)])
    [timed] = firewall.read()
    assert timed.door == masked
    assert told(site, side.client, *place(side, kind))[1] == side.router_lan
    # Knocking without it again puts an end to it.
    firewall.open([TimedDoor(plain, 30)])
    assert told(site, side.client, *place(side, kind))[1] == side.client
    assert [timed.door for timed in firewall.read()] == [plain]


def test_nobody_elses_source_is_changed(site: Site, firewall: NftablesFirewall) -> None:
    # A rule of the admin's forwards tcp/2222 for everybody.
    site.router.nft(f"""
        table inet theirs {{
            chain dstnat {{
                type nat hook prerouting priority dstnat; policy accept;
                iifname "eth1" tcp dport 2222 dnat ip to {HOST}:7000
            }}
        }}
        insert rule inet fw4 forward ct status dnat accept
    """)
    firewall.open([TimedDoor(door(CLIENT, "tcp/4000", f"{HOST}:7000", mask="masquerade"), 30)])
    assert told(site, STRANGER, ROUTER, 2222) == [AT_HOST, STRANGER]
    assert told(site, CLIENT, ROUTER, 2222) == [AT_HOST, CLIENT]
    assert told(site, CLIENT, ROUTER, 4000) == [AT_HOST, ROUTER_LAN]
    firewall.open([TimedDoor(door(CLIENT, "all", mask="masquerade"), 30)])
    assert told(site, STRANGER, ROUTER, 2222) == [AT_HOST, STRANGER]
