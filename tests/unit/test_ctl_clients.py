"""fwknopctl apply and client: what tools of fleets and people change in UCI, and what not."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fwknopd.config.old_key_sections import OWNER, end_of, owners
from fwknopd.config.uci_config import uci_enabled
from fwknopd.config.uci_model import UciPackage, UciSection
from fwknopd.configuration import load_uci
from fwknopd.ctl import main
from fwknopd.ctl.arguments import parse
from fwknopd.uci_store import Loaded, UciStore
from tests.interop.example_keys import HMAC_KEY_BASE64, KEY_BASE64

Capsys = pytest.CaptureFixture[str]

OTHER_KEY = "B" * 43 + "="
KEYS = {"KEY_BASE64": KEY_BASE64, "HMAC_KEY_BASE64": HMAC_KEY_BASE64}
NEW_KEYS = {"KEY_BASE64": OTHER_KEY, "HMAC_KEY_BASE64": HMAC_KEY_BASE64}
ANNA = {"name": "anna", "options": {"OPEN_PORTS": ["tcp/22", "udp/53"]}, "keys": KEYS}
FILE = f"""
config access
\toption name 'bob'
\toption note 'his old phone'
\toption SOURCE '192.0.2.0/24'
\toption FW_ACCESS_TIMEOUT '60'
\toption KEY 'bobs own words'
\toption HMAC_KEY_BASE64 '{HMAC_KEY_BASE64}'

