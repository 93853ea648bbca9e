"""The real program and its file of used packets: what stops a start, what doesn't, and kills."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.program import Fwknopd


@pytest.fixture
def fwknopd(tmp_path: Path) -> Iterator[Fwknopd]:
    made = Fwknopd(tmp_path)
    yield made
    made.run("-K")


def configure(fwknopd: Fwknopd, line: str) -> None:
    fwknopd.write(fwknopd.config, f"{fwknopd.config.read_text()}{line}\n")


def test_a_killed_daemon_takes_up_where_it_was(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        packet = fwknopd.knock()
        daemon.wait_for("Added")
        daemon.end(signal.SIGKILL)
    with fwknopd.foreground() as daemon:
        fwknopd.send(packet)
        daemon.wait_for("Replay detected from source IP: 127.0.0.1, Destination")
        fwknopd.knock()
        daemon.wait_for("Added")


def test_a_daemon_whose_list_was_deleted_refuses_and_says_until_when(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        daemon.end()
    (fwknopd.run_dir / "digest.cache").unlink()
    with fwknopd.foreground() as daemon:
        daemon.wait_for("digest.cache is gone, though fwknopd ran here before. Packets made before")
        fwknopd.knock()
        daemon.wait_for("the list of used packets was lost")


def test_a_file_that_can_not_be_read_matters_only_when_it_is_used(fwknopd: Fwknopd) -> None:
    fwknopd.run_dir.mkdir(mode=0o700)
    (fwknopd.run_dir / "digest.cache").mkdir()
    done = fwknopd.run("-f")
    assert done.returncode == 1
    assert "can't read the list of used packets" in done.stderr
    configure(fwknopd, "ENABLE_DIGEST_PERSISTENCE N;")
    with fwknopd.foreground() as daemon:
        fwknopd.knock()
        daemon.wait_for("Added")


def test_a_packet_limit_holds_for_packets_that_come_together(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground("-C", "2") as daemon:
        daemon.send(signal.SIGSTOP)
        for port in ("tcp/22", "udp/22", "tcp/22"):
            fwknopd.knock(port)
        daemon.send(signal.SIGCONT)
        assert daemon.wait() == 0
    judged = [line for line in daemon.lines if "SPA Packet from IP" in line]
    assert len(judged) == 2
    assert any("Packet count limit (2) reached" in line for line in daemon.lines)


def test_a_file_of_packets_opens_no_door(fwknopd: Fwknopd) -> None:
    capture = fwknopd.folder / "day.pcap"
    capture.touch()
    done = fwknopd.run("-f", "--pcap-file", str(capture))
    assert done.returncode == 1
    assert "--pcap-file" in done.stderr
    assert "--test" in done.stderr
    configure(fwknopd, f"PCAP_FILE {capture};")
    done = fwknopd.run("-f")
    assert done.returncode == 1
    assert "PCAP_FILE" in done.stderr
