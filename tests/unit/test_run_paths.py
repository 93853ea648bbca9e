"""Where a daemon keeps its files, and when the used packets survive a reboot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fwknopd import run_paths as module
from fwknopd.config.settings import ServerSettings
from fwknopd.configuration import load_files
from fwknopd.options import Options
from fwknopd.run_paths import run_paths, used_paths

UCI = Options(uci="/etc/config/fwknopd")
SETTINGS = ServerSettings()
VOLATILE = Path("/var/run/fwknop/digest.cache")


@pytest.fixture
def flash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lasting place, in a folder that is yet to be made."""
    path = tmp_path / "fwknop" / "state" / "digest.cache"
    monkeypatch.setattr(module, "LASTING_DIGEST_FILE", path)
    return path


def test_the_lasting_place_holds_no_configuration() -> None:
    assert Path("/etc/fwknop/state/digest.cache") == module.LASTING_DIGEST_FILE


@pytest.mark.parametrize("made", [True, False])
def test_a_router_keeps_used_packets_over_a_reboot(flash: Path, made: bool) -> None:
    if made:
        flash.parent.mkdir(parents=True)
    paths = run_paths(UCI, SETTINGS)
    assert paths.digest_file == flash
    assert paths.former_digest_file == VOLATILE
    assert flash.parent.exists() is made


@pytest.mark.parametrize(
    ("options", "settings", "expected"),
    [
        (Options(), SETTINGS, VOLATILE),
        (replace(UCI, run_dir="/tmp/lab"), SETTINGS, Path("/tmp/lab/digest.cache")),
        (replace(UCI, run_dir="/var/run/fwknop"), SETTINGS, VOLATILE),
        (UCI, replace(SETTINGS, fwknop_run_dir="/mnt/usb"), Path("/mnt/usb/digest.cache")),
        (replace(UCI, digest_file="/mnt/used"), SETTINGS, Path("/mnt/used")),
        (UCI, replace(SETTINGS, digest_file="/mnt/used"), Path("/mnt/used")),
    ],
)
def test_whoever_names_a_place_gets_it(
    flash: Path, options: Options, settings: ServerSettings, expected: Path
) -> None:
    paths = run_paths(options, settings)
    assert paths.digest_file == expected
    assert paths.former_digest_file is None


def test_what_can_not_be_made_is_not_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lasting = tmp_path / "missing" / "fwknop" / "state" / "digest.cache"
    monkeypatch.setattr(module, "LASTING_DIGEST_FILE", lasting)
    assert run_paths(UCI, SETTINGS).digest_file == VOLATILE


@pytest.mark.parametrize("name", ["ACCESS_FILE", "ACCESS_FOLDER"])
def test_files_that_files_name_are_used_too(tmp_path: Path, name: str) -> None:
    main, folder = tmp_path / "fwknopd.conf", tmp_path / "clients"
    folder.mkdir()
    client, more = folder / "a.conf", tmp_path / "more.conf"
    main.write_text(f"{name} {folder if name == 'ACCESS_FOLDER' else client};\n")
    client.write_text(f"%include {more}\n")
    more.write_text("SOURCE ANY\nKEY long enough\n")
    loaded = load_files(main)
    used = used_paths(Options(config_file=str(main)), run_paths(Options(), SETTINGS), loaded)
    assert {main, client, more, folder, tmp_path} <= set(used)


def test_the_trace_of_a_run_ends_with_a_reboot(flash: Path) -> None:
    assert run_paths(UCI, SETTINGS).trace.parent == VOLATILE.parent
