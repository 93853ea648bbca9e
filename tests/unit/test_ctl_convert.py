"""fwknopctl import and export: what is shown, what is written, and what is never lost."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from fwknopd.config.convert import comment_lines, same_rules, settings_differences, spans
from fwknopd.config.settings import Configuration
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci
from fwknopd.configuration import load_files, load_uci
from fwknopd.ctl import main
from tests.interop.example_keys import HMAC_KEY_BASE64, KEY_BASE64

Capsys = pytest.CaptureFixture[str]

BASE64_KEYS = f"""\
KEY_BASE64:                {KEY_BASE64}
HMAC_KEY_BASE64:           {HMAC_KEY_BASE64}
"""
GUIDES = {
    "declarative": (
        "PCAP_INTF           eth0;\n",
        f"SOURCE ANY\nOPEN_PORTS tcp/22\nREQUIRE_SOURCE_ADDRESS Y\n{BASE64_KEYS}",
    ),
    "another port": (
        "PCAP_FILTER udp port 12345;\nPCAP_DISPATCH_COUNT 1;\n",
        f"SOURCE ANY\nREQUIRE_SOURCE_ADDRESS Y\n{BASE64_KEYS}",
    ),
    "gpg": (
        "",
        "SOURCE: ANY;\n"
        "OPEN_PORTS: tcp/22; ### for ssh (change for access to other services)\n"
        "#KEY: throw_away_password;\n"
        "FW_ACCESS_TIMEOUT: 30;\n"
        "REQUIRE_SOURCE_ADDRESS: Y;\n"
        "DATA_COLLECT_MODE: PCAP;\n"
        "GPG_REMOTE_ID: 99999999;   ## client key\n"
        "GPG_DECRYPT_ID: 11111111;  ## server key\n"
        "GPG_DECRYPT_PW: passphrase;\n"
        "GPG_HOME_DIR: /tmp;\n",
    ),
    "short passphrase": ("", "SOURCE: ANY\nKEY: myt3stk3y!\n"),
    "several clients": (
        "ENABLE_IPT_FORWARDING Y;\nFUTURE_THING 7;\nFWKNOP_RUN_DIR /run/x;\n"
        "FWKNOP_PID_FILE $FWKNOP_RUN_DIR/y.pid;\n",
        'SOURCE 192.0.2.0/24, 10.1\nKEY first key\nHMAC_KEY it\'s "quoted" #1\n'
        "SOURCE ANY\nKEY overruled\nKEY_BASE64 c2Vjb25kIGtleQ==\nKEY third key\n"
        "FORCE_NAT 192.168.1.9 22\n"
        "OPEN_PORTS tcp/1\nOPEN_PORTS tcp/2\nACCESS_EXPIRE 12/31/2030\n"
        "SOURCE 2001:db8::/32\nKEY fourth key\nCMD_CYCLE_OPEN /bin/open $IP\n"
        "CMD_CYCLE_CLOSE NONE\n",
    ),
}


class Files:
    """Classic files, a UCI file and a folder to write to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config, self.access = folder / "fwknopd.conf", folder / "access.conf"
        self.uci, self.output = folder / "fwknopd_test", folder / "out"

    def write(self, server: str, access: str) -> None:
        for path, text in ((self.config, server), (self.access, access)):
            self.put(path, text)

    def put(self, path: Path, text: str) -> None:
        path.touch(mode=0o600)
        path.write_text(text)

    def import_(self, *arguments: str) -> int:
        files = ["-c", str(self.config), "-a", str(self.access), "--uci", str(self.uci)]
        return main(["import", *files, *arguments])

    def export(self, *arguments: str) -> int:
        return main(["export", "--uci", str(self.uci), *arguments])

    @property
    def original(self) -> Configuration:
        return load_files(self.config, self.access)

    @property
    def exported(self) -> Configuration:
        return load_files(self.output / "fwknopd.conf", self.output / "access.conf")

    @property
    def imported(self) -> Configuration:
        loaded = load_uci(self.uci)
        assert loaded is not None, "Enable config overwrite is off"
        return loaded


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def assert_same(one: Configuration, other: Configuration) -> None:
    assert settings_differences(one.settings, other.settings) == []
    assert [stanza.number for stanza in one.stanzas] == [stanza.number for stanza in other.stanzas]
    assert all(map(same_rules, one.stanzas, other.stanzas))


