"""Backups: what is in them, who can read them, and that restoring is no surprise."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import subprocess
import tarfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from fwknop_webui import sealed_backup, sealing
from fwknop_webui.backup_archive import NoBackup, pack, unpack
from fwknop_webui.factory import factory_package
from fwknop_webui.kept_files import kept_files
from fwknop_webui.services import WebConfig
from fwknop_webui.sessions import FRESH_SECONDS
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_format import UciPackage, format_uci, parse_uci
from tests.web.classic import ACCESS_CONF, classic_files
from tests.web.clock import HandClock
from tests.web.test_escaping import PAYLOADS, assert_harmless
from tests.web.test_import import paste
from tests.web.visitor import Page, Visitor

ROOT = Path(__file__).parents[2]
PASSPHRASE = "correct horse Übung"
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER_KEY = "oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8="

FILE = f"""
config global
\toption uci_enabled '1'

config access
\toption SOURCE 'ANY'
\toption name 'Anna'
\toption KEY_BASE64 '{KEY}'

config access 'bert'
\toption SOURCE 'ANY'
\toption name 'Bert'
\toption KEY_BASE64 '{OTHER_KEY}'

config stranger 'x'
\tlist keep 'me'

config config
\toption VERBOSE '1'

"""


@pytest.fixture(autouse=True)
def file(write_uci: Callable[[str], None]) -> None:
    write_uci(FILE)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    # scrypt is slow on purpose, and these tests do it often.
    monkeypatch.setattr(sealed_backup, "LOG2_N", 4)


def content(package: str = FILE) -> bytes:
    return pack(parse_uci(package, ""), {}, 0.0)


def download(visitor: Visitor, button: str = "Download encrypted", **typed: str) -> Page:
    typed = {"passphrase": PASSPHRASE, "again": PASSPHRASE, **typed}
    form = visitor.get("/backup").form("/backup/download")
    return visitor.press(form, button, **typed)


def restore(visitor: Visitor, data: bytes, passphrase: str = "") -> Page:
    csrf = visitor.get("/backup").form("/backup/restore").value("csrf")
    sent = {"csrf": csrf, "unseal": passphrase, "backup": (io.BytesIO(data), "backup")}
    return visitor.post("/backup/restore", sent)


def confirm(visitor: Visitor, page: Page) -> Page:
    return visitor.press(page.form("/backup/confirm"), "Restore")


def apply(visitor: Visitor) -> None:
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")


# Download


def test_plain_backup_is_what_sysupgrade_takes(visitor: Visitor, uci: Path) -> None:
    page = download(visitor, "Download without encryption", passphrase="", again="")
    headers = page.response.headers
    assert headers["Content-Type"] == "application/gzip"
    assert headers["Cache-Control"] == "no-store"
    name = r'attachment; filename="backup-fwknop-OpenWrt-\d{4}-\d\d-\d\d\.tar\.gz"'
    assert re.fullmatch(name, headers["Content-Disposition"])
    with tarfile.open(fileobj=io.BytesIO(page.response.data)) as archive:
        (member,) = archive.getmembers()
        assert (member.name, member.mode, member.uid) == ("etc/config/fwknopd", 0o600, 0)
        found = archive.extractfile(member)
        assert found and found.read() == uci.read_bytes()


def test_sealed_backup_opens_as_its_description_says(visitor: Visitor) -> None:
    data = download(visitor).response.data
    assert KEY.encode() not in data
    # Anew from BACKUP.md, without our own code: files must open in ten years, too.
    lines = data.split(b"\n")
    assert lines[0] == b"fwknop-wrt backup 1"
    _scrypt, n, r, p, salt = lines[1].split()
    _aes, nonce = lines[2].split()
    key = hashlib.scrypt(
        PASSPHRASE.encode(),
        salt=base64.b64decode(salt),
        n=2 ** int(n),
        r=int(r),
        p=int(p),
        dklen=32,
        maxmem=2**27,
    )
    header = b"\n".join(lines[:3]) + b"\n"
    body = base64.b64decode(b"".join(lines[3:]))
    packed = AESGCM(key).decrypt(base64.b64decode(nonce), body, header)
    assert KEY.encode() in gzip.decompress(packed)


def test_nobody_waits_for_ever_and_a_failure_is_no_backup(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "TIMEOUT", 0.01)
    page = download(visitor)
    assert page.status == 503
    assert "could not be sealed or opened" in page.text
    monkeypatch.setattr(sealing, "TIMEOUT", 60.0)
    monkeypatch.setattr(sealed_backup, "LOG2_N", 40)
    assert download(visitor).status == 503


def test_passphrase_is_in_no_argument_and_no_environment(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = subprocess.run

    def run(command: list[str], **more: Any) -> Any:
        seen.append(repr((command, more.get("env"))))
        return real(command, **more)

    monkeypatch.setattr(subprocess, "run", run)
    assert sealed_backup.is_sealed(download(visitor).response.data)
    assert len(seen) == 1
    assert PASSPHRASE not in seen[0]


def test_sealing_runs_nothing_from_the_folder_it_is_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(7)\n")
    monkeypatch.chdir(tmp_path)
    assert sealing.unseal(sealing.seal(b"content", PASSPHRASE), PASSPHRASE) == b"content"


def test_two_at_once_are_sealed_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 40 MiB of a small router."""
    met = threading.Barrier(2)
    together: list[bool] = []

    def run(command: list[str], **_more: Any) -> subprocess.CompletedProcess[bytes]:
        with suppress(threading.BrokenBarrierError):
            met.wait(0.5)
        together.append(not met.broken)
        return subprocess.CompletedProcess(command, 0, b"sealed")

    monkeypatch.setattr(subprocess, "run", run)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(sealing.seal, [b"x"] * 2, [PASSPHRASE] * 2)) == [b"sealed"] * 2
    assert together == [False, False]


