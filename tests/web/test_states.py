"""Every page of the route map in every state: nothing but words comes of it, and never a fault."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable

import pytest
from flask import Flask

from tests.web.daemon import NOW, StubDaemon, door, verdict
from tests.web.test_escaping import PAYLOADS, assert_harmless, hostile_daemon
from tests.web.visitor import Visitor

LEFT_OUT = {"static_file", "handover", "login", "metrics"}
"""What is no page of somebody who is logged in."""

MANY = "".join(
    f"\nconfig access 'c{n}'\n\toption SOURCE 'ANY'\n\toption name 'Client {n}'\n"
    f"\toption KEY 'key of {n}'\n\toption HMAC_KEY 'other of {n}'\n"
    for n in range(500)
)


def pages(app: Flask, section: str) -> list[str]:
    """Every address that can be opened, with a client's section where one is wanted."""
    found = []
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint not in LEFT_OUT:
            found.append(re.sub(r"<\w+>", section, rule.rule))
    assert len(found) > 20
    return sorted(found)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def hostile(payload: str) -> str:
    options = ("name", "note", "SOURCE", "OPEN_PORTS", "KEY", "DESTINATION", "REQUIRE_USERNAME")
    lines = "".join(f"\toption {option} {quoted(payload)}\n" for option in options)
    return (
        f"\nconfig access 'c7'\n{lines}\nconfig access 'c8'\n{lines}"
        f"\nconfig network\n\toption network {quoted(payload)}\n"
        f"\nconfig config\n\toption PCAP_FILTER {quoted(payload)}\n\toption strange "
        f"{quoted(payload)}\n"
    )


def look_at_all(visitor: Visitor, app: Flask, *, fine: tuple[int, ...] = (200,)) -> None:
    for path in pages(app, "c7"):
        page = visitor.get(path)
        assert page.status in fine, (path, page.status, page.text[:300])
        assert "Internal error" not in page.text, path


def test_every_page_without_a_daemon(
    visitor: Visitor, app: Flask, write_uci: Callable[[str], None]
) -> None:
    write_uci(MANY)
    # Nothing can be saved as a file, revoked or watched then, and the pages say why.
    look_at_all(visitor, app, fine=(200, 404, 503))
    for path in ("/", "/clients", "/settings", "/advanced", "/logs", "/diagnostics", "/backup"):
        page = visitor.get(path)
        assert page.status == 200
        assert re.search(r"[Dd]aemon.{0,4} (isn't|is not|not) running|Daemon stopped", page.text), (
            path
        )


def test_every_page_with_a_file_that_is_no_uci(
    visitor: Visitor, app: Flask, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci("config access 'c7'\n\tnonsense\n")
    for path in pages(app, "c7"):
        page = visitor.get(path)
        assert "Internal error" not in page.text, path
        if page.status == 409:
            assert "The configuration can't be read" in page.text, path
            assert "line 2" in page.text, path
        else:
            assert page.status in (200, 404), path


def test_every_page_with_a_configuration_the_daemon_would_refuse(
    visitor: Visitor, app: Flask, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci(
        "\nconfig access 'c7'\n\toption SOURCE 'nonsense'\n\toption OPEN_PORTS 'x'\n"
        "\nconfig config\n\toption VERBOSE 'loud'\n\toption MAX_SPA_PACKET_AGE '-5'\n"
    )
    look_at_all(visitor, app, fine=(200, 404))


def test_every_page_with_500_clients_and_5000_events(
    visitor: Visitor, app: Flask, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci(MANY)
    daemon.events = [verdict(id=n, client=f"Client {n % 500}") for n in range(1, 5001)]
    daemon.doors = [door(id=f"g{n}", client=f"Client {n}") for n in range(100)]
    daemon.clients = [
        {"number": n, "label": f"Client {n}", "last_knock": NOW, "last_accepted": True}
        for n in range(500)
    ]
    for path in pages(app, "c7"):
        page = visitor.get(path)
        assert page.status in (200, 404), path
        if page.response.mimetype == "text/html" and "qr" not in path:
            assert len(gzip.compress(page.response.data)) <= 30 * 1024, path


@pytest.mark.parametrize("payload", PAYLOADS[:3])
def test_every_page_with_hostile_names_in_every_field(
    payload: str,
    visitor: Visitor,
    app: Flask,
    daemon: StubDaemon,
    write_uci: Callable[[str], None],
) -> None:
    write_uci(hostile(payload))
    hostile_daemon(daemon, payload)
    for path in pages(app, "c7"):
        page = visitor.get(path)
        assert page.status in (200, 404), path
        if page.response.mimetype == "text/html":
            assert_harmless(page.html)
