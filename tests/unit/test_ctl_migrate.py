"""``fwknopctl migrate``, as the packages run it at the first boot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fwknopd.ctl import main

STOCK = """
config access
	option SOURCE 'ANY'
	option KEY '__CHANGEME__'
	option HMAC_KEY '__CHANGEME__'
"""


def test_a_fresh_configuration_gets_a_client_with_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uci = tmp_path / "fwknopd"
    uci.write_text(STOCK)
    uci.chmod(0o600)
    assert main(["migrate", "--uci", str(uci)]) == 0
    said, written = capsys.readouterr().out, uci.read_text()
    assert "scan its QR code" in said
    assert "CHANGEME" not in written
    assert "option KEY_BASE64 '" in written
    assert written.count("option network 'wan'") == 1
    assert uci.stat().st_mode & 0o777 == 0o600
    assert main(["migrate", "--uci", str(uci)]) == 0
    assert (capsys.readouterr().out, uci.read_text()) == ("", written)


def test_a_missing_file_is_made(tmp_path: Path) -> None:
    uci = tmp_path / "fwknopd"
    assert main(["migrate", "--uci", str(uci)]) == 0
    assert "option name 'phone'" in uci.read_text()
    assert uci.stat().st_mode & 0o777 == 0o600


def test_another_network_than_wan_may_lead_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uci = tmp_path / "fwknopd"
    assert main(["migrate", "--uci", str(uci), "--network", "wwan"]) == 0
    assert "the network to watch is wwan" in capsys.readouterr().out
    assert "option network 'wwan'" in uci.read_text()
    written = uci.read_text()
    assert main(["migrate", "--uci", str(uci), "--network", "a b"]) == 1
    assert "can't be the name of a network" in capsys.readouterr().err
    assert uci.read_text() == written


def test_what_would_change_is_shown_without_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uci = tmp_path / "fwknopd"
    uci.write_text(STOCK)
    assert main(["migrate", "--uci", str(uci), "--dry-run", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["written"] is False
    assert any("KEY_BASE64='********'" in line for line in answer["commands"])
    assert uci.read_text() == STOCK


def test_a_broken_file_is_an_error_and_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uci = tmp_path / "fwknopd"
    uci.write_text("config access\n\toption 'oh\n")
    assert main(["migrate", "--uci", str(uci)]) == 1
    assert str(uci) in capsys.readouterr().err
    assert uci.read_text() == "config access\n\toption 'oh\n"