def test_who_waits_for_another_one_does_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, end = threading.Event(), threading.Event()

    def run(command: list[str], **_more: Any) -> subprocess.CompletedProcess[bytes]:
        begun.set()
        assert end.wait(60)
        return subprocess.CompletedProcess(command, 0, b"sealed")

    monkeypatch.setattr(subprocess, "run", run)
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(sealing.seal, b"x", PASSPHRASE)
        assert begun.wait(60)
        monkeypatch.setattr(sealing, "TIMEOUT", 0.01)
        with pytest.raises(TimeoutError):
            sealing.seal(b"x", PASSPHRASE)
        end.set()
        assert first.result() == b"sealed"


def test_description_is_the_format_we_write() -> None:
    text = (ROOT / "BACKUP.md").read_text()
    for words in ("fwknop-wrt backup 1", "aes-256-gcm", "scrypt 15 8 1", "etc/config/fwknopd"):
        assert words in text


def test_two_backups_share_no_salt() -> None:
    assert sealed_backup.seal(b"x", PASSPHRASE) != sealed_backup.seal(b"x", PASSPHRASE)


def test_classic_files_come_along_on_request(visitor: Visitor, tmp_path: Path) -> None:
    folder = classic_files(tmp_path / "fwknop")
    (folder / "d").mkdir()
    (folder / "d" / "x.conf").write_text("SOURCE ANY\nKEY x\n")
    (folder / "access.conf").write_text(f"{ACCESS_CONF}%include {folder}/d/x.conf\n")
    page = download(visitor, "Download without encryption", classic="1")
    with tarfile.open(fileobj=io.BytesIO(page.response.data)) as archive:
        assert set(archive.getnames()) == {
            "etc/config/fwknopd",
            "etc/fwknop/access.conf",
            "etc/fwknop/fwknopd.conf",
            "etc/fwknop/d/x.conf",
        }
    preview = restore(visitor, page.response.data)
    assert "/etc/fwknop/d/x.conf" in preview.text
    assert "They are not restored from here." in preview.text