config config
\toption ENABLE_IPT_FORWARDING 'Y'
"""


class Router:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
        self.uci = folder / "fwknopd_test"
        self.uci.touch(mode=0o600)
        self.uci.write_text(FILE)
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def run(self, *arguments: str, said: str = "") -> tuple[int, str]:
        stdin = io.TextIOWrapper(io.BytesIO(said.encode()))
        self._monkeypatch.setattr(sys, "stdin", stdin)
        end = arguments.index("--") if "--" in arguments else len(arguments)
        code = main([*arguments[:end], "--uci", str(self.uci), *arguments[end:]])
        captured = self._capsys.readouterr()
        told = captured.out + captured.err
        assert not any(key in told for key in (KEY_BASE64, OTHER_KEY, HMAC_KEY_BASE64, "bobs own"))
        return code, told

    def apply(self, document: object, *arguments: str) -> dict[str, Any]:
        code, told = self.run("apply", "--json", *arguments, said=json.dumps(document))
        assert code == 0, told
        answer: dict[str, Any] = json.loads(told)
        return answer

    def refused(self, document: object, *arguments: str) -> str:
        before = self.uci.read_bytes()
        code, told = self.run("apply", *arguments, said=json.dumps(document))
        assert (code, self.uci.read_bytes()) == (1, before)
        return told

    @property
    def package(self) -> UciPackage:
        return UciStore(self.uci).load().package

    def client(self, name: str) -> UciSection | None:
        found = [s for s in self.package.of_type("access") if s.get("name") == name]
        return found[0] if found else None

    def old_keys(self, name: str) -> list[UciSection]:
        return owners(self.package).get(name, [])


@pytest.fixture
def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> Router:
    return Router(tmp_path, monkeypatch, capsys)


def test_what_is_wanted_is_made_once(router: Router) -> None:
    document = {
        "enabled": True,
        "network": "uplink",
        "settings": {"ENABLE_IPT_SNAT": False, "MAX_SPA_PACKET_AGE": 60},
        "clients": [ANNA],
    }
    before = router.uci.read_bytes()
    looked = router.apply(document, "--check")
    assert (looked["changed"], looked["written"]) == (True, False)
    assert router.uci.read_bytes() == before
    made = router.apply(document)
    assert (made["changed"], made["written"]) == (True, True)
    assert made["after"] == looked["after"]
    assert "\toption KEY_BASE64 '******** (new)'" in made["after"]
    again = router.apply(document)
    assert (again["changed"], again["written"], again["after"]) == (False, False, [])
    loaded = load_uci(router.uci)
    assert loaded is not None
    assert loaded.network == "uplink"
    assert loaded.settings.max_spa_packet_age == 60
    assert not loaded.settings.enable_ipt_snat
    assert [stanza.name for stanza in loaded.stanzas] == ["bob", "anna"]
    assert sorted(map(str, loaded.stanzas[1].open_ports or ())) == ["tcp/22", "udp/53"]


def test_a_clients_options_are_all_its_rules_and_keep_what_people_wrote(router: Router) -> None:
    router.apply({"clients": [{"name": "bob", "options": {"REQUIRE_SOURCE_ADDRESS": True}}]})
    bob = router.client("bob")
    assert bob is not None
    assert {option.name: option.text for option in bob.options} == {
        "name": "bob",
        "note": "his old phone",
        "SOURCE": "ANY",
        "KEY": "bobs own words",
        "HMAC_KEY_BASE64": HMAC_KEY_BASE64,
        "REQUIRE_SOURCE_ADDRESS": "Y",
    }


def test_other_keys_replace_the_old_ones_at_once_or_with_an_overlap(router: Router) -> None:
    router.apply({"clients": [ANNA]})
    rotated = {**ANNA, "keys": NEW_KEYS, "overlap_hours": 2, "end_at_first_use": True}
    router.apply({"clients": [rotated]})
    [old] = router.old_keys("anna")
    assert (old.get("KEY_BASE64"), old.get("end_at_first_use")) == (KEY_BASE64, "1")
    assert 7190 < end_of(old) - time.time() <= 7200
    assert not router.apply({"clients": [rotated]})["changed"]
    narrowed = {**rotated, "options": {"OPEN_PORTS": "tcp/22"}}
    router.apply({"clients": [narrowed]})
    assert router.old_keys("anna")[0].get("OPEN_PORTS") == "tcp/22"
    # Who takes the rotation back gets no end for the keys that are in force again.
    router.apply({"clients": [{**ANNA, "overlap_hours": 2}]})
    [old] = router.old_keys("anna")
    assert old.get("KEY_BASE64") == OTHER_KEY
    bob = {"name": "bob", "keys": {"KEY_BASE64": OTHER_KEY}}
    router.apply({"clients": [bob]})
    section = router.client("bob")
    assert section is not None
    assert (section.get("KEY"), router.old_keys("bob")) == ("", [])
    assert section.get("FW_ACCESS_TIMEOUT") == "60"


@pytest.mark.parametrize("state", ["revoked", "absent"])
def test_a_client_is_revoked_or_deleted_with_its_old_keys(router: Router, state: str) -> None:
    router.apply({"clients": [ANNA]})
    router.apply({"clients": [{**ANNA, "keys": NEW_KEYS, "overlap_hours": 24}]})
    document = {"clients": [{"name": "anna", "state": state}]}
    assert router.apply(document)["changed"]
    assert not router.apply(document)["changed"]
    assert not [s for s in router.package.of_type("access") if s.get(OWNER)]
    anna = router.client("anna")
    assert (anna is None) == (state == "absent")
    assert anna is None or anna.get("enabled") == "0"
    # Who says nothing of its state lets nobody in again.
    router.apply({"clients": [ANNA]})
    back = router.client("anna")
    assert back is not None and (back.get("enabled") == "0") == (state == "revoked")
    router.apply({"clients": [{**ANNA, "state": "present"}]})
    back = router.client("anna")
    assert back is not None and back.option("enabled") is None
    assert not router.apply({"clients": [{"name": "nobody", "state": state}]})["changed"]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"options": {"OPEN_PORTS": ["tcp/22"]}},
        {"keys": KEYS},
        *({"state": state} for state in ("present", "revoked", "absent")),
    ],
)
def test_old_keys_are_no_client(router: Router, wanted: dict[str, Any]) -> None:
    """As one they would work for good."""
    router.apply({"clients": [ANNA]})
    router.apply({"clients": [{**ANNA, "keys": NEW_KEYS, "overlap_hours": 1}]})
    [old] = router.old_keys("anna")
    told = router.refused({"clients": [{"name": "anna (old keys)", **wanted}]})
    assert "anna (old keys) are old keys of the client anna, and no client" in told
    code, told = router.run("client", "restore", "anna (old keys)")
    assert (code, router.old_keys("anna")) == (1, [old])
    table = f"name,KEY_BASE64,HMAC_KEY_BASE64\nanna (old keys),{KEY_BASE64},{HMAC_KEY_BASE64}\n"
    code, told = router.run("import", "--csv", "-", "--force", "--apply", said=table)
    assert (code, router.old_keys("anna")) == (1, [old])
    assert "are old keys of the client anna" in told


def test_who_comes_back_has_no_old_keys(router: Router) -> None:
    """They may be a lost phone's; whoever switched the client off may have left them there."""
    router.apply({"clients": [ANNA]})
    router.apply({"clients": [{"name": "anna", "keys": NEW_KEYS, "overlap_hours": 24}]})
    assert len(router.old_keys("anna")) == 1
    text = router.uci.read_text()
    router.uci.write_text(text.replace("name 'anna'", "name 'anna'\n\toption enabled '0'", 1))
    assert router.run("client", "restore", "anna")[0] == 0
    assert router.old_keys("anna") == []
    assert router.run("client", "list")[1].count("revoked") == 0