def is_private(path: Path) -> bool:
    return stat.S_IMODE(path.stat().st_mode) == 0o600


def told(capsys: Capsys) -> str:
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("conf", "openwrt", "device", "networks"),
    [
        ("#PCAP_INTF eth0;\n", True, "", ("wan",)),
        ("#PCAP_INTF eth0;\n", False, "eth0", ()),
        ("PCAP_INTF eth1;\n", True, "eth1", ()),
    ],
)
def test_files_that_name_no_device_go_where_openwrts_service_captures(
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    conf: str,
    openwrt: bool,
    device: str,
    networks: tuple[str, ...],
) -> None:
    release = files.folder / "openwrt_release"
    if openwrt:
        release.touch()
    monkeypatch.setattr("fwknopd.ctl.import_.OPENWRT", release)
    files.write(conf, "SOURCE ANY\nKEY myt3stk3y!\n")
    assert files.import_("--apply") == 0
    assert (files.imported.settings.pcap_intf, files.imported.networks) == (device, networks)


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guides_files_go_to_uci_and_back(files: Files, capsys: Capsys, guide: str) -> None:
    files.write(*GUIDES[guide])
    assert files.import_() == 0
    assert not files.uci.exists()
    assert "Nothing is written." in told(capsys)
    assert files.import_("--apply") == 0
    assert is_private(files.uci)
    assert_same(files.imported, files.original)
    assert files.export("--output", str(files.output)) == 0
    assert all(map(is_private, files.output.iterdir()))
    assert {path.name for path in files.output.iterdir()} == {"fwknopd.conf", "access.conf"}
    assert_same(files.exported, files.original)


@pytest.mark.parametrize("guide", GUIDES)
def test_no_key_is_ever_shown(files: Files, capsys: Capsys, guide: str) -> None:
    files.write(*GUIDES[guide])
    files.import_("--apply")
    files.import_()
    files.import_("--json")
    files.export()
    files.export("--output", str(files.output))
    files.export("--output", str(files.output), "--force", "--json")
    shown = "".join(capsys.readouterr())
    secrets = (KEY_BASE64, HMAC_KEY_BASE64, "throw_away", "passphrase", "myt3stk3y!", "first key")
    for secret in (*secrets, "quoted", "c2Vjb25k", "third key", "fourth key"):
        assert secret not in shown
    assert "********" in shown


def test_unknown_directives_and_order_come_along(files: Files) -> None:
    files.write("ZEBRA 1;\nALPHA 2;\n", "SOURCE ANY\nFUTURE x y\nKEY abcdefgh\nANCIENT z\n")
    assert files.import_("--apply") == 0
    text = files.uci.read_text()
    assert text.index("ZEBRA") < text.index("ALPHA")
    assert "option FUTURE 'x y'\n\toption KEY 'abcdefgh'\n\toption ANCIENT 'z'" in text
    assert files.export("--output", str(files.output)) == 0
    lines = [line.split() for line in (files.output / "access.conf").read_text().splitlines()]
    assert lines[2:] == [
        ["SOURCE", "ANY"],
        ["FUTURE", "x", "y"],
        ["KEY", "abcdefgh"],
        ["ANCIENT", "z"],
    ]


def test_what_is_lost_is_said_with_its_line(files: Files, capsys: Capsys) -> None:
    files.write(
        "# head\nX-Y 1;\nmark 5;\n",
        "LOST before\nSOURCE ANY ; tail\n# one\n# two\nKEY abcdefgh\nKEY bcdefghi\nname Ann\n",
    )
    files.import_("--json")
    answer: dict[str, Any] = json.loads(told(capsys))
    said = {(Path(loss["file"]).name, loss["line"], loss["option"]) for loss in answer["losses"]}
    assert said == {
        ("fwknopd.conf", 1, ""),
        ("fwknopd.conf", 2, "X-Y"),
        ("fwknopd.conf", 3, "mark"),
        ("access.conf", 2, ""),
        ("access.conf", 5, "KEY"),
        ("access.conf", 7, "name"),
    }
    [comments] = [
        loss for loss in answer["losses"] if loss["line"] == 2 and loss["file"] == str(files.access)
    ]
    assert "line 2-4" in comments["message"]
    before = [problem for problem in answer["problems"] if problem["option"] == "LOST"]
    assert before[0]["line"] == 1


