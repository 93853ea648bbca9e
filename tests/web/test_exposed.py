"""Ports that are open to anybody, where somebody sees it: checks, clients, a client's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fwknopd.control.protocol import VerbError
from tests.web.daemon import EXPOSED, StubDaemon
from tests.web.test_diagnostics import client, results
from tests.web.visitor import Visitor

ANNA = client("Anna").replace("'Anna'", '"Anna\'s phone"')
PORT: dict[str, Any] = EXPOSED["ports"][0]
TITLE = "Clients' ports are closed without a knock"


def config(*options: str) -> str:
    """One client, with more options."""
    lines = "".join(f"\toption {option}\n" for option in options)
    return f"{ANNA.rstrip()}\n{lines}\n"


@pytest.fixture
def exposed(daemon: StubDaemon, write_uci: Callable[[str], None]) -> StubDaemon:
    """A daemon that knows of a port open to anybody."""
    write_uci(config("OPEN_PORTS 'tcp/22'"))
    daemon.exposed = EXPOSED
    return daemon


def form_of(visitor: Visitor) -> str:
    """The client's form."""
    links = visitor.get("/clients").links
    return visitor.get(next(link for link in links if link.startswith("/clients/cfg"))).text


def test_checks_warn_of_what_lets_anybody_in(visitor: Visitor, exposed: StubDaemon) -> None:
    text = results(visitor.get("/diagnostics"))
    assert "warn" in text
    assert TITLE in text
    assert (
        "Anybody gets in at tcp/22 on pppoe-wan (IPv4, IPv6) without a knock, by the traffic rule "
        "“Allow-SSH”. Switch it off in LuCI: Network, Firewall, Traffic Rules."
    ) in text
    assert "udp/51820: nobody gets in on pppoe-wan" in text
    assert ("exposed", {"anew": True}) in exposed.asked


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"how": "redirect", "leads_to": "192.168.1.5:22"}, "It leads to 192.168.1.5:22. Switch"),
        ({"how": "zone", "name": "wan"}, "the zone “wan”, which accepts input"),
        ({"how": "policy", "name": "inet a in"}, "chain inet a in, which accepts what no rule"),
        ({"how": "nothing"}, "Make a firewall that drops what no rule accepts."),
        ({"how": "text", "name": "a <b>"}, "the rule a <b> in inet fw4 input_wan"),
        ({"reach": "some"}, "info Clients' ports are closed without a knock Some may get in"),
        ({"reach": "unknown"}, "For the traffic rule “Allow-SSH”, nobody can tell who gets in"),
    ],
)
def test_each_cause_has_its_words(
    more: dict[str, Any], words: str, visitor: Visitor, exposed: StubDaemon
) -> None:
    exposed.exposed = {**EXPOSED, "ports": [PORT | more]}
    assert words in results(visitor.get("/diagnostics"))


def test_what_cannot_be_told_is_said_and_no_alarm(visitor: Visitor, exposed: StubDaemon) -> None:
    exposed.exposed = {"ports": [], "closed": [], "devices": [], "detail": "nft is gone"}
    text = results(visitor.get("/diagnostics"))
    assert "info Clients' ports are closed without a knock This can't be told: nft is gone" in text
    assert "All is well" in text


def test_a_daemon_from_before_says_nothing(visitor: Visitor, exposed: StubDaemon) -> None:
    exposed.refused_verbs["exposed"] = VerbError("unknown-verb", "no such verb", "Update it")
    assert "open to anybody" not in visitor.get("/clients").text + form_of(visitor)
    assert TITLE not in results(visitor.get("/diagnostics"))


def test_the_client_is_marked_in_the_list(visitor: Visitor, exposed: StubDaemon) -> None:
    page = visitor.get("/clients")
    assert "tcp/22 tcp/22 open to anybody" in page.text
    exposed.exposed = {**EXPOSED, "ports": [PORT | {"clients": ["Bob"]}]}
    assert "open to anybody" not in visitor.get("/clients").text
    exposed.exposed = {**EXPOSED, "ports": [PORT | {"reach": "some"}]}
    assert "open to anybody" not in visitor.get("/clients").text


def test_the_form_says_so_beside_the_ports(
    visitor: Visitor, exposed: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    text = form_of(visitor)
    assert "SSH tcp/22 open to anybody" in text
    assert "open to anybody Anybody gets in at tcp/22 on pppoe-wan" in text
    asked = next(a for verb, a in exposed.asked if verb == "exposed" and "ports" in a)
    assert asked["ports"].split(",")[0] == "tcp/22"
    write_uci(config("OPEN_PORTS 'udp/53'"))
    text = form_of(visitor)
    assert "SSH tcp/22 open to anybody" in text, "before it is ticked"
    assert "Anybody gets in" not in text


def test_who_is_led_elsewhere_by_force_is_warned_of_the_same_place_alone(
    visitor: Visitor, exposed: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci(config("OPEN_PORTS 'tcp/22'", "FORCE_NAT '192.168.1.5 22'"))
    assert "Anybody gets in" in form_of(visitor)
    exposed.exposed = {**EXPOSED, "ports": [PORT | {"clients": []}]}
    assert "open to anybody" not in form_of(visitor)


def test_a_new_client_is_warned_before_it_is_saved(visitor: Visitor, exposed: StubDaemon) -> None:
    assert "SSH tcp/22 open to anybody" in visitor.get("/clients/add").text