@pytest.mark.parametrize("word", ["0", "No", "off # lost"])
def test_revoked_keys_stay_so_when_others_come(router: Router, word: str) -> None:
    router.apply({"clients": [ANNA]})
    router.uci.write_text(
        router.uci.read_text().replace("'anna'", f"'anna'\n option enabled '{word}'")
    )
    rotated = {**ANNA, "keys": NEW_KEYS, "overlap_hours": 24}
    router.apply({"clients": [rotated]})
    assert router.old_keys("anna") == []
    assert KEY_BASE64 not in router.uci.read_text()
    anna = router.client("anna")
    assert anna is not None and anna.get("enabled") == word
    router.apply({"clients": [{**rotated, "state": "present"}]})
    anna = router.client("anna")
    assert anna is not None and anna.option("enabled") is None
    assert router.old_keys("anna") == []


def test_old_keys_of_who_was_switched_off_elsewhere_do_not_come_back_with_others(
    router: Router,
) -> None:
    router.apply({"clients": [ANNA]})
    router.apply({"clients": [{**ANNA, "keys": NEW_KEYS, "overlap_hours": 24}]})
    # As the web page does it.
    switched = "\toption SOURCE 'ANY'\n\toption enabled '0'\n"
    router.uci.write_text(router.uci.read_text().replace("\toption SOURCE 'ANY'\n", switched))
    third = {**NEW_KEYS, "KEY_BASE64": "C" * 43 + "="}
    router.apply({"clients": [{**ANNA, "keys": third, "overlap_hours": 24}]})
    assert router.old_keys("anna") == []


def test_an_exclusive_list_leaves_nobody_else(router: Router) -> None:
    router.apply({"clients": [ANNA]})
    router.apply({"clients": [{**ANNA, "keys": NEW_KEYS, "overlap_hours": 1}], "exclusive": True})
    assert router.client("bob") is None
    assert len(router.old_keys("anna")) == 1
    router.apply({"exclusive": True})
    assert router.package.of_type("access") == ()


