"""New keys for a client, and the old ones for a while."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fwknop_webui.merge import merge
from fwknop_webui.old_keys import made_from
from fwknop_webui.qr import draw
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci
from fwknopd.policy.stanza import Stanza
from tests.web.clock import HandClock
from tests.web.daemon import NOW, StubDaemon, door
from tests.web.test_client_list import apply, press
from tests.web.test_clients import ANNA, edit, sections, values
from tests.web.test_keys import HMAC, KEY, drawn, show
from tests.web.visitor import Page, Visitor


@pytest.fixture(autouse=True)
def with_clients(write_uci: Callable[[str], None]) -> None:
    write_uci(ANNA)


def rotate(visitor: Visitor, section: str, **typed: str | list[str]) -> Page:
    path = f"/clients/{section}/rotate"
    return visitor.press(visitor.get(path).form(path), "Make new keys", **typed)


def marked(page: Page) -> list[str]:
    """The fields marked as wrong, each of which has its text beside it."""
    found = [a for _tag, a in page.tags if a.get("aria-invalid")]
    texts = {a.get("id") for _tag, a in page.tags}
    assert all({f"e-{a['name']}", *a["aria-describedby"].split()} <= texts for a in found)
    return [a["name"] for a in found]


def stanzas(uci: Path) -> tuple[Stanza, ...]:
    return configuration_from_uci(parse_uci(uci.read_text(), ""), "").stanzas


def test_old_keys_stay_for_a_day_or_the_first_use(
    visitor: Visitor, daemon: StubDaemon, uci: Path, hands: HandClock
) -> None:
    anna, before = sections(uci)[0].id, uci.read_bytes()
    page = rotate(visitor, anna)
    assert "don't work until you press Save & Apply" in page.text
    assert "<path" in page.html
    assert uci.read_bytes() == before
    shown = drawn(page)
    apply(visitor)
    new, _bert, old = sections(uci)
    assert values(new)["KEY_BASE64"] != KEY
    assert drawn(show(visitor, new.id)) == shown
    assert re.fullmatch("old_keys_[0-9a-f]{8}", old.name or "")
    assert values(old)["name"] == "Anna (old keys)"
    assert (values(old)["KEY_BASE64"], values(old)["HMAC_KEY_BASE64"]) == (KEY, HMAC)
    assert values(old)["old_keys_of"] == "Anna"
    assert values(old)["end_at_first_use"] == "1"
    until = int(values(old)["ACCESS_EXPIRE_EPOCH"])
    assert until == int(hands.clock.wall()) + 86400
    for name in ("SOURCE", "OPEN_PORTS", "FW_ACCESS_TIMEOUT", "REQUIRE_SOURCE", "SOMETHING_NEW"):
        assert values(old)[name] == values(new)[name]
    assert "ACCESS_EXPIRE" not in values(old)
    page = visitor.get("/clients")
    assert "Old keys until" in page.text
    assert f'data-moment="{until}"' in page.html
    assert "Edit Anna (old keys)" not in page.text


def test_daemon_knows_whose_old_keys_they_are(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    rotate(visitor, sections(uci)[0].id, hours="2", first_use=[])
    apply(visitor)
    [anna, _bert, old] = stanzas(uci)
    assert (old.old_keys_of, old.end_at_first_use, old.enabled) == ("Anna", False, True)
    assert old.open_ports == anna.open_ports


def test_pressed_twice_the_keys_in_force_are_the_old_ones(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    anna = sections(uci)[0].id
    first = drawn(rotate(visitor, anna, hours="5"))
    second = drawn(rotate(visitor, anna, hours="7"))
    assert first != second
    apply(visitor)
    assert len(sections(uci)) == 3
    assert values(sections(uci)[2])["KEY_BASE64"] == KEY


def test_sent_again_nothing_is_made_anew(visitor: Visitor, uci: Path) -> None:
    # Whoever reloads the page with the QR code has scanned it perhaps.
    path = f"/clients/{sections(uci)[0].id}/rotate"
    form = visitor.get(path).form(path)
    shown = drawn(visitor.press(form, "Make new keys"))
    assert visitor.press(form, "Make new keys").status == 409
    assert drawn(show(visitor, sections(uci)[0].id)) == shown


def test_two_people_rotate_two_clients(uci: Path) -> None:
    base = parse_uci(uci.read_text(), "")
    mine, theirs = (
        made_from(base, client, client, int(NOW), first_use=True)
        for client in base.of_type("access")
    )
    merged = merge(base, mine, theirs)
    assert not merged.conflicts
    old = [section.get("old_keys_of") for section in merged.package.of_type("access")[2:]]
    assert sorted(old) == ["Anna", "bert"]


def test_rotated_again_later_there_are_three(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    anna = sections(uci)[0].id
    for _time in range(2):
        rotate(visitor, anna)
        apply(visitor)
    assert [values(s)["name"] for s in sections(uci)[2:]] == [
        "Anna (old keys)",
        "Anna (old keys 2)",
    ]
    assert visitor.get("/clients").text.count("Old keys until") == 2


def test_without_overlap_nothing_stays(visitor: Visitor, daemon: StubDaemon, uci: Path) -> None:
    rotate(visitor, sections(uci)[0].id, hours="0")
    apply(visitor)
    assert KEY not in uci.read_text()


@pytest.mark.parametrize(
    "hours", ["", "-1", "a day", "1.5", "99999", "0000000024", "\u0661", "9" * 400]
)
def test_bad_time_is_asked_for_again(hours: str, visitor: Visitor, uci: Path) -> None:
    page = rotate(visitor, sections(uci)[0].id, hours=hours, first_use=[])
    assert page.status == 422
    assert "Expecting: a number of hours" in page.text
    assert marked(page) == ["hours"]
    assert page.main_form().value("hours") == hours
    assert not page.main_form().values("first_use")
    assert page.staged == 0


def test_client_without_a_name_gets_one(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA.replace("\toption name 'Anna'\n", ""))
    anna = sections(uci)[0].id
    page = rotate(visitor, anna)
    assert page.status == 422
    assert "Expecting: a name" in page.text
    assert marked(page) == ["name"]
    page = rotate(visitor, anna, name="bert")
    assert "Another client has this name" in page.text
    rotate(visitor, anna, name="Anna")
    apply(visitor)
    assert values(sections(uci)[0])["name"] == "Anna"
    assert values(sections(uci)[2])["old_keys_of"] == "Anna"


def test_named_section_is_known_by_its_name(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    rotate(visitor, "bert")
    apply(visitor)
    assert stanzas(uci)[-1].old_keys_of == "bert"
    assert stanzas(uci)[-1].enabled
    stored = values(sections(uci)[1])
    assert "KEY" not in stored
    assert "HMAC_KEY_BASE64" not in stored, "no HMAC is a choice that rotating does not undo"


def test_old_keys_never_outlive_their_client(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA.replace("ACCESS_EXPIRE '12/31/2099'", f"ACCESS_EXPIRE_EPOCH '{int(NOW) + 60}'"))
    rotate(visitor, sections(uci)[0].id)
    apply(visitor)
    assert values(sections(uci)[2])["ACCESS_EXPIRE_EPOCH"] == str(int(NOW) + 60)


def test_old_keys_follow_their_client(visitor: Visitor, daemon: StubDaemon, uci: Path) -> None:
    anna = sections(uci)[0].id
    rotate(visitor, anna)
    apply(visitor)
    edit(visitor, anna, name="Anne", OPEN_PORTS="tcp/99", service=[], HMAC_DIGEST_TYPE="sha512")  # type: ignore[arg-type]
    old = values(sections(uci)[2])
    assert (old["name"], old["old_keys_of"]) == ("Anne (old keys)", "Anne")
    assert old["OPEN_PORTS"] == "tcp/99"
    assert "HMAC_DIGEST_TYPE" not in old, "that belongs to the keys"
    form = visitor.get(f"/clients/{anna}/delete")
    assert "Its old keys, which still work, go with it." in form.text
    visitor.press(form.form(f"/clients/{anna}/delete"), "Delete")
    apply(visitor)
    assert [section.id for section in sections(uci)] == ["bert"]


TWIN = ANNA[ANNA.index("config access") : ANNA.index("config access 'bert'")]
TWIN = TWIN.replace("'TCP/22 , tcp/8443'", "'tcp/80'").replace("'AAEC", "'AAEE")


def disable(visitor: Visitor, anna: str) -> Page:
    """By the dialog that a client with old keys has."""
    assert f"/clients/{anna}/disable" in visitor.get("/clients").links
    page = visitor.get(f"/clients/{anna}/disable")
    assert "Its old keys, which still work, end with it." in page.text
    return visitor.press(page.form(f"/clients/{anna}/switch"), "Disable")


@pytest.mark.parametrize("how", ["the list", "its form", "all directives", "not applied between"])
def test_who_was_switched_off_does_not_come_back_with_old_keys(
    how: str, visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    anna = sections(uci)[0].id
    rotate(visitor, anna)
    apply(visitor)
    if how == "its form":
        page = edit(visitor, anna, enabled=[])  # type: ignore[arg-type]
        assert "The old keys of Anna will end." in page.text
    elif how == "all directives":
        path = f"/clients/{anna}/advanced"
        visitor.press(visitor.get(path).main_form(), "Save & Apply", **{"v-enabled": "0"})
    else:
        assert "Its old keys end." in disable(visitor, anna).text
        if how == "the list":
            apply(visitor)
    if how != "not applied between":
        assert len(sections(uci)) == 2
        assert not stanzas(uci)[0].enabled
    page = press(visitor, f"/clients/{anna}/switch", "Enable")
    assert "If a phone with them was lost, rotate them first." in page.text
    apply(visitor)
    assert KEY not in uci.read_text()
    assert [stanza.enabled for stanza in stanzas(uci)] == [True, True]


def test_old_keys_of_who_was_switched_off_by_hand_end_when_it_is_enabled(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    anna = sections(uci)[0].id
    rotate(visitor, anna)
    apply(visitor)
    text = uci.read_text()
    write_uci(text.replace("option name 'Anna'", "option name 'Anna'\n\toption enabled '0'", 1))
    assert "Its old keys end." in press(visitor, f"/clients/{anna}/switch", "Enable").text
    apply(visitor)
    assert KEY not in uci.read_text()


def test_keys_of_a_client_that_was_disabled_do_not_go_on(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    anna = sections(uci)[0].id
    rotate(visitor, anna)
    apply(visitor)
    disable(visitor, anna)
    lost = values(sections(uci)[0])["KEY_BASE64"]
    path = f"/clients/{anna}/rotate"
    page = visitor.get(path)
    assert "its old keys don't go on" in page.text
    assert "hours" not in {a.get("name") for _tag, a in page.tags}
    visitor.press(page.form(path), "Make new keys")
    apply(visitor)
    assert KEY not in uci.read_text()
    assert lost not in uci.read_text()
    press(visitor, f"/clients/{anna}/switch", "Enable")
    second = values(sections(uci)[0])["KEY_BASE64"]
    # Not applied yet: the keys in force are still refused.
    rotate(visitor, anna)
    apply(visitor)
    assert second not in uci.read_text()
    assert [stanza.enabled for stanza in stanzas(uci)] == [True, True]


def test_other_keys_typed_for_a_disabled_client_end_its_old_ones(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    anna = sections(uci)[0].id
    rotate(visitor, anna)
    apply(visitor)
    text = uci.read_text()
    write_uci(text.replace("option name 'Anna'", "option name 'Anna'\n\toption enabled '0'", 1))
    assert len(sections(uci)) == 3
    edit(visitor, anna, key=KEY.replace("A", "B"), enabled="1")
    assert len(sections(uci)) == 2


def test_old_keys_of_a_shared_name_are_nobodys(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    rotate(visitor, sections(uci)[0].id)
    apply(visitor)
    # By hand, somebody adds another one of this name, with other rules.
    uci.write_text(uci.read_text() + TWIN)
    anna, _bert, old, twin = sections(uci)
    page = visitor.get("/clients")
    assert "Old keys until" not in page.text
    assert "Edit Anna (old keys)" in page.text
    for client in (anna, twin):
        edit(visitor, client.id, FW_ACCESS_TIMEOUT="99")
        press(visitor, f"/clients/{client.id}/switch", "Disable")
        apply(visitor)
    edit(visitor, anna.id, name="Anne")
    assert sections(uci)[2] == old
    page = edit(visitor, anna.id, "Save", name="Anna")
    assert page.status == 422
    uci.write_text(uci.read_text().replace("'Anne'", "'Anna'"))
    press(visitor, f"/clients/{twin.id}/switch", "Enable")
    apply(visitor)
    page = rotate(visitor, twin.id)
    assert marked(page) == ["name"]
    assert (
        visitor.post(
            f"/clients/{anna.id}/old-keys/end",
            {name: page.main_form().value(name) for name in ("csrf", "base")},
        ).status
        == 409
    )


def test_old_keys_can_be_ended_at_once(visitor: Visitor, daemon: StubDaemon, uci: Path) -> None:
    anna = sections(uci)[0].id
    rotate(visitor, anna)
    apply(visitor)
    page = visitor.get(f"/clients/{anna}/rotate")
    visitor.press(page.form(f"/clients/{anna}/old-keys/end"), "End the old keys now")
    apply(visitor)
    assert len(sections(uci)) == 2
    assert values(sections(uci)[0])["KEY_BASE64"] != KEY


def test_keys_that_were_removed_meanwhile_are_no_conflict(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    anna = sections(uci)[0].id
    rotate(visitor, anna)
    apply(visitor)
    text = uci.read_text()
    uci.write_text(text[: text.index("config access 'old_keys_")])
    page = visitor.get("/clients")
    assert "Old keys" not in page.text
    assert edit(visitor, anna, FW_ACCESS_TIMEOUT="99").status == 200


def test_keys_are_shown_only_after_a_recent_password(
    visitor: Visitor, uci: Path, hands: HandClock
) -> None:
    from fwknop_webui.sessions import FRESH_SECONDS

    hands.forward(FRESH_SECONDS)
    page = rotate(visitor, sections(uci)[0].id)
    assert "Give your password again" in page.text
    assert "<path" not in page.html


def test_who_has_no_keys_has_none_to_rotate(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    write_uci(ANNA.replace("KEY 'a passphrase'", "KEY '__CHANGEME__'"))
    assert "/clients/bert/rotate" not in visitor.get("/clients").links
    assert rotate(visitor, "bert").status == 422


def test_old_page_can_not_rotate_another_client(
    visitor: Visitor, uci: Path, write_uci: Callable[[str], None]
) -> None:
    anna = sections(uci)[0].id
    form = visitor.get(f"/clients/{anna}/rotate").form(f"/clients/{anna}/rotate")
    write_uci(ANNA.replace("'Anna'", "'Other'"))
    assert visitor.press(form, "Make new keys").status == 409


@pytest.mark.parametrize("why", ["used", "time"])
def test_keys_that_are_over_are_removed_with_the_next_apply(
    why: str, visitor: Visitor, daemon: StubDaemon, uci: Path, hands: HandClock
) -> None:
    rotate(visitor, sections(uci)[0].id, hours="1")
    apply(visitor)
    if why == "used":
        daemon.clients = [{"number": 3, "label": "Anna (old keys)", "ended": True}]
    else:
        hands.forward(1800)
        assert "are over" not in visitor.get("/clients").text
        hands.forward(1801)
    assert "Old keys are over: Save & Apply removes them" in visitor.get("/clients").text
    assert len(sections(uci)) == 3
    apply(visitor)
    assert len(sections(uci)) == 2


def test_gpg_client_gets_another_hmac_key_and_keeps_the_old_one_too(
    visitor: Visitor, daemon: StubDaemon, uci: Path, write_uci: Callable[[str], None]
) -> None:
    gpg = (
        f"GPG_ALLOW_NO_PW 'Y'\n\toption GPG_REMOTE_ID 'BF48D714'\n\toption HMAC_KEY_BASE64 '{HMAC}'"
    )
    write_uci(ANNA.replace("KEY 'a passphrase'", gpg))
    page = rotate(visitor, "bert")
    assert "export the router's public key" in page.text
    shown = drawn(page)
    assert "USE_GPG Y" in page.text
    assert "KEY_BASE64 " not in page.text.replace("HMAC_KEY_BASE64 ", "")
    apply(visitor)
    bert, old = sections(uci)[1:]
    assert values(bert)["HMAC_KEY_BASE64"] != values(old)["HMAC_KEY_BASE64"] == HMAC
    assert shown == draw(f"HMAC_KEY_BASE64:{values(bert)['HMAC_KEY_BASE64']}").path
    assert values(old)["GPG_REMOTE_ID"] == "BF48D714"
    assert "KEY_BASE64" not in values(bert)


def test_old_keys_follow_what_is_changed_under_all_directives(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    rotate(visitor, "bert")
    apply(visitor)
    page = visitor.get("/clients/bert/advanced")
    visitor.press(page.main_form(), "Save & Apply", **{"v-OPEN_PORTS": "tcp/99"})
    assert [values(section).get("OPEN_PORTS") for section in sections(uci)[1:]] == ["tcp/99"] * 2


def test_who_came_in_with_old_keys_is_connected_and_can_be_revoked(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    rotate(visitor, sections(uci)[0].id)
    apply(visitor)
    daemon.doors = [door(client="Anna (old keys)")]
    daemon.clients = [{"number": 3, "label": "Anna (old keys)", "last_knock": NOW - 7}]
    page = visitor.get("/clients")
    assert "connected" in page.text
    assert f'data-ago="{NOW - 7}"' in page.html
    [link] = [link for link in page.links if link.startswith("/revoke")]
    assert "Close this door now?" in visitor.get(link).text
