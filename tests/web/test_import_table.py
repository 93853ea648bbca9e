"""A table of clients on the Import page: each row is told what becomes of it, with its line."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from fwknop_webui.app import create_app
from fwknop_webui.routes import UPLOAD
from fwknop_webui.services import EXTENSION
from fwknop_webui.staging import Staging
from fwknop_webui.table_plan import MAX_ROWS
from fwknopd.config.uci_format import UciSection, parse_uci
from tests.web.clock import HandClock
from tests.web.conftest import PASSWORD, web_config
from tests.web.test_escaping import PAYLOADS, assert_harmless
from tests.web.visitor import Page, Visitor

NO_BOX = "\u2013"
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
HMAC = "oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8="
FILE = """
config access
\toption name 'Bob'
\toption SOURCE '192.0.2.0/24'
\toption OPEN_PORTS 'tcp/22'
\toption KEY 'bobs own words'
\toption HMAC_KEY 'bobs other words'

config access
\toption name 'Eve'
\toption enabled '0'
\toption SOURCE 'ANY'
\toption OPEN_PORTS 'tcp/22'
\toption KEY 'eves own words'
\toption HMAC_KEY 'eves other words'
"""
TABLE = f"""name,OPEN_PORTS,note,KEY_BASE64
Anna,"tcp/22, udp/53","her ""new"" phone",{KEY}
Bob,tcp/80,,

Carl,tcp/99999,,
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("table")
    (made / "config").mkdir()
    return made


@pytest.fixture(scope="module")
def uci(folder: Path) -> Path:
    return folder / "config" / "fwknopd"


@pytest.fixture(scope="module")
def app(folder: Path, password_file: Path) -> Flask:
    return create_app(web_config(folder, password_file, HandClock()))


@pytest.fixture(scope="module")
def logged_in(app: Flask, uci: Path) -> Visitor:
    """One login for all, for each costs what a password costs."""
    uci.touch(mode=0o600)
    uci.write_text(FILE)
    made = Visitor(app, PASSWORD)
    assert made.log_in().status == 200
    return made


@pytest.fixture
def visitor(logged_in: Visitor, app: Flask, write_uci: Callable[[str], None]) -> Visitor:
    """As if it had just been: nothing is staged, and nothing was looked at."""
    write_uci(FILE)
    for session in app.extensions[EXTENSION].sessions._sessions.values():
        session.staging, session.held, session.notices = Staging(), None, []
        session.imported = frozenset()
    return logged_in


def send(visitor: Visitor, content: bytes, name: str = "clients.csv") -> Page:
    csrf = visitor.get("/import").form("/import/table").value("csrf")
    return visitor.post("/import/table", {"csrf": csrf, "table": (io.BytesIO(content), name)})


def look(visitor: Visitor, text: str) -> Page:
    form = visitor.get("/import").form("/import/table")
    return visitor.press(form, "Look at the table", table_text=text)


def confirm(visitor: Visitor, page: Page, *more: int, but: int = 0) -> Page:
    """As it is ticked, and these lines too; without the line ``but``."""
    form = page.form("/import/table/confirm")
    form.fields = [field for field in form.fields if field[0] != f"take-{but}"]
    typed = {f"take-{line}": "1" for line in more}
    return visitor.press(form, "Import what is ticked", **typed)


