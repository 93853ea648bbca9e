"""Hundreds of clients: from a table, all keys at once, and who ends when."""

from __future__ import annotations

import json
import time
from argparse import ArgumentTypeError
from errno import EACCES
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.config.problems import ConfigError
from fwknopd.config.wanted_csv import clients_from_csv
from fwknopd.configuration import load_files, load_uci
from fwknopd.ctl import main
from fwknopd.ctl.spans import span
from fwknopd.keys import is_placeholder
from fwknopd.policy.stanza import Stanza
from fwknopd.status import client_json
from tests.interop.example_keys import HMAC_KEY_BASE64, KEY_BASE64
from tests.unit.control.running import RunningServer
from tests.unit.test_ctl_clients import Capsys, Router

MANY = 500
DAY = 86400
TABLE = (
    "\ufeffname,OPEN_PORTS,note,KEY_BASE64,HMAC_KEY_BASE64\r\n"
    f'anna,"tcp/22, udp/53","her ""new"" phone",{KEY_BASE64},{HMAC_KEY_BASE64}\r\n'
    "\r\n"
    "J\u00f6rg,tcp/22,,,\r\n"
)


@pytest.fixture
def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> Router:
    return Router(tmp_path, monkeypatch, capsys)


def stanzas(router: Router) -> dict[str, Stanza]:
    router.apply({"enabled": True})
    loaded = load_uci(router.uci)
    assert loaded is not None
    return {stanza.label: stanza for stanza in loaded.stanzas}


# A table


def test_a_table_of_clients(router: Router) -> None:
    before = router.uci.read_bytes()
    assert router.run("import", "--csv", "-", said=TABLE)[0] == 0
    assert router.uci.read_bytes() == before, "without --apply nothing is written"
    code, told = router.run("import", "--csv", "-", "--apply", said=TABLE)
    assert (code, "is written" in told) == (0, True)
    anna, joerg = router.client("anna"), router.client("J\u00f6rg")
    assert anna and joerg
    assert anna.get("KEY_BASE64") == KEY_BASE64
    assert anna.get("note") == 'her "new" phone'
    assert {str(port) for port in stanzas(router)["anna"].open_ports or ()} == {"tcp/22", "udp/53"}
    assert joerg.get("KEY_BASE64") not in ("", KEY_BASE64)
    assert not is_placeholder(joerg.get("HMAC_KEY_BASE64"))


def test_who_is_there_is_changed_only_by_force_and_keeps_his_keys(router: Router) -> None:
    table = "name;OPEN_PORTS\nbob;tcp/80\ncarl;tcp/443\n"
    before = router.uci.read_bytes()
    code, told = router.run("import", "--csv", "-", "--apply", said=table)
    assert (code, router.uci.read_bytes()) == (1, before)
    assert "bob" in told
    assert "--force" in told
    assert router.run("import", "--csv", "-", "--apply", "--force", said=table)[0] == 0
    bob = router.client("bob")
    assert bob
    assert (bob.get("OPEN_PORTS"), bob.get("KEY")) == ("tcp/80", "bobs own words")
    assert router.client("carl")


@pytest.mark.parametrize(
    ("first", "separator"),
    [("sep=;", ";"), ("SEP=;\r", ";"), ("\ufeffsep=;", ";"), ("sep=\t", "\t"), ("sep=|", "|")],
)
def test_a_table_that_tells_its_separator(router: Router, first: str, separator: str) -> None:
    """By a first line for Excel, which doesn't show it."""
    head, row = ("name", "OPEN_PORTS", "note"), ("carl", "tcp/80,udp/53", "a, b")
    table = "\n".join([first, separator.join(head), separator.join(row), ""])
    assert router.run("import", "--csv", "-", "--apply", said=table)[0] == 0
    carl = router.client("carl")
    assert carl and carl.get("note") == row[2]
    assert {str(port) for port in stanzas(router)["carl"].open_ports or ()} == {"tcp/80", "udp/53"}
    with pytest.raises(ConfigError, match="t:3: "):
        clients_from_csv(f"{first}\nname{separator}OPEN_PORTS\nx{separator}y{separator}z\n", "t")


