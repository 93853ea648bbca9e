"""Loading configurations from real files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fwknopd import classic_files
from fwknopd.classic_files import FileReader
from fwknopd.config.includes import IncludeError
from fwknopd.config.problems import ConfigError, Severity
from fwknopd.configuration import load_files, load_uci

STANZA = "SOURCE ANY\nKEY secret\n"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return write(tmp_path / "fwknopd.conf", "")


@pytest.fixture
def access(tmp_path: Path) -> Path:
    return write(tmp_path / "access.conf", STANZA)


def test_classic_files(conf: Path, access: Path) -> None:
    loaded = load_files(conf, access)
    assert (loaded.source, loaded.network, len(loaded.stanzas)) == ("files", None, 1)
    assert loaded.settings.interfaces == ("eth0",)
    assert loaded.problems == ()


def test_access_file_of_fwknopd_conf(tmp_path: Path, access: Path) -> None:
    conf = write(tmp_path / "c", f"ACCESS_FILE {access};")
    assert len(load_files(conf).stanzas) == 1


def test_override_files_win(conf: Path, access: Path, tmp_path: Path) -> None:
    override = write(tmp_path / "o", "MAX_SPA_PACKET_AGE 60;")
    assert load_files(conf, access, overrides=[override]).settings.max_spa_packet_age == 60


def test_a_folder_wins_over_a_file(tmp_path: Path, access: Path) -> None:
    for name in ("b.conf", "a.conf"):
        write(tmp_path / "d" / name, f"SOURCE ANY\nREQUIRE_USERNAME {name}\nKEY x\n")
    conf = write(tmp_path / "c", f"ACCESS_FOLDER {tmp_path}/d;")
    assert [s.require_username for s in load_files(conf).stanzas] == ["a.conf", "b.conf"]
    # What the command line says wins over fwknopd.conf.
    assert len(load_files(conf, access).stanzas) == 1
    assert len(load_files(conf, access, access_folder=tmp_path / "d").stanzas) == 2


def test_includes_of_both_kinds(tmp_path: Path, conf: Path) -> None:
    write(tmp_path / "keys", "KEY other\n")
    write(tmp_path / "d" / "a.conf", f"SOURCE ANY\n%include_keys {tmp_path}/keys\n")
    access = write(tmp_path / "a", f"%include_folder {tmp_path}/d\n")
    assert load_files(conf, access).stanzas[0].keys.encryption_key == b"other"


@pytest.mark.parametrize("missing", ["fwknopd.conf", "access.conf"])
def test_a_missing_file(tmp_path: Path, conf: Path, access: Path, missing: str) -> None:
    (tmp_path / missing).unlink()
    with pytest.raises(ConfigError, match=f"{missing} does not exist"):
        load_files(conf, access)


def test_a_folder_without_stanzas(tmp_path: Path, conf: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(ConfigError, match="there is no stanza"):
        load_files(conf, access_folder=tmp_path / "d")
    with pytest.raises(ConfigError, match="No such file"):
        load_files(conf, access_folder=tmp_path / "e")


def test_a_file_others_can_read_is_a_warning(conf: Path, access: Path) -> None:
    access.chmod(0o644)
    [problem] = load_files(conf, access).problems
    assert problem.severity is Severity.WARNING
    assert problem.remedy == f"Run `chmod 600 {access}`."


def test_a_symbolic_link_is_followed(tmp_path: Path, conf: Path, access: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(access)
    assert len(load_files(conf, link).stanzas) == 1


def test_a_pipe_and_a_folder_are_refused(tmp_path: Path, conf: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ConfigError, match="not a regular file"):
            load_files(conf, path)


def test_files_together_are_limited(
    tmp_path: Path, conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classic_files, "MAX_TOTAL_SIZE", 1000)
    write(tmp_path / "big", "#" * 400 + "\n")
    access = write(tmp_path / "a", f"%include {tmp_path}/big\n" * 3 + STANZA)
    with pytest.raises(ConfigError, match="larger than"):
        load_files(conf, access)


def test_their_number_is_limited(tmp_path: Path, conf: Path) -> None:
    write(tmp_path / "a.conf", STANZA)
    access = write(tmp_path / "a", f"%include {tmp_path}/a.conf\n" * 1025)
    with pytest.raises(ConfigError, match="more than 1024 files"):
        load_files(conf, access)


def test_a_bomb_of_includes_ends_soon_and_says_little(tmp_path: Path, conf: Path) -> None:
    access = tmp_path / "a"
    write(access, f"%include {access}\n" * 2000)
    with pytest.raises(ConfigError) as refused:
        load_files(conf, access)
    assert len(refused.value.problems) < 250
    assert refused.value.problems[-1].message.endswith("more problems are not shown")


def test_a_reader_can_be_kept_in_a_folder(tmp_path: Path) -> None:
    inside, outside = write(tmp_path / "in" / "a", "x"), write(tmp_path / "secret", "y")
    (tmp_path / "in" / "link").symlink_to(outside)
    reader = FileReader(within=tmp_path / "in")
    assert reader.read_file(str(inside)) == "x"
    for path in (outside, tmp_path / "in" / "link", tmp_path / "in" / ".." / "secret"):
        with pytest.raises(IncludeError, match="outside"):
            reader.read_file(str(path))
    with pytest.raises(IncludeError, match="outside"):
        reader.list_folder(str(tmp_path))


def test_uci(tmp_path: Path) -> None:
    text = "config global\n\toption uci_enabled '{}'\nconfig access\n"
    text += "\toption SOURCE 'ANY'\n\toption KEY 'k'\n"
    path = write(tmp_path / "fwknopd", text.format("1"))
    loaded = load_uci(path, tmp_path)
    assert loaded is not None
    assert (loaded.source, loaded.network, len(loaded.stanzas)) == ("uci", "wan", 1)
    write(path, text.format("0"))
    assert load_uci(path, tmp_path) is None


def test_uci_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_uci(tmp_path / "fwknopd", tmp_path)
    path = write(tmp_path / "fwknopd", "bogus\n")
    with pytest.raises(ConfigError, match="fwknopd:1: "):
        load_uci(path, tmp_path)