def test_what_is_not_wanted_any_more_is_taken_away(router: Router) -> None:
    router.apply({"settings": {"ENABLE_IPT_FORWARDING": None}, "enabled": True})
    assert router.package.of_type("config")[0].options == ()
    assert uci_enabled(router.package)
    router.apply({"enabled": False})
    assert not uci_enabled(router.package)
    assert not router.apply({"enabled": False})["changed"]
    # What says neither on nor off is no off yet.
    router.uci.write_text(
        router.uci.read_text().replace("uci_enabled '0'", "uci_enabled '{{ x }}'")
    )
    assert router.apply({"enabled": False})["changed"]
    assert router.package.of_type("global")[0].get("uci_enabled") == "0"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param([], "no object", id="a list"),
        pytest.param({"client": []}, "client: there is no such member", id="member"),
        pytest.param({"clients": [{}]}, "clients[0].name: the client has no name", id="no name"),
        pytest.param({"clients": [ANNA, ANNA]}, "anna is there twice", id="twice"),
        pytest.param({"clients": {"name": "a"}}, "this is no list", id="no list"),
        pytest.param({"clients": [{**ANNA, "state": "gone"}]}, "this is no state", id="state"),
        pytest.param(
            {"clients": [{**ANNA, "options": {"OPEN_PORT": "tcp/22"}}]},
            "clients[0].options.OPEN_PORT: there is no such option",
            id="misspelt",
        ),
        pytest.param({"clients": [{**ANNA, "options": KEYS}]}, "Put it under keys", id="secret"),
        pytest.param({"clients": [{**ANNA, "keys": {"SOURCE": "ANY"}}]}, "is no key", id="no key"),
        pytest.param(
            {"clients": [{**ANNA, "options": {"enabled": "1"}}]}, "not for options", id="enabled"
        ),
        pytest.param(
            {"clients": [{**ANNA, "overlap_hours": -1}]}, "no number of hours", id="hours"
        ),
        pytest.param({"enabled": "yes"}, "neither true nor false", id="enabled by a word"),
        pytest.param({"network": ""}, "no network's name", id="network"),
        pytest.param({"network": "a b;c $(x)"}, "no network's name", id="network of a shell"),
        pytest.param({"network": "wan\0x"}, "no network's name", id="network with a control"),
        pytest.param(
            {"clients": [{**ANNA, "options": {"note": "a\0b"}}]},
            "clients[0].options.note: the value has a control character",
            id="control character",
        ),
        pytest.param(
            {"clients": [{**ANNA, "name": "\ud800"}]}, "no file can hold", id="half a letter"
        ),
        pytest.param({"settings": {"X": "1"}}, "settings.X: there is no such", id="setting"),
        pytest.param({"settings": {"MAX_SPA_PACKET_AGE": {}}}, "no value", id="value"),
        pytest.param({"settings": {"MAX_SPA_PACKET_AGE": "x"}}, "MAX_SPA_PACKET_AGE", id="number"),
        pytest.param({"clients": [{"name": "eve"}]}, "client eve: there is no key", id="no keys"),
        pytest.param(
            {"clients": [{**ANNA, "keys": {"KEY_BASE64": "***"}}]}, "KEY_BASE64", id="no base64"
        ),
        pytest.param(
            {"clients": [{**ANNA, "keys": {"KEY": "aaaaaaaa"}}]}, "one character", id="weak"
        ),
        pytest.param(
            {"clients": [{**ANNA, "keys": dict.fromkeys(("KEY", "HMAC_KEY"), "one of two")}]},
            "same as the encryption key",
            id="twice the same",
        ),
        pytest.param(
            {"clients": [{**ANNA, "options": {"OPEN_PORTS": "22"}}]}, "OPEN_PORTS", id="port"
        ),
    ],
)
def test_what_cant_be_is_refused_and_changes_nothing(
    router: Router, document: object, said: str
) -> None:
    assert said in router.refused(document)
    assert said in router.refused(document, "--check")


def test_networks_are_named_with_single_blanks(router: Router) -> None:
    router.apply({"network": " wan  wan6\n"})
    assert router.package.of_type("network")[0].get("network") == "wan wan6"


def test_a_name_that_two_have_is_nobodys(router: Router) -> None:
    router.uci.write_text(FILE + FILE)
    assert "several clients are called bob" in router.refused({"clients": [{"name": "bob"}]})
    code, told = router.run("client", "add", "bob")
    assert code == 1 and "several clients are called bob" in told