def test_unsaved_changes_are_left_out_and_that_is_said(visitor: Visitor) -> None:
    form = visitor.get("/settings").main_form()
    visitor.press(form, "Save", MAX_SPA_PACKET_AGE="77")
    assert "Your unsaved changes will not be in the file." in visitor.get("/backup").text
    plain = download(visitor, "Download without encryption").response.data
    assert b"'77'" not in gzip.decompress(plain)


@pytest.mark.parametrize(
    ("passphrase", "again", "expected"),
    [
        ("", "", "at least 10 characters"),
        ("too short", "too short", "at least 10 characters"),
        ("x" * 1001, "x" * 1001, "at least 10 characters"),
        (PASSPHRASE, PASSPHRASE + "!", "the same passphrase once more"),
    ],
)
def test_passphrase_must_be_good_and_typed_twice(
    visitor: Visitor, passphrase: str, again: str, expected: str
) -> None:
    page = download(visitor, passphrase=passphrase, again=again)
    assert page.status == 422
    assert expected in page.text
    assert not passphrase or passphrase not in page.html


def test_download_needs_a_recent_password(visitor: Visitor, hands: HandClock) -> None:
    hands.forward(FRESH_SECONDS)
    for button in ("Download encrypted", "Download without encryption"):
        page = download(visitor, button)
        assert "The file holds keys" in page.text
        assert PASSPHRASE not in page.html
    page = download(visitor, password="wrong")
    assert page.status == 401
    page = download(visitor, password=visitor.password)
    assert sealed_backup.is_sealed(page.response.data)


# Restore


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "plain"])
def test_backup_comes_back_after_a_look(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path, sealed: bool
) -> None:
    button = "Download encrypted" if sealed else "Download without encryption"
    data = download(visitor, button).response.data
    write_uci("\nconfig access 'bert'\n\toption SOURCE '192.0.2.1'\n\toption name 'Bert'\n\n")
    changed = uci.read_bytes()
    page = restore(visitor, data, PASSPHRASE if sealed else "")
    assert "The backup has 2 clients." in page.text
    assert "name='Anna'" in page.text
    for key in (KEY, OTHER_KEY):
        assert key not in page.html
    assert page.staged == 0
    page = confirm(visitor, page)
    assert page.staged > 0
    assert KEY not in page.html
    assert uci.read_bytes() == changed
    apply(visitor)
    assert uci.read_text() == FILE


def test_plain_uci_file_can_be_restored(visitor: Visitor, uci: Path) -> None:
    text = FILE.replace("VERBOSE '1'", "VERBOSE '0'")
    confirm(visitor, restore(visitor, text.encode()))
    apply(visitor)
    assert uci.read_text() == text


def test_backup_that_says_the_same_changes_nothing(visitor: Visitor) -> None:
    page = restore(visitor, content())
    assert "Nothing: the backup says the same." in page.text
    assert "Restore" not in [b[0] for b in page.form("/backup/confirm").buttons]


def test_faulty_configuration_is_told_before(visitor: Visitor) -> None:
    page = restore(visitor, content(FILE.replace("VERBOSE '1'", "VERBOSE 'loud'")))
    assert "The daemon would not take this configuration" in page.text
    assert "VERBOSE" in page.text


def test_wrong_passphrase_and_damage_are_one_error(visitor: Visitor) -> None:
    data = sealed_backup.seal(content(), PASSPHRASE)
    middle = len(data) - 40
    swapped = b"A" if data[middle : middle + 1] != b"A" else b"B"
    damaged = data[:middle] + swapped + data[middle + 1 :]
    cheaper = data.replace(b"scrypt 4 8 1", b"scrypt 4 8 2")
    texts = set()
    for tried, passphrase in ((data, "wrong one"), (damaged, PASSPHRASE), (cheaper, PASSPHRASE)):
        page = restore(visitor, tried, passphrase)
        assert page.status == 422
        (said,) = re.findall(r'id="e-unseal">([^<]*)<', page.html)
        texts.add(said)
        assert passphrase not in page.html
    assert texts == {"The passphrase is wrong, or the file is damaged."}


