"""Where events can't go: a log server that goes away, and a file system that is full."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fwknopd.ctl import main as fwknopctl
from tests.interop.program import TIME_LIMIT, Fwknopd
from tests.unit.rfc5424 import read
from tests.unit.scraped import samples

Shown = Callable[..., str]


@pytest.fixture
def shown(fwknopd: Fwknopd, capsys: pytest.CaptureFixture[str]) -> Shown:
    def show(*arguments: str) -> str:
        fwknopctl([*arguments, "--control", str(fwknopd.run_dir / "control.sock")])
        return capsys.readouterr().out

    return show


@pytest.fixture
def fwknopd(tmp_path: Path) -> Fwknopd:
    made = Fwknopd(tmp_path)
    made.has_run_before()
    return made


def lost(shown: Shown) -> dict[str, dict[str, Any]]:
    return {item["outlet"]: item for item in json.loads(shown("status", "--json"))["log"]["lost"]}


def test_what_is_lost_is_told_with_what_to_do(fwknopd: Fwknopd, shown: Shown) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with closing(server):
        server.bind(("127.0.0.1", 0))
        server.settimeout(TIME_LIMIT)
        place = f"127.0.0.1:{server.getsockname()[1]}"
        settings = fwknopd.config.read_text() + f"SYSLOG_SERVER {place};\n"
        fwknopd.write(fwknopd.config, settings)
        with fwknopd.foreground("--events", "/dev/full"):
            assert read(server.recv(4096)).id == "start"
            first = lost(shown)
            assert first.keys() == {"events-file"}
            begun = first["events-file"]["count"]
            text = shown("status")
            assert f"written to --events /dev/full: {begun} (No space left on device)." in text
            assert "log server" not in text
            server.close()
            fwknopd.knock()
            fwknopd.wait_for_event("tcp/22")
            count = lost(shown)["log-server"]["count"]
            text = shown("status")
            assert (
                f"reach the log server {place}: at least {count} (Connection refused). See that"
                in text
            )
            told = samples(shown("metrics"), "fwknopd_events_lost")
            assert told == {"events-file": begun + count, "log-server": count}