def test_includes_become_part_of_uci(files: Files, capsys: Capsys) -> None:
    folder = files.folder / "more"
    folder.mkdir()
    for name in ("b", "a"):
        files.put(folder / f"{name}.conf", f"# {name}\nSOURCE ANY\nKEY key of {name}\n")
    keys = files.folder / "keys"
    files.put(keys, f"{BASE64_KEYS}OPEN_PORTS tcp/1\n")
    files.write(
        "", f"%include_folder {folder}\nSOURCE ANY\nOPEN_PORTS tcp/22\n%include_keys {keys}\n"
    )
    assert files.import_("--apply") == 0
    shown = told(capsys)
    assert f"{folder}/a.conf: included" in shown
    assert f"{folder}/b.conf:1: comments are not carried over" in shown
    assert_same(files.imported, files.original)
    assert len(files.imported.stanzas) == 3


def test_a_client_without_its_key_file_comes_along_switched_off(
    files: Files, capsys: Capsys
) -> None:
    files.write("", "SOURCE ANY\nKEY abcdefgh\n%include_keys /nowhere\nSOURCE ANY\nKEY bcdefghi\n")
    assert files.import_("--apply") == 0
    assert "it comes along switched off" in told(capsys)
    assert [(each.number, each.enabled) for each in files.imported.stanzas] == [
        (1, False),
        (2, True),
    ]


def test_an_existing_configuration_needs_force(files: Files, capsys: Capsys) -> None:
    files.write(*GUIDES["short passphrase"])
    old = "config other 'kept'\n\toption x '1'\nconfig access\n\toption KEY 'old old old'\n"
    files.put(files.uci, old)
    assert files.import_("--apply") == 1
    assert "holds a configuration already" in capsys.readouterr().err
    assert files.uci.read_text() == old
    assert files.import_("--apply", "--force") == 0
    text = files.uci.read_text()
    assert "old old old" not in text
    assert text.strip().startswith("config other 'kept'")
    assert_same(files.imported, files.original)
    shown = told(capsys)
    assert "option KEY '******** (new)'" in shown


def test_an_unchanged_key_is_told_from_a_new_one(files: Files, capsys: Capsys) -> None:
    files.write(*GUIDES["short passphrase"])
    files.import_("--apply")
    told(capsys)
    files.import_()
    assert "No line changes." in told(capsys)
    files.write("", "SOURCE: ANY\nKEY: an0therk3y!\n")
    files.import_()
    shown = told(capsys)
    assert "-   option KEY '********'" in shown
    assert "+   option KEY '******** (new)'" in shown


def test_faulty_files_are_not_imported(files: Files, capsys: Capsys) -> None:
    files.write("", "SOURCE ANY\nKEY abcdefgh\nOPEN_PORTS ssh\n")
    assert files.import_("--apply") == 1
    assert f"{files.access}:3: OPEN_PORTS: 'ssh' is no port" in capsys.readouterr().err
    assert not files.uci.exists()


# Export

STOCK = """\
config global
	option uci_enabled '1'
# my comment
config network
	option network 'wan'
config access
	option SOURCE 'ANY'
	option HMAC_KEY '__CHANGEME__'
	option KEY '__CHANGEME__'
	option keytype 'Normal Key'
config access
	option name 'Ann; "phone"'
	option note 'her second'
	option KEY 'semi;colon'
	option HMAC_KEY 'and another key'
	list OPEN_PORTS 'tcp/22'
	list OPEN_PORTS 'tcp/80'
	option SOURCE 'ANY'
config access
	option name 'Bob'
	option enabled '0'
	option SOURCE 'ANY'
	option KEY 'bobs key'
	option OPEN_PORTS 'tcp/1'
config access
	option name 'Eve'
	option SOURCE 'ANY'
	option KEY 'eves key'
	option REQUIRE_USERNAME 'e;ve'
config config
	option ENABLE_NAT_DNS 'Y'
	option firewall 'log-only'
	option FUTURE 'a;b'
"""