def test_changes_of_others_that_wait_are_not_committed(
    router: Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    savedir = tmp_path / "savedir"
    savedir.mkdir(mode=0o700)
    monkeypatch.setattr("fwknopd.uci_store.UciStore.__init__.__defaults__", (savedir, 1.0))
    (savedir / "fwknopd_test").write_text("fwknopd_test.new='other'\n")
    (savedir / "fwknopd_test").chmod(0o600)
    assert "not committed yet" in router.refused({"clients": [ANNA]})
    assert "not committed yet" in router.refused({"clients": [ANNA]}, "--check")


# By hand


def test_a_client_is_added_rotated_revoked_restored_and_deleted(router: Router) -> None:
    code, told = router.run("client", "add", "anna", "--set", "OPEN_PORTS=tcp/22")
    assert code == 0 and "fwknopctl qr " in told and "--client=anna" in told
    first = router.client("anna")
    assert first is not None and len(first.get("HMAC_KEY_BASE64")) == 88
    assert router.run("client", "add", "anna")[0] == 1
    assert router.run("client", "rotate", "anna", "--overlap", "3", "--until-used")[0] == 0
    second = router.client("anna")
    assert second is not None and second.get("KEY_BASE64") != first.get("KEY_BASE64")
    assert router.old_keys("anna")[0].get("KEY_BASE64") == first.get("KEY_BASE64")
    assert "yes, and old ones" in router.run("client", "list")[1]
    code, told = router.run("client", "revoke", "anna", "--check")
    assert code == 0 and "Nothing is written." in told and router.old_keys("anna")
    assert router.run("client", "revoke", "anna")[0] == 0
    answer = json.loads(router.run("client", "list", "--json")[1])
    states = {item["name"]: (item["state"], item["old_keys"]) for item in answer["clients"]}
    assert states == {"bob": ("present", 0), "anna": ("revoked", 0)}
    assert router.run("client", "restore", "anna")[0] == 0
    assert json.loads(router.run("client", "delete", "anna", "--json")[1])["changed"]
    assert router.client("anna") is None
    router.uci.write_text(router.uci.read_text().replace("'bob'", "'bob'\n option enabled 'No'"))
    assert "revoked" in router.run("client", "list")[1]
    assert not json.loads(router.run("client", "revoke", "bob", "--json")[1])["changed"]
    code, told = router.run("client", "delete", "anna")
    assert code == 1 and "It has: bob" in told


def test_keys_come_from_standard_input_and_never_from_the_command_line(router: Router) -> None:
    said = "".join(f"{name}: {value}\n" for name, value in KEYS.items())
    assert router.run("client", "add", "anna", "--stdin", said=said)[0] == 0
    anna = router.client("anna")
    assert anna is not None and anna.get("KEY_BASE64") == KEY_BASE64
    said = said.replace(KEY_BASE64, OTHER_KEY)
    assert router.run("client", "rotate", "anna", "--stdin", "--overlap", "0", said=said)[0] == 0
    anna = router.client("anna")
    assert anna is not None and anna.get("KEY_BASE64") == OTHER_KEY
    assert router.old_keys("anna") == []


def test_rotating_a_revoked_client_lets_nobody_in(router: Router) -> None:
    assert router.run("client", "add", "anna")[0] == 0
    first = router.client("anna")
    assert router.run("client", "revoke", "anna")[0] == 0
    code, told = router.run("client", "rotate", "anna")
    assert code == 0 and "fwknopctl client restore " in told
    second = router.client("anna")
    assert first is not None and second is not None
    assert second.get("KEY_BASE64") != first.get("KEY_BASE64")
    assert (second.get("enabled"), router.old_keys("anna")) == ("0", [])
    assert router.run("client", "restore", "anna")[0] == 0
    assert first.get("KEY_BASE64") not in router.uci.read_text()


@pytest.mark.parametrize("action", ["add", "rotate", "revoke"])
def test_what_another_one_does_meanwhile_is_left_alone(
    router: Router, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    if action != "add":
        assert router.run("client", "add", "anna")[0] == 0
    loaded = UciStore.load

    def load(store: UciStore) -> Loaded:
        found = loaded(store)
        text = router.uci.read_text()
        router.uci.write_text(
            text + FILE.replace("'bob'", "'anna'" if action == "add" else "'eve'")
        )
        return found

    monkeypatch.setattr(UciStore, "load", load)
    code, told = router.run("client", action, "anna")
    assert code == 1 and "by another program meanwhile" in told
    assert "Run it again." in told and "page" not in told
    monkeypatch.undo()
    other = router.client("anna" if action == "add" else "eve")
    assert other is not None and other.get("KEY") == "bobs own words"


def test_rotating_makes_keys_of_the_kind_there_is(router: Router) -> None:
    assert router.run("client", "rotate", "bob", "--overlap", "0")[0] == 0
    bob = router.client("bob")
    assert bob is not None
    assert (bob.get("KEY"), len(bob.get("KEY_BASE64"))) == ("", 44)
    assert re.fullmatch(r"[A-Za-z0-9+/]{86}==", bob.get("HMAC_KEY_BASE64"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "eve", "--set", "OPEN_PORTS"), "the value is missing"),
        (("add", "eve", "--set", "OPEN_PORT=tcp/22"), "there is no such option"),
        (("rotate", "eve"), "It has: bob"),
        (("rotate", "bob", "--overlap", "-1"), "no number of hours"),
    ],
    ids=["no value", "misspelt", "nobody", "hours"],
)
def test_mistakes_at_the_keyboard_are_told(
    router: Router, arguments: tuple[str, ...], said: str
) -> None:
    before = router.uci.read_bytes()
    code, told = router.run("client", *arguments)
    assert (code, router.uci.read_bytes()) == (1, before)
    assert said in told


