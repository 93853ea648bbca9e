"""Signals to the running program, and the words of its log that scripts look for."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.interop.program import ACCESS, Fwknopd
from tests.interop.test_command_line import DATA, assert_no_key

INTRODUCTION = "(stanza #1) SPA Packet from IP: 127.0.0.1 received with access source match"


@pytest.fixture
def fwknopd(tmp_path: Path) -> Fwknopd:
    return Fwknopd(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_an_orderly_end(fwknopd: Fwknopd, number: signal.Signals) -> None:
    with fwknopd.foreground() as daemon:
        assert daemon.end(number) == 0
        assert f"Got {number.name}. Exiting..." in daemon.lines
    assert not (fwknopd.run_dir / "fwknopd.pid").exists()


def test_other_signals_are_nothing_to_it(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
            daemon.send(number)
        fwknopd.knock()
        daemon.wait_for("Added access rule to")
        assert daemon.end() == 0


def test_a_reload_keeps_what_is_open(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        fwknopd.knock()
        daemon.wait_for("Added access rule to")
        before = fwknopd.ask("grants")["grants"]
        fwknopd.write(fwknopd.access, ACCESS.replace("tcp/22", "tcp/80"))
        daemon.send(signal.SIGHUP)
        daemon.wait_for("Got SIGHUP. Re-reading configs.")
        daemon.wait_for("Configuration loaded: 1 client")
        assert fwknopd.ask("grants")["grants"] == before
        fwknopd.knock("tcp/80")
        daemon.wait_for("192.0.2.7 -> 0.0.0.0/0 tcp/80")


@pytest.mark.parametrize("broken", ["access", "config"])
def test_a_broken_configuration_at_reload_changes_nothing(fwknopd: Fwknopd, broken: str) -> None:
    with fwknopd.foreground() as daemon:
        path = {"access": fwknopd.access, "config": fwknopd.config}[broken]
        good = path.read_text()
        fwknopd.write(path, good + "SOURCE nowhere\nMAX_SPA_PACKET_AGE 999999999;\n")
        daemon.send(signal.SIGHUP)
        daemon.wait_for("Configuration not used: ")
        fwknopd.knock()
        daemon.wait_for("Added access rule to")
        said = len(daemon.lines)
        fwknopd.write(path, good)
        daemon.send(signal.SIGHUP)
        daemon.wait_for("Configuration loaded: 1 client", after=said)


def test_the_words_of_a_grant(fwknopd: Fwknopd) -> None:
    fwknopd.write(fwknopd.access, ACCESS + "FW_ACCESS_TIMEOUT 1\n")
    with fwknopd.foreground() as daemon:
        fwknopd.knock()
        removed = daemon.wait_for("Removed rule")
        added = daemon.lines.index(INTRODUCTION) + 1
    found = re.fullmatch(
        r"Added access rule to (\S+) for 192\.0\.2\.7 -> 0\.0\.0\.0/0 tcp/22, expires at (\d+)",
        daemon.lines[added],
    )
    assert found
    assert removed.startswith(f"Removed rule from {found[1]} with expire time of {found[2]}")


def test_the_words_of_a_replay(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        packet = fwknopd.knock()
        daemon.wait_for("Added")
        fwknopd.send(packet)
        line = daemon.wait_for("Replay")
    assert re.fullmatch(
        r"Replay detected from source IP: 127\.0\.0\.1, "
        rf"Destination proto/port: 17/{fwknopd.port}, "
        r"Original source IP: 127\.0\.0\.1, "
        rf"Original dst proto/port: 17/{fwknopd.port}, "
        r"Entry created: \d\d/\d\d/\d\d \d\d:\d\d:\d\d",
        line,
    )


@pytest.mark.parametrize("age", [300, -300])
def test_the_words_of_a_wrong_clock(fwknopd: Fwknopd, age: int) -> None:
    fwknopd.has_run_before()
    with fwknopd.foreground() as daemon:
        fwknopd.knock(age=age)
        line = daemon.wait_for("time difference")
    found = re.match(
        r"\[127\.0\.0\.1\] \(stanza #1\) SPA data time difference is too great \((\d+) seconds\)\.",
        line,
    )
    assert found
    assert abs(int(found[1]) - 300) < 10
    assert INTRODUCTION in daemon.lines


def test_the_words_of_a_port_that_is_not_allowed(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        fwknopd.knock("tcp/23")
        line = daemon.wait_for("denied per access.conf")
    said = "One or more requested protocol/ports was denied per access.conf."
    assert line.startswith(f"[127.0.0.1] (stanza #1) {said}")


def test_the_words_of_test_mode(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground("--test") as daemon:
        fwknopd.knock()
        line = daemon.wait_for("--test")
    said = "--test mode enabled, skipping firewall manipulation."
    assert line.startswith(f"[127.0.0.1] (stanza #1) {said}")


def test_verbose_shows_a_packet_as_the_c_daemon_did(fwknopd: Fwknopd) -> None:
    expected = (DATA / "fields.txt").read_text().splitlines()
    with fwknopd.foreground("-v") as daemon:
        fwknopd.send((DATA / "packet.txt").read_bytes().strip())
        daemon.wait_for("Final SPA Data")
    start = daemon.lines.index(expected[0])
    assert daemon.lines[start : start + len(expected)] == expected


def test_three_times_verbose_shows_every_byte_as_the_c_daemon_did(fwknopd: Fwknopd) -> None:
    expected = (DATA / "payload.txt").read_text().splitlines()
    packet = (DATA / "packet.txt").read_bytes().strip()
    with fwknopd.foreground("-vv") as daemon:
        fwknopd.send(packet)
        daemon.wait_for("Final SPA Data")
        assert expected[0] not in daemon.lines
    with fwknopd.foreground("-vvv") as daemon:
        fwknopd.send(packet)
        daemon.wait_for("Replay detected")
        fwknopd.send(b"\0\x1b[2J\\\xff" * 30)
        daemon.wait_for("not base64")
    start = daemon.lines.index(expected[0])
    assert daemon.lines[start : start + len(expected)] == expected
    hostile = "  0x0000:  00 1b 5b 32 4a 5c ff 00  1b 5b 32 4a 5c ff 00 1b  ..[2J\\...[2J\\..."
    assert hostile in daemon.lines


def test_quiet_shows_no_packet(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        fwknopd.knock()
        daemon.wait_for("Added")
        daemon.end()
    assert not [line for line in daemon.lines if "SPA Packet:" in line or "Field" in line]


def test_no_key_is_ever_said(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground("-vvv") as daemon:
        fwknopd.knock()
        daemon.wait_for("Added")
        fwknopd.send(b"A" * 200)
        daemon.wait_for("no client's keys fit")
        daemon.end()
    assert any("KEY_BASE64:  <see the access.conf file>" in line for line in daemon.lines)
    assert_no_key("\n".join(daemon.lines))