def test_clients_are_left_out_rather_than_written_with_fewer_rules(
    files: Files, capsys: Capsys
) -> None:
    files.put(files.uci, STOCK)
    assert files.export("--output", str(files.output), "--interface", "eth1") == 0
    shown = told(capsys)
    access = (files.output / "access.conf").read_text()
    ann, bob = files.exported.stanzas
    wanted = {
        each.name: each for each in configuration_from_uci(parse_uci(STOCK, "u"), "u").stanzas
    }
    assert same_rules(ann, wanted['Ann; "phone"'])
    assert bob.access_expire == 1
    assert bob.keys == wanted["Bob"].keys
    assert '# name: Ann; "phone"\n# note: her second\n' in access
    assert "# KEY                        eves key\n" in access
    assert "client Eve is left out, as a comment" in shown
    assert "client Bob: switched off: written as a client whose access has ended" in shown
    assert "comments are not carried over: line 3" in shown
    assert "FUTURE: left out: the classic files can't hold its value" in shown
    assert "firewall: fwknopd.conf can't say what UCI says" in shown
    assert files.exported.settings.pcap_intf == "eth1"
    assert "__CHANGEME__" not in access


GPG = {"GPG_DECRYPT_PW": "b", "GPG_REMOTE_ID": "AAAAAAAA;"}
CYCLE = {"CMD_CYCLE_OPEN": "a", "CMD_CYCLE_TIMER": "5", "CMD_CYCLE_CLOSE": "a; b"}


@pytest.mark.parametrize("options", [GPG, CYCLE], ids=["gpg", "cycle"])
def test_a_client_of_the_c_daemon_loses_no_rule_of_its_own(
    files: Files, capsys: Capsys, options: dict[str, str]
) -> None:
    lines = "\n\t".join(f"option {name} '{value}'" for name, value in options.items())
    text = STOCK.replace("option REQUIRE_USERNAME 'e;ve'", lines)
    files.put(files.uci, text)
    assert files.export("--output", str(files.output)) == 0
    assert "client Eve is left out, as a comment" in told(capsys)


def test_a_network_without_its_device_is_named(files: Files, capsys: Capsys) -> None:
    files.put(files.uci, STOCK)
    assert files.export("--output", str(files.output)) == 0
    shown = told(capsys)
    assert "fwknopd.conf knows no network: wan becomes eth0. Name its device with --inter" in shown
    assert files.export("--interface", "eth0; FLUSH_IPT_AT_INIT Y") == 1
    assert "--interface: " in capsys.readouterr().err


def test_files_are_replaced_only_with_force(files: Files, capsys: Capsys) -> None:
    files.put(files.uci, STOCK)
    files.output.mkdir()
    files.put(files.output / "fwknopd.conf", "PCAP_INTF lo;\n#KEY: old key of old\n")
    assert files.export("--output", str(files.output)) == 1
    assert "fwknopd.conf exists already" in capsys.readouterr().err
    assert [path.name for path in files.output.iterdir()] == ["fwknopd.conf"]
    assert files.export("--output", str(files.output), "--force") == 0
    shown = told(capsys)
    assert "-PCAP_INTF lo;" in shown
    assert "-#KEY: ********" in shown
    assert is_private(files.output / "fwknopd.conf")


def test_json_of_an_export(files: Files, capsys: Capsys) -> None:
    files.put(files.uci, STOCK)
    assert files.export("--json") == 0
    answer = json.loads(told(capsys))
    assert answer["written"] is False
    assert answer["difference"]
    assert {"severity", "file", "line", "option", "message", "remedy"} == set(answer["losses"][0])


def test_a_missing_classic_file_is_named_once(files: Files, capsys: Capsys) -> None:
    files.config = files.config.with_name("nowhere.conf")
    assert files.import_() == 1
    told = capsys.readouterr().err
    assert told.startswith(f"fwknopctl: {files.config} does not exist.")
    assert told.count("nowhere.conf") == 1


def test_a_missing_uci_file_is_an_error(files: Files, capsys: Capsys) -> None:
    assert files.export() == 1
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "lines"),
    [("A b\n", []), ("# x\nA b;\n;\nA b; c\nA b;;\n  # y", [1, 3, 4, 6]), ("A # b\n", [])],
)
def test_comments_are_found(text: str, lines: list[int]) -> None:
    assert comment_lines(text) == lines


def test_line_numbers_in_short() -> None:
    assert spans([1]) == "1"
    assert spans([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