def rows(page: Page) -> list[list[str]]:
    """The cells of the table of results, as text."""
    body = page.html.partition("<tbody>")[2].partition("</tbody>")[0]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in body.split("<tr>")[1:]]
    return [[" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in row] for row in cells]


def ticked(page: Page) -> set[str]:
    return {name for name, _ in page.form("/import/table/confirm").fields if "take-" in name}


def client(uci: Path, name: str) -> UciSection | None:
    found = [s for s in parse_uci(uci.read_text(), "").of_type("access") if s.get("name") == name]
    assert len(found) < 2
    return found[0] if found else None


def apply(visitor: Visitor) -> Page:
    return visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")


def test_each_row_is_told_what_becomes_of_it(visitor: Visitor, uci: Path) -> None:
    page = look(visitor, TABLE)
    assert "1 will be added, 1 changed, 0 are so already, 1 are refused." in page.text
    (_, line, name, rules, result), bob, carl = rows(page)
    assert (line, name) == ("2", "Anna")
    assert "OPEN_PORTS tcp/22, udp/53" in rules
    assert 'note her "new" phone'.replace('"', "&#34;") in rules
    assert "one key of the table, the other fresh" in rules
    assert result.startswith("will add")
    assert (bob[1], bob[4]) == ("3", "will change Different: OPEN_PORTS .")
    assert (carl[0], carl[1]) == (NO_BOX, "5")
    for told in ("refused", "OPEN_PORTS", "CSV, line 5"):
        assert told in carl[4]
    # Who is there is changed only by somebody who says so.
    assert ticked(page) == {"take-2"}
    assert (uci.read_text(), page.staged) == (FILE, 0)


def test_a_row_tells_what_may_not_be_meant_and_can_be_had(visitor: Visitor) -> None:
    twins = f"Al,tcp/22,{KEY},\nBo,,{KEY},\nCy,tcp/22,,\n"
    text = f"name,OPEN_PORTS,KEY_BASE64,HMAC_KEY_BASE64\n{twins}"
    page = look(visitor, text.replace(",\n", f",{HMAC}\n", 2))
    al, bo, cy = (row[4] for row in rows(page))
    assert (al, cy) == ("will add", "will add")
    assert "client Bo may open every port" in bo
    assert "Bo and Al have the same keys" in bo
    assert ticked(page) == {"take-2", "take-3", "take-4"}


def test_a_heading_alone_offers_nothing_to_import(visitor: Visitor) -> None:
    page = look(visitor, "name,OPEN_PORTS\n")
    assert "Import what is ticked" not in page.text


def test_what_is_ticked_is_staged_applied_and_printed(visitor: Visitor, uci: Path) -> None:
    page = confirm(visitor, look(visitor, TABLE), 3)
    assert "2 clients are imported." in page.text
    assert "For 1 the table had one key, and the other is fresh" in page.text
    assert page.staged
    assert uci.read_text() == FILE
    page = apply(visitor)
    anna, bob = client(uci, "Anna"), client(uci, "Bob")
    assert anna and bob
    assert (anna.get("KEY_BASE64"), len(anna.get("HMAC_KEY_BASE64"))) == (KEY, 88)
    assert anna.get("SOURCE") == "ANY"
    assert (bob.get("OPEN_PORTS"), bob.get("KEY")) == ("tcp/80", "bobs own words")
    assert bob.get("SOURCE") == "192.0.2.0/24"
    assert not client(uci, "Carl")
    [link] = [link for link in visitor.get("/clients").links if "which=imported" in link]
    page = visitor.press(visitor.get(link).form("/sheet"), "Show QR codes")
    assert re.findall("<h2>(.*?)</h2>", page.html) == ["Bob", "Anna"]


def test_nothing_ticked_is_nothing_imported(visitor: Visitor) -> None:
    page = look(visitor, TABLE)
    page = confirm(visitor, page, but=2)
    assert (page.status, page.staged) == (422, 0)
    assert "Nothing is ticked" in page.text


def test_who_is_there_already_as_the_table_has_it(visitor: Visitor, uci: Path) -> None:
    page = look(visitor, "name,OPEN_PORTS\nBob,tcp/22\nEve,tcp/443\n")
    bob, eve = rows(page)
    assert bob[0] == NO_BOX
    assert bob[4].startswith("same")
    assert "It is disabled, and stays so." in eve[4]
    # A tick that the page doesn't offer counts for nothing.
    confirm(visitor, page, 2, 3)
    apply(visitor)
    found = client(uci, "Eve")
    assert found
    assert (found.get("enabled"), found.get("OPEN_PORTS")) == ("0", "tcp/443")


def test_a_german_excel(visitor: Visitor, uci: Path) -> None:
    text = 'name;OPEN_PORTS;note\r\n"Jörg ""J."" Groß";"tcp/22,udp/53";"ja; nein"\r\n'
    confirm(visitor, send(visitor, b"\xef\xbb\xbf" + text.encode()))
    apply(visitor)
    found = client(uci, 'Jörg "J." Groß')
    assert found
    assert (found.get("OPEN_PORTS"), found.get("note")) == ("tcp/22,udp/53", "ja; nein")


def test_bytes_that_are_no_utf_8_are_told_by_row_and_column(visitor: Visitor, uci: Path) -> None:
    text = "name;note\r\nAnna;alt\r\nBerta;J\u00f6rgs Ger\u00e4t\r\n"
    page = send(visitor, text.encode("cp1252"), "/home/Tabellen/x.csv")
    anna, berta = rows(page)
    assert anna[4].startswith("will add")
    assert "note : this is not UTF-8. Save the table once more, as CSV in UTF-8." in berta[4]
    assert "x.csv, line 3" in berta[4]
    assert "Tabellen" not in page.text
    confirm(visitor, page)
    apply(visitor)
    assert client(uci, "Anna")


NO_TABLES = (
    (b"OPEN_PORTS\ntcp/22\n", "name: there is no column of this name"),
    (b"name,OPEN_PROTS\nAnna,tcp/22\n", "OPEN_PROTS: there is no such option"),
    (b"name;OPEN_PORTS;;\r\nAnna;tcp/22;;\r\n", "column 3 has no name"),
    (b'name,note\nAnna,x\nBob,"open\n', "this is no row of CSV"),
    ("name,note\nAnna,x\n".encode("utf-16"), "this is not UTF-8"),
    ("name,note\nAnna,x\n".encode("utf-16-le"), "there is no column of this name"),
    (bytes(range(256)) * 20, "there is no column of this name"),
    (b"\x00" * 5000, "there is no column of this name"),
    (b"name\n" + b"".join(b"c%d\n" % n for n in range(MAX_ROWS + 1)), "more than 1000 rows"),
    (b"name,note\nAnna," + b"x" * 140_000, "this is no row of CSV"),
)


def test_what_is_no_table_is_refused_with_line_and_column(visitor: Visitor, uci: Path) -> None:
    for content, told in NO_TABLES:
        page = send(visitor, content)
        assert page.status == 422
        assert "This is no table of clients" in page.text
        assert told in page.text
        assert re.search(r"clients\.csv, line \d+", page.text)
        assert (uci.read_text(), page.staged) == (FILE, 0)


FAULTY = (
    ("Anna,tcp/22,x,y", "more cells than there are columns"),
    ("Short", "fewer cells than there are columns"),
    (",tcp/22,x", "name : the client has no name"),
    ("Anna,=1+1,x", "OPEN_PORTS :"),
    ("Anna,tcp/22,a\x01b", "note : the value has a control character"),
    ('Anna,"tcp/22\x00",x', "OPEN_PORTS : the value has a control character"),
    ("x" * 65 + ",tcp/22,x", "name : the client has no name"),
)


def test_faulty_rows_are_refused_and_the_others_are_not(visitor: Visitor, uci: Path) -> None:
    lines = "".join(f"{line}\nGood {n},tcp/{n + 1},\n" for n, (line, _told) in enumerate(FAULTY))
    page = send(visitor, f"name,OPEN_PORTS,note\n{lines}".encode())
    found = rows(page)
    for n, (_line, told) in enumerate(FAULTY):
        bad, good = found[2 * n : 2 * n + 2]
        assert (bad[0], bad[1], good[1]) == (NO_BOX, str(2 * n + 2), str(2 * n + 3))
        assert told in bad[4]
        assert f"clients.csv, line {2 * n + 2}" in bad[4]
        assert good[4].startswith("will add")
    confirm(visitor, page, 2)
    apply(visitor)
    assert all(client(uci, f"Good {n}") for n in range(len(FAULTY)))
    assert not client(uci, "Anna")


def test_of_a_name_that_comes_twice_no_row_is_taken(visitor: Visitor) -> None:
    page = look(visitor, "name,OPEN_PORTS\nAnna,tcp/22\nBerta,tcp/22\nAnna,tcp/80\n")
    first, berta, second = rows(page)
    for row in (first, second):
        assert "name : Anna is there twice. Name it once." in row[4]
    assert berta[4].startswith("will add")


def test_cells_that_are_formulas_are_text(visitor: Visitor, uci: Path) -> None:
    formula = '=HYPERLINK("http://evil.example";"x")'
    quoted = formula.replace('"', '""')
    page = look(visitor, f'name,note\n"{quoted}",+1+cmd|x\n@SUM,-1\n')
    assert_harmless(page.html)
    confirm(visitor, page)
    apply(visitor)
    found = client(uci, formula)
    assert found
    assert found.get("note") == "+1+cmd|x"
    assert client(uci, "@SUM")


def test_too_much_is_refused(visitor: Visitor) -> None:
    assert send(visitor, b"name\n" + b"x" * UPLOAD.body).status == 413
    assert send(visitor, b"").status == 422
    assert "Nothing was sent" in look(visitor, " \n").text


def test_a_configuration_that_is_faulty_itself_is_told_of(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(FILE + "\nconfig config\n\toption MAX_SPA_PACKET_AGE 'x'\n")
    page = look(visitor, TABLE)
    assert "would not take the configuration with any row" in page.text
    assert "MAX_SPA_PACKET_AGE" in page.text
    assert ticked(page) == set()


def test_what_changed_meanwhile_is_looked_at_again(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    page = look(visitor, "name,OPEN_PORTS\nAnna,tcp/80\nBerta,tcp/22\n")
    write_uci(FILE.replace("'Bob'", "'Anna'"))
    page = confirm(visitor, page)
    assert (page.status, page.staged) == (409, 0)
    assert "The configuration was changed while you looked" in page.text
    assert [row[4].partition(" D")[0] for row in rows(page)] == ["will change", "will add"]
    # Whoever has looked at it may go on, without the one who is there by now.
    confirm(visitor, page, but=2)
    apply(visitor)
    anna = client(uci, "Anna")
    assert anna
    assert anna.get("SOURCE") == "192.0.2.0/24"
    assert client(uci, "Berta")


def test_a_preview_of_another_table_imports_nothing(visitor: Visitor, second: Visitor) -> None:
    page = look(visitor, TABLE)
    look(visitor, "name\nDora\n")
    page = confirm(visitor, page)
    assert "this page is out of date" in page.text
    assert "Dora" in page.text
    assert page.staged == 0
    assert "Dora" not in second.get("/import/table").html


def test_keys_are_in_no_page(visitor: Visitor) -> None:
    keys = "name,KEY,HMAC_KEY_BASE64\nAnna,annas secret words,"
    pages = [
        look(visitor, f"{keys}{HMAC}\n"),
        confirm(visitor, visitor.get("/import/table")),
        visitor.get("/changes"),
        look(visitor, f"{keys}{HMAC}\nBob,another secret,no base 64\n"),
        look(visitor, f"{keys}{HMAC},x\n"),
    ]
    for page in pages:
        for secret in ("annas secret", "another secret", "no base 64", HMAC):
            assert secret not in page.html
        assert page.response.headers["Cache-Control"] == "no-store"


def test_nothing_becomes_markup(visitor: Visitor) -> None:
    for payload in PAYLOADS:
        quoted = payload.replace('"', '""')
        text = f'name,note,OPEN_PORTS\n"{quoted}","{quoted}",tcp/22\nx,y,"{quoted}"\n'
        assert_harmless(send(visitor, text.encode("utf-8", "replace"), payload).html)
        assert_harmless(look(visitor, f'name,"{quoted}"\nx,y\n').html)


def test_five_hundred_rows(visitor: Visitor) -> None:
    table = "name,OPEN_PORTS\n" + "".join(f"Client {n},tcp/{n + 1}\n" for n in range(500))
    page = confirm(visitor, look(visitor, table))
    assert "500 clients are imported." in page.text
    assert "QR codes of the 500 clients imported last" in page.text


def test_in_german_every_word_is(visitor: Visitor) -> None:
    """The daemon's own sentences, too."""
    german = {"Accept-Language": "de"}
    look(visitor, "name,OPEN_PORTS\nAnna,tcp/22\nBerta\nCarl,tcp/99999\nBob,tcp/1\n")
    page = Page(visitor.client.get("/import/table", headers=german))
    for told in (
        "1 kommen hinzu, 1 werden ge\u00e4ndert, 0 sind schon so, 2 werden abgelehnt.",
        "die Zeile hat weniger Zellen, als es Spalten gibt. Schreiben Sie ein Komma",
        "OPEN_PORTS: Client Carl: ",
        "CSV, Zeile 4",
    ):
        assert told in page.text
    for english in ("client Carl", "the row", "will change", "fresh keys", "Expected"):
        assert english not in page.text
