"""The password file: what it keeps, whom it lets in, and what it says when it can't."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fwknop_webui.auth import AuthError, PasswordFile, PasswordRefused, set_password

PASSWORD = "a long enough phrase"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "webui.passwd"
    set_password(path, PASSWORD)
    return path


def test_lets_in_who_knows_both(file: Path) -> None:
    authenticator = PasswordFile(file)
    assert authenticator.authenticate("root", PASSWORD)
    assert not authenticator.authenticate("root", PASSWORD + " ")
    assert not authenticator.authenticate("Root", PASSWORD)
    assert not authenticator.authenticate("", "")


def test_password_is_not_in_the_file_and_the_file_is_private(file: Path) -> None:
    assert PASSWORD not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_same_password_is_stored_differently_each_time(file: Path) -> None:
    before = file.read_text()
    set_password(file, PASSWORD)
    assert file.read_text() != before
    assert PasswordFile(file).authenticate("root", PASSWORD)


def test_a_changed_password_counts_at_once(file: Path) -> None:
    authenticator = PasswordFile(file)
    set_password(file, "another long phrase", "anna")
    assert not authenticator.authenticate("root", PASSWORD)
    assert authenticator.authenticate("anna", "another long phrase")


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_unusable_passwords_are_refused_and_the_old_one_stays(file: Path, password: str) -> None:
    with pytest.raises(PasswordRefused, match="at least 8"):
        set_password(file, password)
    assert PasswordFile(file).authenticate("root", PASSWORD)


@pytest.mark.parametrize("user", ["", "a:b", "a b", "x" * 65])
def test_unusable_user_names_are_refused(file: Path, user: str) -> None:
    with pytest.raises(PasswordRefused, match="user name"):
        set_password(file, PASSWORD, user)


def test_no_file_says_how_to_set_a_password(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match="fwknop-webui passwd --password-file"):
        PasswordFile(tmp_path / "missing").authenticate("root", PASSWORD)


def test_file_others_can_read_lets_nobody_in(file: Path) -> None:
    file.chmod(0o640)
    with pytest.raises(AuthError, match="chmod 600"):
        PasswordFile(file).authenticate("root", PASSWORD)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"root\n",
        b"root::\n",
        b"\xff\xfe\n",
        b"root:$scrypt$ln=14,r=8,p=1$AAAAAAAAAAA=$short\n",
        b"root:$scrypt$ln=31,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA==$" + b"A" * 43 + b"=\n",
        b"root:$scrypt$ln=14,r=99,p=1$AAAAAAAAAAAAAAAAAAAAAA==$" + b"A" * 43 + b"=\n",
        b"root:$scrypt$ln=14,r=8,p=1$=AAAAAAAAAAAAAAAAAAAAA=$" + b"A" * 43 + b"=\n",
    ],
)
def test_damaged_file_lets_nobody_in_and_is_named(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(AuthError, match=r"webui\.passwd"):
        PasswordFile(file).authenticate("root", "")
