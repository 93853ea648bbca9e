"""The rig, with one device, one client, and a ubus of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fwknopd.options import Options
from tests.unit.service.configs import stanza
from tests.unit.service.doubles import CountingLoop, Devices, Notices
from tests.unit.service.rig import Rig
from tests.unit.service.ubus import Ubus


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    notices = Notices()
    monkeypatch.setattr("fwknopd.intake.LinkNotices", lambda: notices)
    monkeypatch.setattr("fwknopd.service.Loop", CountingLoop)
    options = Options(
        config_file=str(tmp_path / "fwknopd.conf"), access_file=str(tmp_path / "access.conf")
    )
    made = Rig(tmp_path, Devices("eth1", "eth2"), notices, options)
    made.conf("PCAP_INTF eth1;\n")
    made.access(stanza())
    yield made
    made.end()
    notices.close()


@pytest.fixture
def uci_rig(rig: Rig) -> Rig:
    """The same, run from UCI."""
    nowhere = rig.folder / "nowhere"
    rig.options = Options(
        uci=str(rig.folder / "fwknopd"),
        config_file=str(nowhere / "fwknopd.conf"),
        access_file=str(nowhere / "access.conf"),
    )
    return rig


@pytest.fixture
def ubus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ubus:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return Ubus(folder)
