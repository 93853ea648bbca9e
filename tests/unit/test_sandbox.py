"""Which rights a configuration needs, and what happens where they can't be given up."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fwknopd import sandbox
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci
from fwknopd.sandbox import COMMANDS, TRADE, Capability, SandboxError, give_up_all_but, needed

CLIENT = "config access\n\toption SOURCE 'ANY'\n\toption KEY 'long enough'\n"
CAPABLE = """\
Name:	python3
CapInh:	0000000000000000
CapPrm:	000001ffffffffff
CapEff:	000001ffffffffff
CapBnd:	000001ffffffffff
"""
CONFINED = """\
CapInh:	0000000000003000
CapPrm:	0000000000003000
CapEff:	0000000000003000
CapBnd:	0000000000003000
NoNewPrivs:	1
"""


def configured(*options: str) -> Configuration:
    lines = "".join(f"\toption {option}\n" for option in options)
    return configuration_from_uci(parse_uci(CLIENT + lines, "u"), "u")


def test_the_trade_is_all_that_most_need() -> None:
    for configuration in (None, configured()):
        assert needed(configuration, ()).kept == TRADE
        assert not needed(configuration, ()).commands


@pytest.mark.parametrize(
    "options", [("ENABLE_CMD_EXEC 'Y'",), ("CMD_CYCLE_OPEN '/bin/true'", "CMD_CYCLE_CLOSE 'NONE'")]
)
def test_commands_need_to_be_somebody_else(options: tuple[str, ...]) -> None:
    rights = needed(configured(*options), ())
    assert rights.kept == TRADE | COMMANDS
    assert rights.commands
    assert rights.missing(configured(*options), "u") == ()


@pytest.mark.parametrize(
    ("settings", "low"),
    [
        (ServerSettings(enable_tcp_server=True, tcpserv_port=443), True),
        (ServerSettings(enable_udp_server=True, udpserv_port=53), True),
        (ServerSettings(enable_tcp_server=True), False),
        (ServerSettings(tcpserv_port=443, udpserv_port=53), False),
    ],
)
def test_a_low_port_is_a_right_of_its_own(settings: ServerSettings, low: bool) -> None:
    kept = needed(replace(configured(), settings=settings), ()).kept
    assert (Capability.NET_BIND_SERVICE in kept) == low


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_where_others_may_write_their_files_are_to_be_read(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    assert needed(configured(), (tmp_path,)).kept == TRADE | {Capability.DAC_OVERRIDE}


def test_what_is_not_there_is_nobodys(tmp_path: Path) -> None:
    assert needed(configured(), (tmp_path / "missing",)).kept == TRADE


@pytest.mark.parametrize("said", [None, "", "CapPrm 0", CONFINED.replace("3000", "zz"), "Näme: x"])
def test_a_process_that_nothing_is_known_of_keeps_its_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    monkeypatch.setattr(sandbox, "STATUS", tmp_path / "status")
    if said is not None:
        (tmp_path / "status").write_text(said)
    with pytest.raises(SandboxError, match="status doesn't tell"):
        give_up_all_but(needed(configured(), ()))


def of_process(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    file = folder / "status"
    file.write_text(text)
    monkeypatch.setattr(sandbox, "STATUS", file)
    # As on an OpenWrt without python3-ctypes.
    monkeypatch.setitem(sys.modules, "ctypes", None)


def test_without_ctypes_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    of_process(monkeypatch, tmp_path, CAPABLE)
    with pytest.raises(SandboxError, match="ctypes can't be used"):
        give_up_all_but(needed(None, ()))


def test_in_a_jail_nothing_is_left_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    of_process(monkeypatch, tmp_path, CONFINED)
    give_up_all_but(needed(None, ()))