@pytest.mark.parametrize("name", ["it's $(touch X)", "a; reboot", "--help", "plain"])
def test_a_command_to_paste_is_one_command_whatever_a_client_is_called(
    router: Router, name: str
) -> None:
    code, told = router.run("client", "add", "--", name)
    assert code == 0
    [line] = [line for line in told.splitlines() if "Its keys: " in line]
    words = shlex.split(line.partition("Its keys: ")[2])
    assert words == ["fwknopctl", "qr", f"--uci={router.uci}", f"--client={name}"]
    assert parse(words[1:]).client == name
    router.run("client", "revoke", "--", name)
    told = router.run("client", "rotate", "--", name)[1]
    words = shlex.split(told.rpartition("with the new ones: ")[2])
    assert words[:3] == ["fwknopctl", "client", "restore"]
    assert (parse(words[1:]).name, parse(words[1:]).uci) == (name, str(router.uci))


# What may not have been meant


def told_of(router: Router, client: dict[str, Any]) -> list[str]:
    return [item["message"] for item in router.apply({"clients": [client]})["warnings"]]


def test_nobody_to_revoke_is_told_and_is_no_error(router: Router) -> None:
    nobody = {"name": "ana", "state": "revoked"}
    assert told_of(router, nobody) == ["there is no client ana here: nothing to revoke"]
    code, told = router.run("apply", said=json.dumps({"clients": [nobody]}))
    assert code == 0 and "there is no client ana here" in told
    assert told_of(router, {"name": "ana", "state": "absent"}) == []
    assert told_of(router, {"name": "bob", "state": "revoked"}) == []
    assert told_of(router, {"name": "bob", "state": "revoked"}) == []


@pytest.mark.parametrize("empty", ["", [], None, [""]], ids=["text", "list", "null", "item"])
def test_ports_without_a_value_open_every_port_and_that_is_told(
    router: Router, empty: object
) -> None:
    every_port = {**ANNA, "options": {"OPEN_PORTS": empty}}
    [told] = told_of(router, every_port)
    assert told == "client anna may open every port, as OPEN_PORTS is given without a value"
    # By the run that makes it so, and not day by day.
    assert told_of(router, every_port) == []
    assert told_of(router, {**ANNA, "options": {}}) == []
    assert told_of(router, ANNA) == []


