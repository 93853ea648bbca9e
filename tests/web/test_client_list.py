"""The list of clients: found, put in order, cloned, applied and reset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.web.daemon import StubDaemon, door
from tests.web.test_clients import ANNA, add, sections, values
from tests.web.visitor import Page, Visitor

CARLA = """
config access
\toption SOURCE 'ANY'
\toption name 'Carla'
\toption KEY 'third'
\toption enabled '0'

config config
\toption ENABLE_IPT_FORWARDING 'Y'

"""


@pytest.fixture(autouse=True)
def with_clients(write_uci: Callable[[str], None]) -> None:
    write_uci(ANNA + CARLA)


def names(uci: Path) -> list[str]:
    return [section.get("name") or section.id for section in sections(uci)]


def press(visitor: Visitor, action: str, button: str) -> Page:
    return visitor.press(visitor.get("/clients").row_form(action), button)


def apply(visitor: Visitor, button: str = "Save & Apply") -> Page:
    return visitor.press(visitor.get("/clients").form("/clients"), button)


def move(visitor: Visitor, section: str, way: str, name: str) -> Page:
    arrow = {"up": "▲", "down": "▼"}[way]
    return press(visitor, f"/clients/{section}/move", f"{arrow}Move {way} {name}")


def test_order_is_changed_and_applied_from_the_list(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    carla = sections(uci)[2].id
    page = move(visitor, carla, "up", "Carla")
    assert page.staged == 1
    assert page.response.request.path == "/clients"
    # Back at the very button, to press it again.
    place = page.response.history[-1].headers["Location"].partition("#")[2]
    [found] = [found for _tag, found in page.tags if found.get("id") == place]
    assert (found["data-move"], "autofocus" in found) == ("ArrowUp", True)
    move(visitor, carla, "up", "Carla")
    assert names(uci) == ["Anna", "bert", "Carla"]
    page = apply(visitor)
    assert names(uci) == ["Carla", "Anna", "bert"]
    assert page.staged == 0
    assert "config config" in uci.read_text(), "what is no client keeps its place"
    assert uci.read_text().index("Anna") < uci.read_text().index("config config")


def test_order_ends_at_the_ends(visitor: Visitor, uci: Path) -> None:
    anna, carla = sections(uci)[0].id, sections(uci)[2].id
    form = visitor.get("/clients").form("/clients")
    ways = [(action, value) for _text, _name, value, action in form.buttons if "/move" in action]
    assert (f"/clients/{anna}/move", "up") not in ways
    assert (f"/clients/{carla}/move", "down") not in ways
    csrf, base = form.value("csrf"), form.value("base")
    page = visitor.post(f"/clients/{anna}/move", {"csrf": csrf, "base": base, "do": "up"})
    assert page.staged == 0


def test_moving_back_leaves_nothing_to_apply(visitor: Visitor, uci: Path) -> None:
    anna = sections(uci)[0].id
    assert move(visitor, anna, "down", "Anna").staged == 1
    assert move(visitor, anna, "up", "Anna").staged == 0


def test_reset_forgets_what_was_done_to_clients_and_nothing_else(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    before = uci.read_text()
    visitor.press(visitor.get("/settings").form("/settings"), "Save", MAX_SPA_PACKET_AGE="77")
    add(visitor, "Save", name="Dora")
    move(visitor, sections(uci)[2].id, "up", "Carla")
    press(visitor, "/clients/bert/switch", "Disable")
    page = apply(visitor, "Reset")
    assert "unsaved changes were reverted" in page.text
    assert page.staged == 1
    apply(visitor)
    kept = "\toption ENABLE_IPT_FORWARDING 'Y'\n\toption MAX_SPA_PACKET_AGE '77'\n"
    assert uci.read_text() == before.replace("\toption ENABLE_IPT_FORWARDING 'Y'\n", kept).replace(
        "\n\n\n", "\n\n"
    )
    assert "nothing to reset" in apply(visitor, "Reset").text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=anna", ["Anna"]),
        ("?q=192.0.2", ["bert"]),
        ("?q=TCP/8443 anna", ["Anna"]),
        ("?state=disabled", ["Carla"]),
        ("?state=disabled&q=anna", []),
        ("?q=<b>", []),
        ("?state=nonsense", []),
    ],
)
def test_search_works_without_scripts(query: str, found: list[str], visitor: Visitor) -> None:
    page = visitor.get(f"/clients{query}")
    shown = [name for name in ("Anna", "bert", "Carla") if f"Edit {name}" in page.text]
    assert shown == found
    assert f"{len(found)} of 3 clients" in page.text
    assert "Move up" not in page.text, "rows have no neighbours here"
    assert ("No client fits" in page.text) == (not found)


def test_clone_has_the_rules_and_keys_of_its_own(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    anna = sections(uci)[0]
    page = visitor.get(f"/clients/add?from={anna.id}")
    assert page.main_form().value("name") == "Anna (copy)"
    assert page.staged == 0
    assert "KEY_BASE64 'AAEC" not in page.html
    visitor.press(page.main_form(), "Save & Apply")
    made, rules = values(sections(uci)[-1]), values(anna)
    for name in ("OPEN_PORTS", "FW_ACCESS_TIMEOUT", "SOMETHING_NEW", "ACCESS_EXPIRE", "SOURCE"):
        assert made[name].replace(" ", "").lower() == rules[name].replace(" ", "").lower()
    assert made["REQUIRE_SOURCE_ADDRESS"] == "Y"
    for name in ("KEY_BASE64", "HMAC_KEY_BASE64"):
        assert made[name] != rules[name]


def test_clone_of_nobody_is_not_found(visitor: Visitor) -> None:
    for section in ("nobody", "cfg013fd6"):
        assert visitor.get(f"/clients/add?from={section}").status == 404


def test_who_has_an_open_door_can_be_revoked(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.doors = [door(client="Anna")]
    page = visitor.get("/clients")
    assert "connected" in page.text
    assert "/revoke?client=Anna&back=clients" in page.links
    assert "/revoke?client=bert&back=clients" not in page.links


def test_list_without_a_daemon(visitor: Visitor) -> None:
    page = visitor.get("/clients")
    assert page.status == 200
    assert "Daemon not running" in page.text
    assert "Revoke" not in page.text


def test_order_that_the_uci_command_left_pending_is_what_is_shown_and_moved(
    visitor: Visitor, daemon: StubDaemon, uci: Path, tmp_path: Path
) -> None:
    delta = tmp_path / "delta"
    delta.mkdir(mode=0o700)
    (delta / "fwknopd").write_text("^fwknopd.bert='1'\n")
    (delta / "fwknopd").chmod(0o600)
    html = visitor.get("/clients").html
    assert html.index("/clients/bert") < html.index("Anna")
    carla = sections(uci)[2].id
    move(visitor, carla, "up", "Carla")
    apply(visitor)
    assert names(uci) == ["bert", "Carla", "Anna"]
    assert (delta / "fwknopd").read_text() == ""


def test_list_of_a_configuration_the_daemon_would_not_take(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA.replace("192.0.2.0/24", "nonsense"))
    page = visitor.get("/clients")
    assert page.status == 200
    assert "The daemon will not take this configuration" in page.text
    before = uci.read_bytes()
    anna = sections(uci)[0].id
    for path in (f"/clients/{anna}", f"/clients/{anna}/rotate", f"/clients/add?from={anna}"):
        assert visitor.get(path).status == 200
    form = visitor.get(f"/clients/{anna}/rotate").form(f"/clients/{anna}/rotate")
    assert "<path" in visitor.press(form, "Make new keys").html
    assert "would not take" in apply(visitor).text
    assert uci.read_bytes() == before


def test_file_that_is_no_uci_is_told(visitor: Visitor, uci: Path) -> None:
    uci.write_text("config access 'unterminated\n")
    for path in ("/clients", "/clients/bert", "/clients/bert/rotate"):
        page = visitor.get(path)
        assert page.status == 409
        assert "unterminated" in page.text or "line 1" in page.text