def test_a_table_copied_out_of_a_spreadsheet_has_tabs(router: Router) -> None:
    table = "name\tOPEN_PORTS\tnote\ncarl\ttcp/80,udp/53\ta; b\n"
    assert router.run("import", "--csv", "-", "--apply", said=table)[0] == 0
    carl = router.client("carl")
    assert carl and (carl.get("OPEN_PORTS"), carl.get("note")) == ("tcp/80,udp/53", "a; b")


def test_a_cell_without_ports_is_told_and_that_of_a_key_is_filled(router: Router) -> None:
    table = f"name,OPEN_PORTS,KEY_BASE64,HMAC_KEY_BASE64\nanna,,{KEY_BASE64},\nJo,tcp/22,,\n"
    code, told = router.run("import", "--csv", "-", "--apply", said=table)
    assert code == 0 and "client anna may open every port" in told
    assert "HMAC key" not in told and "client Jo" not in told
    assert f"2 clients added. {router.uci} is written." in told
    assert "--csv" not in told


def test_a_table_lets_nobody_in_again_who_is_revoked(router: Router) -> None:
    router.run("client", "revoke", "bob")
    table = "name,OPEN_PORTS\nbob,tcp/80\ncarl,tcp/443\n"
    assert router.run("import", "--csv", "-", "--apply", "--force", said=table)[0] == 0
    found = stanzas(router)
    assert {name: stanza.enabled for name, stanza in found.items()} == {"bob": False, "carl": True}
    assert {str(port) for port in found["bob"].open_ports or ()} == {"tcp/80"}


def test_five_hundred_clients_and_fresh_keys_for_all(router: Router, tmp_path: Path) -> None:
    table = tmp_path / "clients.csv"
    rows = (f"client {number},tcp/{1000 + number}\n" for number in range(MANY))
    table.write_text("name,OPEN_PORTS\n" + "".join(rows))
    assert router.run("import", "--csv", str(table), "--apply", "--json")[0] == 0
    router.run("client", "revoke", "client 7")
    before = stanzas(router)
    assert len(before) == MANY + 1
    assert len({stanza.identity for stanza in before.values()}) == MANY + 1
    code, told = router.run("client", "rotate", "--all", "--overlap", "48", "--json")
    assert (code, json.loads(told)["written"]) == (0, True)
    after = stanzas(router)
    for name in ("bob", "client 0", "client 499"):
        assert after[name].identity != before[name].identity
        assert len(router.old_keys(name)) == 1
    assert after["client 7"].identity == before["client 7"].identity
    assert not after["client 7"].enabled
    old_ones = [stanza for stanza in after.values() if stanza.old_keys_of]
    assert len(old_ones) == MANY
    ends = {stanza.access_expire or 0 for stanza in old_ones}
    assert all(47 * 3600 < end - time.time() <= 48 * 3600 for end in ends)
    code, told = router.run("expiring", "--within", "3d", "--json")
    assert (code, len(json.loads(told)["clients"])) == (0, MANY)


