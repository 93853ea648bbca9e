"""What the QR dialog suggests as the router's name on the internet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from fwknop_webui.app import create_app
from fwknop_webui.device_address import device_address
from fwknop_webui.outside import Reach, outside, reach_of
from fwknop_webui.services import WebConfig
from tests.web.conftest import PASSWORD
from tests.web.test_clients import ANNA
from tests.web.test_keys import clients, show
from tests.web.visitor import Page, Visitor

NETWORK = """
config interface 'lan'
\toption device 'br-lan'

config interface 'wan'
\toption device 'eth1'

"""
Suggested = Callable[..., Page]


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("203.0.113.7", Reach.PUBLIC),
        ("8.8.8.8", Reach.PUBLIC),
        ("172.32.0.1", Reach.PUBLIC),
        ("10.0.0.1", Reach.PRIVATE),
        ("172.31.255.254", Reach.PRIVATE),
        ("192.168.1.1", Reach.PRIVATE),
        ("169.254.3.4", Reach.PRIVATE),
        ("100.64.0.1", Reach.SHARED),
        ("100.127.255.254", Reach.SHARED),
        ("100.128.0.1", Reach.PUBLIC),
        ("192.0.0.2", Reach.SHARED),
        ("127.0.0.1", None),
        ("0.0.0.0", None),
        ("224.0.0.1", None),
        ("255.255.255.255", None),
        ("2001:db8::1", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_reach_of_an_address(address: str, reach: Reach | None) -> None:
    assert reach_of(address) is reach


@given(st.lists(st.text()), st.lists(st.tuples(st.text(), st.text())))
def test_whatever_is_set_up_a_suggestion_is_a_host_name(
    names: list[str], addresses: list[tuple[str, str]]
) -> None:
    found = outside(names, addresses, 62201)
    assert all(set(name) & set(" \n'\"<>;") == set() and "." in name for name in found.choices)
    assert found.server in ("", *found.choices)


def test_address_of_a_real_device() -> None:
    assert device_address("lo") == "127.0.0.1"
    for name in ("", "no-such-device", "x" * 40, "lo\0", "ü" * 9):
        assert device_address(name) == ""


@pytest.fixture
def suggested(config: WebConfig, uci: Path) -> Suggested:
    """The dialog of a router with these names, and addresses by device."""

    def open_(addresses: Mapping[str, str], *names: str, network: str = "", **typed: str) -> Page:
        uci.write_text(ANNA + network)
        uci.with_name("network").write_text(NETWORK)
        asked = replace(
            config, public_names=names, address_of=lambda device: addresses.get(device, "")
        )
        app: Flask = create_app(asked)
        visitor = Visitor(app, PASSWORD)
        visitor.log_in()
        return show(visitor, clients(uci)[0].id, **typed)

    return open_


def server(page: Page) -> str:
    """What stands in the field."""
    (field,) = [a for t, a in page.tags if t == "input" and a.get("id") == "server"]
    return field["value"]


def choices(page: Page) -> list[str]:
    return [a["value"] for t, a in page.tags if t == "option"]


def test_name_of_dynamic_dns_comes_first(suggested: Suggested) -> None:
    page = suggested({"eth1": "203.0.113.7"}, "home.example.net", "two.example.org")
    assert server(page) == "home.example.net"
    assert choices(page) == ["home.example.net", "two.example.org", "203.0.113.7"]
    assert "the name Dynamic DNS has for this router" in page.text
    (shown,) = [a for t, a in page.tags if t == "code" and a.get("id") == "copy-server"]
    assert "data-server" in shown
    assert ">home.example.net</code>" in page.html, "to be copied"
    assert "SPA_SERVER home.example.net" in page.text
    assert "router.example.net" not in page.text


def test_public_address_is_next_and_may_change(suggested: Suggested) -> None:
    page = suggested({"eth1": "203.0.113.7", "br-lan": "192.168.1.1"})
    assert server(page) == "203.0.113.7"
    assert "Suggested: the address eth1 has now" in page.text
    assert "private address" not in page.text


@pytest.mark.parametrize(
    ("address", "told"),
    [("192.168.178.20", "eth1 has the private address"), ("100.70.1.2", "(CGNAT)")],
)
def test_address_nobody_reaches_from_outside_is_not_suggested_but_told(
    address: str, told: str, suggested: Suggested
) -> None:
    page = suggested({"eth1": address})
    assert server(page) == ""
    assert told in page.text
    assert ">router.example.net</code>" in page.html
    page = suggested({"eth1": address}, "home.example.net")
    assert server(page) == "home.example.net"
    assert told in page.text, "the name may lead to the other router"


def test_nothing_known_is_nothing_suggested(suggested: Suggested) -> None:
    page = suggested({}, "one-word", "-o.<b>", "'; reboot")
    assert server(page) == ""
    assert choices(page) == []
    assert "as seen from outside" in page.text


def test_it_is_the_network_the_daemon_listens_on(suggested: Suggested) -> None:
    addresses = {"eth1": "203.0.113.7", "br-lan": "192.168.1.1", "eth7": "198.51.100.7"}
    both = "config network\n\toption network 'lan wan'\n"
    assert choices(suggested(addresses, network=both)) == ["203.0.113.7"]
    lan = "config network\n\toption network 'lan'\n"
    assert "br-lan has the private address" in suggested(addresses, network=lan).text
    device = "config config\n\toption PCAP_INTF 'eth7'\n"
    assert server(suggested(addresses, network=device)) == "198.51.100.7"


def test_what_was_typed_stays_and_a_suggestion_is_not_kept(
    suggested: Suggested, config: WebConfig, uci: Path
) -> None:
    page = suggested({"eth1": "203.0.113.7"}, server="mine.example.net")
    assert server(page) == "mine.example.net"
    assert "Suggested" not in page.text
    asked = replace(config, public_names=("home.example.net",), address_of=lambda _device: "")
    visitor = Visitor(create_app(asked), PASSWORD)
    visitor.log_in()
    section = clients(uci)[0].id
    assert server(show(visitor, section)) == "home.example.net"
    show(visitor, section, server="mine.example.net")
    assert server(show(visitor, section)) == "mine.example.net"
    form = next(f for f in show(visitor, section).forms if f.values("server"))
    assert server(visitor.press(form, "Use", server="")) == ""
