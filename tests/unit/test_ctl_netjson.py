"""fwknopctl export and import --netjson, against netjsonconfig, and the templates for OpenWISP."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from fwknopd.config.convert import same_rules
from fwknopd.config.netjson_writing import netjson_from_uci
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci
from fwknopd.configuration import load_uci
from fwknopd.ctl import main
from tests.interop import openwisp
from tests.interop.example_keys import HMAC_KEY, HMAC_KEY_BASE64, KEY, KEY_BASE64

Capsys = pytest.CaptureFixture[str]

TEMPLATES = Path(__file__).parents[2] / "package/openwisp"
ROUTER = f"""
config global
\toption uci_enabled '1'

config network
\toption network 'wan6'

config access
\toption name 'Anna'
\toption note 'it'\\''s    {{{{ name }}}} {{% x %}} "quoted" \\ #1;'
\tlist SOURCE '192.0.2.0/24'
\tlist SOURCE '2001:db8::/32'
\toption KEY_BASE64 '{KEY_BASE64}'
\toption HMAC_KEY_BASE64 '{HMAC_KEY_BASE64}'

config access 'bob'
\toption SOURCE 'ANY'
\toption KEY 'it'\\''s a {{{{ secret'

config config
\toption ENABLE_IPT_FORWARDING 'Y'
"""


class Files:
    def __init__(self, folder: Path) -> None:
        self.uci, self.document = folder / "fwknopd_test", folder / "router.json"
        self.variables, self.other = folder / "variables.json", folder / "fwknopd_other"
        self.put(self.uci, ROUTER)

    def put(self, path: Path, text: str) -> None:
        path.touch(mode=0o600)
        path.write_text(text)

    def export(self, *arguments: str) -> int:
        return main(["export", "--netjson", "--uci", str(self.uci), *arguments])

    def import_(self, *arguments: str) -> int:
        files = ["--netjson", str(self.document), "--uci", str(self.other)]
        return main(["import", *files, *arguments])

    @property
    def exported(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.document.read_text())
        return found


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def assert_same(one: str, other: str) -> None:
    first, second = (configuration_from_uci(parse_uci(text, "f"), "f") for text in (one, other))
    assert first.settings == second.settings
    assert first.network == second.network
    assert len(first.stanzas) == len(second.stanzas) == 2
    assert all(map(same_rules, first.stanzas, second.stanzas))


def test_a_routers_file_goes_to_openwisp_and_back(files: Files, capsys: Capsys) -> None:
    assert files.export("--output", str(files.document)) == 0
    assert stat.S_IMODE(files.document.stat().st_mode) == 0o600
    text = openwisp.rendered(files.exported)
    assert_same(text, ROUTER)
    assert openwisp.delivered(files.exported).decode() == text.lstrip("\n")
    [note] = [s.get("note") for s in parse_uci(text, "f").of_type("access") if s.get("note")]
    assert note == 'it\'s    {{ name }} {% x %} "quoted" \\ #1;'
    assert files.import_() == 0
    assert not files.other.exists()
    assert files.import_("--apply") == 0
    assert stat.S_IMODE(files.other.stat().st_mode) == 0o600
    assert_same(files.other.read_text(), ROUTER)
    assert load_uci(files.other) is not None
    names = [s.name for s in parse_uci(files.other.read_text(), "f").sections]
    assert names == ["global", "network", "client_anna", "bob", "config"]
    shown = "".join(capsys.readouterr())
    assert not any(secret in shown for secret in (KEY_BASE64, HMAC_KEY_BASE64, "secret"))


def test_what_the_library_takes_from_a_file_is_read(files: Files) -> None:
    # It drops quotes, so only of files without any within values.
    plain = ROUTER.replace("'\\''", "").replace("{{", "").replace('"', "")
    document = openwisp.taken_over(plain)
    assert document["fwknopd"][2]["name"] == "Anna"
    files.put(files.document, json.dumps(document))
    assert files.import_("--apply") == 0
    assert_same(files.other.read_text(), plain)


def test_keys_are_masked_unless_they_are_asked_for(files: Files, capsys: Capsys) -> None:
    assert files.export() == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["fwknopd"][3]["KEY"] == "********"
    assert files.export("--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["written"], answer["netjson"]["type"]) == (False, "DeviceConfiguration")
    assert not any(key in shown.out + json.dumps(answer) for key in (KEY_BASE64, "secret"))
    assert not files.document.exists()
    assert files.export("--output", "-") == 0
    assert json.loads(capsys.readouterr().out)["fwknopd"][2]["KEY_BASE64"] == KEY_BASE64


def test_letters_the_library_counts_wrong_are_refused(files: Files, capsys: Capsys) -> None:
    files.put(files.uci, ROUTER.replace("Anna", "Jörg Müller"))
    assert files.export("--output", str(files.document)) == 1
    assert "2 bytes more" in capsys.readouterr().err
    assert not files.document.exists()
    assert files.export("--output", str(files.document), "--force") == 0
    text = openwisp.rendered(files.exported).lstrip("\n")
    assert_same(text, ROUTER)
    # This is why: should it ever be mended, there is no more reason to refuse.
    assert openwisp.delivered(files.exported) == text.encode()[:-2]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param(
            "'192.0.2.0/24'", "'ANY'\n\toption FUTURE 'a\nb'", "more than one line", id="lines"
        ),
        pytest.param(
            "'192.0.2.0/24'", "'ANY'\n\toption FUTURE '\x01'", "control character", id="control"
        ),
        pytest.param("'Anna'", "'bob'", "keep only one", id="twins"),
        pytest.param("\toption name", "\toption config_name", "something else", id="its own name"),
        pytest.param(
            "\toption HMAC_KEY_BASE64",
            "\toption KEY 'it'\n\toption KEX",
            "sorts options",
            id="order",
        ),
    ],
)
def test_what_netjson_cant_carry_is_not_written(
    files: Files, capsys: Capsys, old: str, new: str, said: str
) -> None:
    files.put(files.uci, ROUTER.replace(old, new, 1))
    assert files.export("--output", str(files.document), "--force") == 1
    assert "can't say what UCI says" in capsys.readouterr().err
    assert not files.document.exists()
    assert files.export() == 0
    assert said in capsys.readouterr().err


def test_bytes_that_are_no_letters_are_not_written(files: Files, capsys: Capsys) -> None:
    files.uci.write_bytes(ROUTER.encode().replace(b"Anna", b"An\xffna"))
    assert files.export("--output", str(files.document), "--force") == 1
    assert files.export() == 0
    assert "no letters" in capsys.readouterr().err


SECTION = {"config_name": "access", "SOURCE": "ANY", "KEY": "abcdefgh"}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param("{", ":1: this is no JSON", id="no JSON"),
        pytest.param("[" * 100_000, "no JSON that can be read", id="deep"),
        pytest.param("[]", "no JSON object", id="a list"),
        pytest.param({"type": "DeviceConfiguration"}, "no configuration", id="nothing of ours"),
        pytest.param({"fwknopd": [{"KEY": "x"}]}, "has no type", id="no type"),
        pytest.param({"fwknopd": ["x"]}, "section 1", id="no section"),
        pytest.param(
            {"fwknopd": [{**SECTION, "KEY": "it's"}]}, "ends the value early", id="a bare quote"
        ),
        pytest.param(
            {"fwknopd": [{**SECTION, "KEY": "x' # y"}]}, "ends the value early", id="a comment"
        ),
        pytest.param({"fwknopd": [{**SECTION, "KEY": "{{ key }}"}]}, "--variables", id="variable"),
        pytest.param({"fwknopd": [{**SECTION, "a b": "1"}]}, "no option's name", id="name"),
        pytest.param({"fwknopd": [{**SECTION, "KEY": {"a": 1}}]}, "no value", id="no value"),
        pytest.param({"fwknopd": [{**SECTION, "KEY": "a\nb"}]}, "more than one line", id="lines"),
        pytest.param({"fwknopd": [{**SECTION, "OPEN_PORTS": "22"}]}, "OPEN_PORTS", id="unusable"),
        pytest.param(
            {"fwknopd": [{**SECTION, "config_value": "a"}] * 2}, "are called a", id="twins"
        ),
    ],
)
def test_a_document_that_is_no_good_changes_nothing(
    files: Files, capsys: Capsys, document: object, said: str
) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    files.put(files.document, text)
    files.put(files.other, ROUTER)
    assert files.import_("--apply", "--force") == 1
    assert said in capsys.readouterr().err
    assert files.other.read_text() == ROUTER


def test_a_configuration_is_not_replaced_by_mistake(files: Files, capsys: Capsys) -> None:
    files.put(files.document, json.dumps({"fwknopd": [SECTION]}))
    files.put(files.other, ROUTER)
    assert files.import_("--apply") == 1
    assert "--force" in capsys.readouterr().err
    assert files.other.read_text() == ROUTER
    # One template is not all of a router.
    assert files.import_() == 0
    told = capsys.readouterr().err
    assert "clients that are not in the document go: Anna, bob\n" in told
    assert "does not switch uci_enabled on" in told
    assert files.import_("--apply", "--force") == 0
    assert "go: Anna, bob" in capsys.readouterr().err
    assert "config access 'access_1'" in files.other.read_text()
    assert files.import_("--apply", "--force") == 0
    assert " go: " not in capsys.readouterr().err


def test_all_variables_that_are_missing_are_told_and_where_to_put_them(
    files: Files, capsys: Capsys
) -> None:
    ports = ["tcp/{{ ssh }}", "{{ known }}"]
    client = {**SECTION, "KEY": "{{ key }}", "OPEN_PORTS": ports, ".note": "{{ none }}"}
    files.put(files.document, json.dumps({"fwknopd": [client]}))
    files.put(files.variables, json.dumps({"known": "tcp/80"}))
    assert files.import_("--variables", str(files.variables)) == 1
    told = capsys.readouterr().err
    for name in ("ssh", "key"):
        assert f"the variable {name} is not known" in told
        assert f"Put {name} into {files.variables}" in told
    assert "known is not" not in told and "none" not in told


def test_a_setting_says_which_variable_it_lacks(files: Files, capsys: Capsys) -> None:
    settings = {"config_name": "config", "MAX_SPA_PACKET_AGE": "{{ max-age }}"}
    files.put(files.document, json.dumps({"fwknopd": [settings]}))
    assert files.import_() == 1
    assert "OpenWISP had no value for its variable max-age" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["a\\1", "a\nb", "{{ x }}", ["x"], True, None])
def test_variables_the_library_would_spoil_are_refused(
    files: Files, capsys: Capsys, value: object
) -> None:
    files.put(files.document, json.dumps({"fwknopd": [{**SECTION, "KEY": "{{ key }}"}]}))
    files.put(files.variables, json.dumps({"key": value}))
    assert files.import_("--variables", str(files.variables)) == 1
    assert f"{files.variables}: key: " in capsys.readouterr().err


# The templates


def template(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((TEMPLATES / name).read_text())
    return found


VARIABLES = {
    "fwknop_network": "wan",
    "fwknop_anna_key": KEY_BASE64,
    "fwknop_anna_hmac_key": HMAC_KEY_BASE64,
}


def test_the_templates_make_a_configuration() -> None:
    templates = [template("settings.json"), template("client.json")]
    text = openwisp.rendered({}, templates=templates, variables=VARIABLES)
    package = parse_uci(text, "f")
    found = configuration_from_uci(package, "f")
    assert found.problems == ()
    assert (found.network, package.sections[0].get("uci_enabled")) == ("wan", "1")
    [client] = found.stanzas
    assert (client.name, client.keys.encryption_key, client.keys.hmac_key) == (
        "anna",
        KEY,
        HMAC_KEY,
    )


def test_devices_differ_by_variables_and_their_own_sections() -> None:
    bob = json.loads(json.dumps(template("client.json")).replace("anna", "bob"))
    templates = [template("settings.json"), template("client.json"), bob]
    variables = {**VARIABLES, "fwknop_network": "uplink", "fwknop_bob_key": KEY_BASE64}
    variables["fwknop_bob_hmac_key"] = HMAC_KEY_BASE64
    own = {"fwknopd": [{"config_name": "access", "name": "anna", "OPEN_PORTS": "udp/51820"}]}
    text = openwisp.rendered(own, templates=templates, variables=variables)
    found = configuration_from_uci(parse_uci(text, "f"), "f")
    assert found.network == "uplink"
    anna, other = found.stanzas
    assert (anna.name, other.name) == ("anna", "bob")
    assert [str(port) for port in anna.open_ports or ()] == ["udp/51820"]
    without = openwisp.rendered({}, templates=[*templates[:1], bob], variables=variables)
    assert [s.get("name") for s in parse_uci(without, "f").of_type("access")] == ["bob"]


def test_an_import_fills_in_variables_as_openwisp_does(files: Files) -> None:
    document = {
        "fwknopd": template("settings.json")["fwknopd"] + template("client.json")["fwknopd"]
    }
    files.put(files.document, json.dumps(document))
    files.put(files.variables, json.dumps(VARIABLES))
    assert files.import_("--variables", str(files.variables), "--apply") == 0
    text = openwisp.rendered(document, variables=VARIABLES)
    assert parse_uci(files.other.read_text(), "f") == parse_uci(text, "f")
    assert netjson_from_uci(parse_uci(text, "f"), "f").usable