@pytest.mark.parametrize(
    ("table", "line", "why"),
    [
        ("", 1, "no column of this name"),
        ("OPEN_PORTS\ntcp/22\n", 1, "no column of this name"),
        ("name,OPEN_PROTS\n", 1, "no such option"),
        ("name,note,note\n", 1, "there twice"),
        ("name,note\n\nanna,a,b\n", 3, "more cells"),
        ("name,OPEN_PORTS,note\nbob,tcp/80,x\neve\n", 3, "fewer cells"),
        ("name,OPEN_PORTS\reve\r", 2, "fewer cells"),
        ("name,note\n,x\n", 2, "has no name"),
        ("name,enabled\nanna,1\n", 1, "a table does not say this"),
        ("name,note\nanna,\n\nanna,x\n", 4, "anna is there twice"),
        ('name,note\nanna,"one\ntwo"\neve,a\x01b\n', 4, "control character"),
        ('name,note\n"anna"x,y\n', 2, "no row of CSV"),
        ('name,note\n"anna\n', 2, "no row of CSV"),
    ],
)
def test_a_faulty_table_is_refused_with_its_line(table: str, line: int, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as error:
        clients_from_csv(table, "clients.csv")
    # Of two rows of one name both have the fault.
    *_, problem = error.value.problems
    assert (problem.file, problem.line) == ("clients.csv", line)
    assert problem.remedy


@pytest.mark.parametrize(
    "end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"]
)
def test_only_ends_of_lines_end_a_row(router: Router, end: str) -> None:
    """Otherwise what stands behind them is a client of its own, that may open every port."""
    table = f"name,OPEN_PORTS,note\ncarl,tcp/80,call{end}eve\n"
    code, _told = router.run("import", "--csv", "-", "--apply", said=table)
    carl = router.client("carl")
    assert len(router.package.of_type("access")) == 1 + (code == 0)
    assert code == (end < " ")
    assert carl is None if code else (carl and carl.get("note") == f"call{end}eve")


@given(st.text(max_size=80) | st.text('nameKEY,;"\r\n ', max_size=80).map("name,KEY\n".__add__))
def test_any_text_is_a_table_or_refused(text: str) -> None:
    try:
        clients = [row.client for row in clients_from_csv(text, "x")]
    except ConfigError:
        return
    assert all(client.name == client.name.strip() != "" for client in clients)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--csv", "-", "--netjson", "x.json"), "--netjson says nothing beside --csv"),
        (("--csv", "-", "--variables", "x.json"), "--variables says nothing beside --csv"),
        (("--csv", "-", "-c", "fwknopd.conf"), "--config-file says nothing beside --csv"),
        (("--netjson", "x", "-a", "y"), "--access-file says nothing beside --netjson"),
        (("-O", "x", "--netjson", "y"), "--override-config says nothing beside --netjson"),
        (("--variables", "x.json"), "--variables belongs to a NetJSON document"),
    ],
)
def test_an_import_comes_from_one_place(
    router: Router, arguments: tuple[str, ...], named: str
) -> None:
    """What would be ignored without a word is refused, before anything is read."""
    before = router.uci.read_bytes()
    code, told = router.run("import", *arguments, "--apply", said="name\nanna\n")
    assert (code, router.uci.read_bytes()) == (2, before)
    assert named in told


@pytest.mark.parametrize("file", ["missing.csv", "latin.csv"])
def test_a_file_that_is_none_says_so(router: Router, tmp_path: Path, file: str) -> None:
    (tmp_path / "latin.csv").write_bytes("name\nJ\u00f6rg\n".encode("latin-1"))
    code, told = router.run("import", "--csv", str(tmp_path / file), "--apply")
    assert code == 1
    assert ("can't be read" in told) or ("not UTF-8" in told)


def test_what_has_no_column_stays_and_an_empty_cell_takes_away(router: Router) -> None:
    rules = {
        "SOURCE": "192.0.2.0/24",
        "OPEN_PORTS": "tcp/22",
        "DESTINATION": "198.51.100.1",
        "ACCESS_EXPIRE": "01/01/2099",
        "note": "his",
    }
    router.apply({"clients": [{"name": "bob", "options": rules}]})
    forced = ("import", "--csv", "-", "--apply", "--force")
    assert router.run(*forced, said="name,note\nbob,hers\n")[0] == 0
    bob = router.client("bob")
    assert bob
    assert {name: bob.get(name) for name in rules} == {**rules, "note": "hers"}
    assert router.run(*forced, said="name,note,ACCESS_EXPIRE,SOURCE\nbob,,,\n")[0] == 0
    bob = router.client("bob")
    assert bob
    assert {name: bob.get(name) for name in rules} == {
        **rules,
        "SOURCE": "ANY",
        "ACCESS_EXPIRE": "",
        "note": "",
    }
    assert bob.get("KEY") == "bobs own words"