def test_a_key_without_a_value_is_told_where_there_is_none(router: Router) -> None:
    keys = {"KEY_BASE64": KEY_BASE64, "HMAC_KEY_BASE64": ""}
    [told] = told_of(router, {**ANNA, "keys": keys})
    assert told == "client anna has no HMAC key, as HMAC_KEY_BASE64 is given without a value"
    assert told_of(router, {**ANNA, "keys": keys}) == []
    assert told_of(router, {"name": "bob", "keys": {"HMAC_KEY": ""}}) == []


def test_ports_without_a_value_are_told_at_the_keyboard(router: Router) -> None:
    code, told = router.run("client", "add", "eve", "--set", "OPEN_PORTS=")
    assert code == 0 and "client eve may open every port" in told
    assert "every port" not in router.run("client", "add", "fay")[1]


def test_faults_name_the_client_and_not_a_file_that_is_none_of_theirs(router: Router) -> None:
    bert = {**ANNA, "name": "bert", "options": {"OPEN_PORTS": "tcp/99999"}}
    told = router.refused({"clients": [ANNA, bert, {"name": "eve"}]})
    assert told.startswith("fwknopctl: client bert: OPEN_PORTS: 'tcp/99999' ")
    assert str(router.uci) not in told
    told = router.refused({"clients": [{"name": "eve"}]})
    assert told.startswith("fwknopctl: client eve: there is no key")


def test_every_fault_is_told_at_once_up_to_twenty(router: Router) -> None:
    wrong = [{**ANNA, "name": f"c{n}", "options": {"OPEN_PORTS": "tcp/99999"}} for n in range(23)]
    told = router.refused({"clients": wrong})
    for number in range(20):
        assert f"client c{number}: OPEN_PORTS" in told
    assert "client c20" not in told and "There are 3 more of them." in told
    assert "exit-parse-config" not in told
    answer = json.loads(router.refused({"clients": wrong[:2]}, "--json"))
    assert answer["error"]["message"].startswith("client c0: ")
    [other] = answer["error"]["others"]
    assert other.startswith("client c1: ")


# A list


def test_who_is_left_out_by_the_daemon_is_not_called_present(router: Router) -> None:
    router.uci.write_text(
        f"{FILE}\nconfig access\n\toption name 'eve'\n\toption SOURCE 'ANY'\n"
        "\toption KEY '{{ eve_key }}'\n"
        "\nconfig access\n\toption name 'off'\n\toption enabled '0'\n"
    )
    answer = json.loads(router.run("client", "list", "--json")[1])
    found = {item["name"]: (item["state"], item["why"]) for item in answer["clients"]}
    assert found["bob"] == ("present", "")
    assert found["off"] == ("revoked", "")
    assert found["eve"][0] == "unusable" and "eve_key" in found["eve"][1]
    assert set(answer["clients"][0]) == {"name", "state", "has_keys", "old_keys", "why"}
    code, told = router.run("client", "list")
    assert code == 0 and re.search(r"^eve +unusable ", told, re.MULTILINE)
    assert "client eve is not in use: KEY: OpenWISP had no value" in told


def test_clients_are_listed_whatever_else_is_wrong(router: Router) -> None:
    router.uci.write_text(f"{FILE}\toption MAX_SPA_PACKET_AGE 'soon'\n")
    code, told = router.run("client", "list")
    assert code == 0 and "MAX_SPA_PACKET_AGE" in told
    assert re.search(r"^bob +present ", told, re.MULTILINE)


