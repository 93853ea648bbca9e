"""Closing doors, cutting connections, and what is shown of both."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fwknop_webui.doors import SHOWN
from fwknopd.control.protocol import VerbError
from tests.web.daemon import NOW, StubDaemon, door
from tests.web.test_clients import ANNA
from tests.web.visitor import Visitor


def past(**more: object) -> dict[str, object]:
    """A door that has closed, with somebody still connected."""
    return door(**{"id": "p1", "expires": NOW - 3600, "connections": 1} | more)


def test_door_is_closed_only_after_asking(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.doors = [door(id="g/ 1&x", connections=0)]
    page = visitor.get("/")
    (link,) = [item for item in page.links if item.startswith("/revoke")]
    page = visitor.get(link)
    assert "Close this door now?" in page.text
    assert "Anna's phone" in page.text
    assert ("revoke", {"id": "g/ 1&x"}) not in daemon.asked
    page = visitor.press(page.form("/revoke"), "Revoke")
    assert ("revoke", {"id": "g/ 1&x"}) in daemon.asked
    assert "The door is closed." in page.text
    assert "cut" not in page.text


def test_door_that_closed_meanwhile_is_no_error(visitor: Visitor, daemon: StubDaemon) -> None:
    assert "closed already" in visitor.get("/revoke?id=gone").text


def test_refused_revocation_says_why(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.doors = [door()]
    form = visitor.get("/revoke?id=g1").form("/revoke")
    daemon.refusal = VerbError("firewall", "the doors are still open: EPERM", "Look at nft")
    page = visitor.press(form, "Revoke")
    assert "could not be closed" in page.text
    assert "EPERM" in page.text


def test_connections_are_shown_and_cut_unless_that_is_unticked(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.doors = [door()]
    assert '<td data-title="Connections">2</td>' in visitor.get("/").html
    form = visitor.get("/revoke?id=g1").form("/revoke")
    assert form.value("cut") == "1"
    page = visitor.press(form, "Revoke")
    assert daemon.asked.count(("revoke", {"id": "g1", "cut": True})) == 1
    assert "2 connections were cut." in page.text
    form = visitor.get("/revoke?id=g1").form("/revoke")
    form.fields.remove(("cut", "1"))
    assert "cut" not in visitor.press(form, "Revoke").text
    assert daemon.asked.count(("revoke", {"id": "g1"})) == 1


def test_what_is_not_known_is_not_shown_as_none(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.doors = [door(connections=None)]
    daemon.uncounted = "nf_conntrack_netlink is missing"
    daemon.unread = "the table is gone"
    page = visitor.get("/")
    assert '<td data-title="Connections">unknown</td>' in page.html
    assert "Connections can't be told" in page.text
    assert "nf_conntrack_netlink is missing" in page.text
    assert "The firewall can't be read" in page.text
    assert "the table is gone" in page.text
    page = visitor.get("/revoke?id=g1")
    assert "nf_conntrack_netlink is missing" in page.text
    daemon.cut_answer = {"cut": 0, "spared": 0, "uncut": "nf_conntrack_netlink is missing"}
    page = visitor.press(page.form("/revoke"), "Revoke")
    assert "The door is closed." in page.text
    assert "Its connections live on" in page.text


def test_hundreds_of_doors_do_not_make_a_page_of_hundreds(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.doors = [door(id=f"g{n}", expires=NOW + n) for n in range(SHOWN + 3)]
    page = visitor.get("/")
    assert page.html.count('data-title="Closes in"') == SHOWN
    assert "/revoke?id=g0" not in page.links
    assert "+ 3 more doors, which close before these" in page.text
    # It can be revoked with the client all the same.
    assert "Close these doors now?" in visitor.get("/revoke?client=Anna's phone").text


def test_connections_left_alone_are_told_of(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.doors = [door()]
    daemon.cut_answer = {"cut": 1, "spared": 3, "uncut": ""}
    page = visitor.press(visitor.get("/revoke?id=g1").form("/revoke"), "Revoke")
    assert "1 connection was cut." in page.text
    assert "3 connections were left alone" in page.text


def test_who_is_still_connected_after_the_door_closed_can_be_cut_off(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    assert "Still connected" not in visitor.get("/").text
    daemon.past = [past()]
    page = visitor.get("/")
    assert "Still connected" in page.text
    assert "/revoke?id=p1" in page.links
    page = visitor.get("/revoke?id=p1")
    assert "Cut the connections that live on?" in page.text
    daemon.cut_answer = {"cut": 1, "spared": 0, "uncut": ""}
    page = visitor.press(page.form("/revoke"), "Cut")
    assert ("revoke", {"id": "p1", "cut": True}) in daemon.asked
    assert "1 connection was cut." in page.text


def test_a_client_is_revoked_as_a_whole(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA)
    assert "/revoke?client=Anna&back=clients" not in visitor.get("/clients").links
    daemon.doors = [door(client="Anna"), door(id="g2", client="bert")]
    daemon.past = [past(client="Anna", port="tcp/8022")]
    assert "/revoke?client=Anna&back=clients" in visitor.get("/clients").links
    page = visitor.get("/revoke?client=Anna&back=clients")
    assert "Close these doors now?" in page.text
    assert "/clients" in page.links[-1]
    assert "tcp/8022" in page.text
    assert "closed already" in page.text
    assert "bert" not in page.text
    assert "and cut its connections: 3" in page.text
    page = visitor.press(page.form("/revoke"), "Revoke")
    assert ("revoke", {"client": "Anna", "cut": True}) in daemon.asked
    assert page.response.request.path == "/clients", "where it was asked for"


@pytest.mark.parametrize("back", ["", "http://evil.example/", "settings"])
def test_who_came_from_elsewhere_gets_back_to_the_overview(
    back: str, visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.doors = [door()]
    page = visitor.get("/revoke", query_string={"id": "g1", "back": back})
    assert page.links[-1] == "/"
    assert visitor.press(page.form("/revoke"), "Revoke").response.request.path == "/"


def test_a_client_who_is_out_already_is_no_error(visitor: Visitor, daemon: StubDaemon) -> None:
    page = visitor.get("/revoke?client=Anna")
    assert "No door of Anna is open, and nobody is connected by one." in page.text


def test_a_daemon_from_before_an_update_is_understood(visitor: Visitor, daemon: StubDaemon) -> None:
    old = door()
    del old["connections"]
    daemon.doors = [old]
    assert '<td data-title="Connections">unknown</td>' in visitor.get("/").html
    assert "unknown" not in visitor.get("/revoke?id=g1").text