def test_a_client_with_gpg_keeps_it_and_gets_no_other_key(router: Router) -> None:
    gpg = {"GPG_DECRYPT_ID": "ABCD1234", "GPG_ALLOW_NO_PW": "Y", "GPG_DISABLE_SIG": "Y"}
    router.apply({"clients": [{"name": "carl", "options": gpg}]})
    table = "name,OPEN_PORTS\ncarl,tcp/80\n"
    assert router.run("import", "--csv", "-", "--apply", "--force", said=table)[0] == 0
    carl = router.client("carl")
    assert carl
    stored = {option.name: option.value for option in carl.options}
    assert stored == {"name": "carl", "SOURCE": "ANY", "OPEN_PORTS": "tcp/80", **gpg}
    table = f"name,{','.join(gpg)}\neve,{','.join(gpg.values())}\n"
    assert router.run("import", "--csv", "-", "--apply", said=table)[0] == 0
    eve = router.client("eve")
    assert eve
    assert (eve.get("KEY_BASE64"), bool(eve.get("HMAC_KEY_BASE64"))) == ("", True)


@pytest.mark.parametrize(
    ("given", "fresh"), [("KEY_BASE64", "HMAC_KEY_BASE64"), ("HMAC_KEY_BASE64", "KEY_BASE64")]
)
def test_the_other_of_two_keys_is_made_and_that_is_told(
    router: Router, given: str, fresh: str
) -> None:
    code, told = router.run(
        "import", "--csv", "-", "--apply", said=f"name,{given}\nanna,{KEY_BASE64}\n"
    )
    anna = router.client("anna")
    assert code == 0
    assert anna
    assert anna.get(given) == KEY_BASE64
    assert anna.get(fresh) not in ("", KEY_BASE64)
    assert "1 of the clients had one key in the table" in told
    assert f"fwknopctl qr --uci={router.uci} --client NAME" in told


@pytest.mark.parametrize(
    ("column", "value"),
    [("OPEN_PORTS", "tcp/99999"), ("HMAC_DIGEST_TYPE", "md6"), ("KEY", "x" * 200)],
)
def test_what_the_daemon_refuses_is_told_with_the_line_of_the_table(
    router: Router, tmp_path: Path, column: str, value: str
) -> None:
    table = tmp_path / "clients.csv"
    table.write_text(f"name,{column}\nanna,\n\neve,{value}\n")
    before = router.uci.read_bytes()
    code, told = router.run("import", "--csv", str(table), "--apply")
    assert (code, router.uci.read_bytes()) == (1, before)
    assert f"{table}:4: {column}: client eve: " in told


# Keys of all


@pytest.mark.parametrize("arguments", [[], ["bob", "--all"]])
def test_one_client_or_all(router: Router, arguments: list[str]) -> None:
    before = router.uci.read_bytes()
    assert router.run("client", "rotate", *arguments)[0] == 1
    assert router.uci.read_bytes() == before


def test_who_has_no_name_keeps_his_keys_and_that_is_told(router: Router) -> None:
    router.uci.write_text(router.uci.read_text().replace("\toption name 'bob'\n", ""))
    code, told = router.run("client", "rotate", "--all")
    assert code == 0
    assert "without a name keeps" in told


# Who ends