@pytest.mark.parametrize(
    "costs", ["25 8 1", "20 16 1", "15 99 1", "15 8 9", "0 8 1", "15 0 1", "15 8 0"]
)
def test_costs_of_a_made_up_file_are_refused_at_once(
    costs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sealed_backup.seal(b"x", PASSPHRASE).replace(b"scrypt 4 8 1", f"scrypt {costs}".encode())
    monkeypatch.setattr(hashlib, "scrypt", None)
    with pytest.raises(sealed_backup.NotThisFormat):
        sealed_backup.unseal(data, PASSPHRASE)


def _archive(name: str, data: bytes, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size, member.type, member.linkname = len(data), kind, link
        archive.addfile(member, io.BytesIO(data))
    return gzip.compress(made.getvalue(), mtime=0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"fwknop-wrt backup 2\nwhatever\n",
        b"fwknop-wrt backup 1\n",
        b"\x00\x01\x02",
        b"# only a comment\n",
        b"\x1f\x8b damaged",
        gzip.compress(b"no archive", mtime=0),
        gzip.compress(b"\0" * (5 << 20), mtime=0),
        _archive("etc/passwd", b"config access\n"),
        _archive("etc/config/fwknopd", b"", tarfile.SYMTYPE, "/etc/shadow"),
        _archive("etc/config/fwknopd", b"", tarfile.LNKTYPE, "etc/shadow"),
        _archive("etc/config/fwknopd", b"", tarfile.FIFOTYPE),
        _archive("../etc/config/fwknopd", b"config access\n"),
        _archive("etc/config/fwknopd", b"#" * (1 << 20) + b"config access\n"),
    ],
)
def test_what_is_no_backup_is_refused(visitor: Visitor, data: bytes) -> None:
    page = restore(visitor, data, PASSPHRASE)
    assert page.status == 422
    assert 'id="e-backup"' in page.html
    assert "/backup/confirm" not in visitor.get("/backup/preview").html


def test_broken_uci_is_told_by_line(visitor: Visitor) -> None:
    page = restore(visitor, _archive("./etc/config/fwknopd", b"config access\n\tnonsense\n"))
    assert page.status == 422
    assert "line 2" in page.text


def test_old_preview_restores_nothing_it_did_not_show(visitor: Visitor) -> None:
    old = restore(visitor, content(FILE.replace("'Anna'", "'Zoe'")))
    restore(visitor, content(FILE.replace("'Anna'", "'Yan'")))
    page = confirm(visitor, old)
    assert "this page is out of date" in page.text
    assert page.staged == 0


def test_other_change_meanwhile_is_put_beside_the_backup(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    page = restore(visitor, content(FILE.replace("'Anna'", "'Zoe'")))
    third = "config access\n\toption SOURCE 'ANY'\n\toption name 'Nojs'\n\toption KEY 'k'\n\n"
    write_uci(FILE.replace("VERBOSE '1'", "VERBOSE '2'") + third)
    page = confirm(visitor, page)
    assert "Your changes were put beside those" in page.text
    apply(visitor)
    for text in ("'Zoe'", "VERBOSE '2'", "'Nojs'"):
        assert text in uci.read_text()


@pytest.mark.parametrize("button", ["Have the backup's", "Keep theirs"])
def test_what_both_changed_is_shown_with_both_values(
    button: str, visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    page = restore(visitor, content(FILE.replace("'Anna'", "'Zoe'")))
    write_uci(FILE.replace("'Anna'", "'Yan'"))
    page = confirm(visitor, page)
    assert page.status == 409
    assert page.staged == 0
    assert "name Zoe Yan" in page.text
    old = page.form("/backup/confirm")
    write_uci(FILE.replace("'Anna'", "'Xenia'"))
    page = visitor.press(old, button)
    assert "name Zoe Xenia" in page.text
    staged = visitor.press(page.form("/backup/confirm"), button).staged
    assert bool(staged) == (button != "Keep theirs")
    if staged:
        apply(visitor)
    assert ("'Xenia'" if button == "Keep theirs" else "'Zoe'") in uci.read_text()


def test_page_nobody_remembers_is_shown_anew(visitor: Visitor) -> None:
    form = restore(visitor, content(FILE.replace("'Anna'", "'Zoe'"))).form("/backup/confirm")
    form.fields = [(key, "old" if key == "base" else old) for key, old in form.fields]
    page = visitor.press(form, "Restore")
    assert page.status == 409
    assert "the configuration changed since this page was opened" in page.text
    assert confirm(visitor, page).staged > 0


def test_restoring_without_the_first_client_changes_no_other(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    # Anonymous sections are called by their places.
    nameless = FILE.replace("access 'bert'", "access")
    write_uci(nameless)
    anna = nameless[nameless.index("config access") : nameless.rindex("config access")]
    page = restore(visitor, content(nameless.replace(anna, "")))
    assert "name='Bert'" not in page.text
    form = page.form("/backup/confirm")
    write_uci(nameless.replace("name 'Bert'", "name 'Bert'\n\toption note 'theirs'"))
    page = visitor.press(form, "Restore")
    apply(visitor)
    assert "note 'theirs'" in uci.read_text()
    assert "Anna" not in uci.read_text()


def test_nothing_is_compared_with_a_file_that_is_no_more(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    form = visitor.get("/settings").form("/settings")
    staged = visitor.press(form, "Save", network="lan").staged
    before, reset = restore(visitor, content()), visitor.get("/backup/reset")
    third = "config access\n\toption SOURCE 'ANY'\n\toption name 'Nojs'\n\toption KEY 'k'\n\n"
    write_uci(FILE + third)
    new = content(FILE.replace("VERBOSE '1'", "VERBOSE '0'") + third)
    first = "First decide what becomes of your unsaved changes"
    assert first in confirm(visitor, before).text
    assert first in visitor.press(reset.form("/backup/reset"), "Factory reset").text
    assert first in visitor.get("/backup/reset").text
    assert first in paste(visitor, ACCESS_CONF).text
    page = restore(visitor, new)
    assert first in page.text
    assert page.staged == staged
    page = visitor.press(page.form("/changes/apply"), "Keep my changes")
    # The way back.
    assert "Go on with the backup" in page.text
    assert "/backup/preview" in page.links
    confirm(visitor, visitor.get("/backup/preview"))
    apply(visitor)
    assert uci.read_text().count("name 'Nojs'") == 1


def test_way_back_is_one_of_the_pages_own(visitor: Visitor) -> None:
    page = visitor.get("/changes?after=//evil.example")
    assert "evil" not in page.html
    page = visitor.get("/changes?after=clients")
    assert "Go on" not in page.text


def test_restored_client_that_somebody_added_meanwhile_is_there_once(
    visitor: Visitor, write_uci: Callable[[str], None], uci: Path
) -> None:
    third = "config access\n\toption SOURCE 'ANY'\n\toption name 'Nojs'\n\toption KEY 'k'\n\n"
    confirm(visitor, restore(visitor, content(FILE + third)))
    write_uci(FILE + third.replace("'ANY'", "'192.0.2.0/24'"))
    page = visitor.get("/changes")
    assert "(Nojs) SOURCE ANY 192.0.2.0/24" in page.text
    visitor.press(page.form("/changes/apply"), "Keep theirs")
    # Nothing of it is left: theirs is there already.
    assert uci.read_text().count("name 'Nojs'") == 1
    assert visitor.get("/changes").staged == 0


def test_cancel_forgets_the_backup(visitor: Visitor) -> None:
    page = restore(visitor, content(FILE.replace("'Anna'", "'Zoe'")))
    visitor.press(page.form("/backup/confirm"), "Cancel")
    assert confirm(visitor, page).staged == 0


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_becomes_markup(visitor: Visitor, payload: str) -> None:
    quoted = "'" + payload.replace("'", "'\\''") + "'"
    text = f"config access\n\toption name {quoted}\n\toption SOURCE {quoted}\n"
    packed = pack(parse_uci(text, ""), {f"etc/fwknop/{payload}": "x"}, 0.0)
    page = restore(visitor, packed)
    assert_harmless(page.html)
    assert_harmless(confirm(visitor, page).html)
    assert_harmless(download(visitor, passphrase=payload).html)


@given(data=st.binary(max_size=400))
def test_any_bytes_are_a_backup_or_none(data: bytes) -> None:
    for tried in (
        data,
        b"\x1f\x8b" + data,
        gzip.compress(data, mtime=0),
        b"fwknop-wrt backup 1\n" + data,
    ):
        with suppress(NoBackup, ConfigError):
            unpack(tried)
        if sealed_backup.is_sealed(tried):
            with pytest.raises(sealed_backup.SealError):
                sealed_backup.unseal(tried, PASSPHRASE)


@given(data=st.binary(max_size=200), passphrase=st.text(min_size=1, max_size=20))
def test_what_is_sealed_opens_again(data: bytes, passphrase: str) -> None:
    assert sealed_backup.unseal(sealed_backup.seal(data, passphrase), passphrase) == data


# What a sysupgrade keeps, and starting over


def test_kept_files_are_told_by_what_keeps_them(config: WebConfig, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name, text in {
        "etc/sysupgrade.conf": "# comment\n/etc/fwknop/webui.passwd\n",
        "lib/upgrade/keep.d/other": "/etc/other\n",
        "usr/lib/opkg/info/fwknop-wrt.conffiles": "/etc/fwknop/access.conf\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    router = WebConfig(
        uci=Path("/etc/config/fwknopd"),
        control=config.control,
        password_file=Path("/etc/fwknop/webui.passwd"),
    )
    kept = {file.path: file for file in kept_files(router, root)}
    assert kept["/etc/config/fwknopd"].is_kept
    assert "/etc/sysupgrade.conf" in kept["/etc/fwknop/webui.passwd"].by
    assert "fwknop-wrt.conffiles" in kept["/etc/fwknop/access.conf"].by
    assert not kept["/etc/fwknop/fwknopd.conf"].is_kept
    (root / "lib/upgrade/keep.d/fwknop").write_text("/etc/fwknop/\n")
    assert all(file.is_kept for file in kept_files(router, root))


def test_factory_reset_asks_stages_and_leaves_no_key(visitor: Visitor, uci: Path) -> None:
    page = visitor.get("/backup/reset")
    assert "Delete 2 clients with their keys, and all settings?" in page.text
    assert visitor.get("/changes").staged == 0
    page = visitor.press(page.form("/backup/reset"), "Factory reset")
    assert page.staged > 0
    assert uci.read_text() == FILE
    apply(visitor)
    assert parse_uci(uci.read_text(), "") == factory_package()
    assert "uci_enabled" not in uci.read_text()
    assert KEY not in uci.read_text()


def test_old_page_resets_nothing(visitor: Visitor, write_uci: Callable[[str], None]) -> None:
    page = visitor.get("/backup/reset")
    write_uci(FILE.replace("VERBOSE '1'", "VERBOSE '2'"))
    assert visitor.press(page.form("/backup/reset"), "Factory reset").staged == 0


def test_factory_configuration_is_the_packaged_one() -> None:
    packaged = ROOT / "package/fwknop-wrt/files/etc/config/fwknopd"
    assert format_uci(parse_uci(packaged.read_bytes(), "")) == format_uci(factory_package())
    assert factory_package() != UciPackage()