@pytest.mark.parametrize("action", ["rotate", "revoke", "restore", "delete"])
def test_old_keys_are_no_client_to_do_anything_with(router: Router, action: str) -> None:
    router.run("client", "add", "anna")
    router.run("client", "rotate", "anna")
    before = router.uci.read_bytes()
    code, told = router.run("client", action, "anna (old keys)")
    assert (code, router.uci.read_bytes()) == (1, before)
    assert "old keys" in told


@pytest.mark.parametrize("action", ["add", "rotate"])
def test_no_keys_on_standard_input_are_an_error(router: Router, action: str) -> None:
    before = router.uci.read_bytes()
    code, told = router.run("client", action, "eve" if action == "add" else "bob", "--stdin")
    assert (code, router.uci.read_bytes()) == (1, before)
    assert "there are no keys on standard input" in told


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_who_reads_only_the_head_of_what_was_done_gets_no_error(
    router: Router, tmp_path: Path, form: tuple[str, ...]
) -> None:
    rows = "".join(f"client {number},tcp/22\n" for number in range(300))
    table = tmp_path / "clients.csv"
    table.write_text(f"name,OPEN_PORTS\n{rows}")
    command = [sys.executable, "-m", "fwknopd.ctl", "import", "--uci", str(router.uci)]
    command += ["--csv", str(table), *form]
    for ending, code in (([], 1), (["--apply"], 0)):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            done = subprocess.run(
                [*command, *ending], stdout=pipe, stderr=subprocess.PIPE, text=True
            )
        assert done.returncode == code, done.stderr
    assert f"300 clients added. {router.uci} is written." in done.stderr
    assert router.client("client 299")


# The same keys


def problems_of(router: Router, *clients: dict[str, Any]) -> list[str]:
    answer = router.apply({"clients": list(clients)})
    return [item["message"] for item in answer["problems"] if "same keys" in item["message"]]


@pytest.mark.parametrize(
    ("rules", "are_told_apart"),
    [
        ({}, False),
        ({"DESTINATION": "192.0.2.1"}, False),
        ({"SOURCE": "192.0.2.0/24", "of": {"SOURCE": "192.0.2.7, 198.51.100.1"}}, False),
        ({"SOURCE": "192.0.2.0/24", "of": {"SOURCE": "198.51.100.0/24"}}, True),
        ({"DESTINATION": "192.0.2.1", "of": {"DESTINATION": "192.0.2.2"}}, True),
    ],
    ids=["nothing", "one", "overlapping", "sources", "destinations"],
)
def test_clients_that_share_their_keys_are_told(
    router: Router, rules: dict[str, Any], are_told_apart: bool
) -> None:
    own = {name: value for name, value in rules.items() if name != "of"}
    anna = {**ANNA, "options": rules.get("of", {})}
    told = problems_of(router, anna, {"name": "lost", "options": own, "keys": KEYS})
    expected = "lost and anna have the same keys: whoever has them gets in while one of the two may"
    assert told == ([] if are_told_apart else [expected])


def test_a_revoked_twin_is_told_too_and_old_keys_of_one_client_are_not(router: Router) -> None:
    lost = {"name": "lost", "keys": KEYS}
    assert len(problems_of(router, ANNA, lost)) == 1
    assert len(problems_of(router, ANNA, {**lost, "state": "revoked"})) == 1
    assert problems_of(router, ANNA, {"name": "lost", "state": "absent"}) == []
    router.apply({"clients": [{**ANNA, "keys": NEW_KEYS, "overlap_hours": 2}]})
    router.uci.write_text(router.uci.read_text().replace(OTHER_KEY, KEY_BASE64))
    assert problems_of(router) == []


def test_a_variable_in_a_name_is_told(router: Router) -> None:
    router.uci.write_text(FILE.replace("'bob'", "'{{ owner }}'"))
    loaded = load_uci(router.uci) if router.apply({"enabled": True}) else None
    assert loaded is not None and [stanza.name for stanza in loaded.stanzas] == ["{{ owner }}"]
    assert any("its variable owner" in problem.message for problem in loaded.problems)