def test_who_ends_soon_in_order(router: Router) -> None:
    now = int(time.time())
    for name, days in (("late", 90), ("soon", 3), ("over", -1)):
        expiry = f"ACCESS_EXPIRE_EPOCH={now + days * DAY + 60}"
        router.run("client", "add", name, "--set", expiry)
    router.run("client", "add", "gone", "--set", f"ACCESS_EXPIRE_EPOCH={now + DAY}")
    router.run("client", "revoke", "gone")
    router.run("client", "rotate", "bob")
    code, told = router.run("expiring", "--json")
    found = json.loads(told)["clients"]
    assert code == 0
    told_of = [(item["name"], item["over"], item["old_keys"]) for item in found]
    assert told_of == [("over", True, False), ("bob", False, True), ("soon", False, False)]
    _, shown = router.run("expiring", "--within", "1w")
    assert "in 3 d" in shown
    assert "late" not in shown
    assert "late" in router.run("expiring", "--within", "100")[1]
    assert "Nobody" not in shown


CLASSIC = f"""\
SOURCE ANY
KEY_BASE64 {KEY_BASE64}
ACCESS_EXPIRE_EPOCH {{soon}}

SOURCE ANY
KEY_BASE64 c2Vjb25kIGtleSBvZiB0aGUgdHdv
"""


def test_who_ends_in_classic_files_is_told_by_them_and_by_a_daemon_that_runs_from_them(
    router: Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    soon = int(time.time()) + DAY
    conf, access = tmp_path / "fwknopd.conf", tmp_path / "access.conf"
    for file, text in ((conf, f"ACCESS_FILE {access};\n"), (access, CLASSIC.format(soon=soon))):
        file.touch(mode=0o600)
        file.write_text(text)
    monkeypatch.setattr("fwknopd.ctl.expiring.DEFAULT_UCI", str(router.uci))
    monkeypatch.setattr("fwknopd.ctl.expiring.DEFAULT_CONFIG", str(conf))
    control = tmp_path / "control.sock"

    def told() -> list[tuple[str, int, bool]]:
        assert main(["expiring", "--json", "--control", str(control)]) == 0
        found = json.loads(capsys.readouterr().out)["clients"]
        return [(item["name"], item["ends"], item["old_keys"]) for item in found]

    # UCI is off, so what would count is what the files say.
    assert told() == [("#1", soon, False)]
    stanzas = load_files(conf).stanzas
    answer = {"clients": [client_json(stanza, None) for stanza in stanzas]}
    access.write_text(access.read_text().replace(str(soon), str(soon + DAY)))
    with RunningServer(control, {"clients": lambda _arguments: answer}):
        assert told() == [("#1", soon, False)], "what is in force"
    assert told() == [("#1", soon + DAY, False)]
    router.apply({"enabled": True})
    router.run("client", "rotate", "bob")
    assert [(name, old) for name, _, old in told()] == [("bob", True)]


def test_who_may_not_look_into_the_folder_is_told_so(
    router: Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    """As anybody but root, of whom /etc/fwknop is private. Root may look into any folder."""
    conf = str(tmp_path / "fwknopd.conf")
    exists = Path.exists

    def forbidding(path: Path) -> bool:
        if str(path) == conf:
            raise PermissionError(EACCES, "Permission denied", conf)
        return exists(path)

    monkeypatch.setattr(Path, "exists", forbidding)
    monkeypatch.setattr("fwknopd.ctl.expiring.DEFAULT_UCI", str(router.uci))
    monkeypatch.setattr("fwknopd.ctl.expiring.DEFAULT_CONFIG", conf)
    assert main(["expiring", "--control", str(tmp_path / "control.sock")]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told == [f"fwknopctl: {conf} can't be read: Permission denied.", "  Run it as root"]


def test_nobody_ends(router: Router) -> None:
    assert router.run("expiring") == (0, "Nobody's access ends in this time.\n")


@pytest.mark.parametrize("text", ["", "d", "-1d", "1y", "1.5d", "999999d", "\u0663d"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        span(text)


def test_spans() -> None:
    assert [span(text) for text in ("12h", "30d", "2w", "3")] == [
        43200,
        30 * DAY,
        14 * DAY,
        3 * DAY,
    ]
