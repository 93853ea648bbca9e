"""What UCI can say of a client beyond access.conf, with the real program."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fwknopd.ctl import main
from tests.interop.example_keys import HMAC_KEY_BASE64, KEY_BASE64
from tests.interop.program import Fwknopd, Running, make_packet

DAY = 24 * 60


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[Fwknopd, Running]]:
    """The daemon with one client that has these options."""
    installed = Fwknopd(folder)
    installed.has_run_before()
    lines = [
        *("config global", "option uci_enabled '1'", "config config"),
        *("option ENABLE_UDP_SERVER 'Y'", f"option UDPSERV_PORT '{installed.port}'"),
        *("option PCAP_INTF 'lo'", f"option FWKNOP_RUN_DIR '{installed.run_dir}'"),
        *(f"option DIGEST_FILE '{installed.run_dir}/digest.cache'", "config access"),
        *("option name 'phone'", "option SOURCE 'ANY'", "option OPEN_PORTS 'tcp/22'"),
        *(f"option KEY_BASE64 '{KEY_BASE64}'", f"option HMAC_KEY_BASE64 '{HMAC_KEY_BASE64}'"),
        *options,
    ]
    uci = folder / "fwknopd"
    installed.write(uci, "\n".join(lines) + "\n")
    with installed.foreground("--uci", str(uci)) as daemon:
        yield installed, daemon


def around_now() -> str:
    """Three hours of UTC with this one in the middle."""
    hour = time.gmtime().tm_hour
    return f"{(hour - 1) % 24:02}:00-{(hour + 2) % 24:02}:00"


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("UTC", "Added access rule to"),
        ("<+12>-12", "(stanza phone) Access stanza is not open at this hour: it is "),
    ],
)
def test_hours_are_those_of_the_time_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, said: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    with running(tmp_path, f"option allowed_hours '{around_now()}'") as (installed, daemon):
        installed.knock()
        daemon.wait_for(said)


def test_log_only_tells_what_would_be_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path, "option log_only '1'") as (installed, daemon):
        installed.knock()
        line = daemon.wait_for("Client is log-only, skipping firewall manipulation.")
        assert "192.0.2.7,tcp/22: nothing is done (log_only); otherwise it opens tcp/22" in line
        assert installed.ask("grants")["grants"] == []
        assert installed.ask("status")["counters"] == {"log-only": 1}
        control = f"--control={installed.run_dir / 'control.sock'}"
        packet = tmp_path / "packet"
        packet.write_bytes(make_packet())
        assert main(["explain", control, str(packet)]) == 0
        told = capsys.readouterr().out
        assert "Client phone: would only log it" in told
        assert "LOG ONLY for client phone: nothing is done (log_only); otherwise it opens" in told
        assert main(["events", control]) == 0
        assert "  log only   127.0.0.1        phone         192.0.2.7,tcp/22  nothing is done" in (
            capsys.readouterr().out
        )


def test_export_leaves_such_clients_out_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uci = tmp_path / "fwknopd"
    uci.touch(mode=0o600)
    for option in ("allowed_hours '08:00-18:00'", "allowed_days 'mon'", "log_only '1'"):
        uci.write_text(
            "config access\n\toption SOURCE 'ANY'\n\toption KEY 'one secret'\n"
            f"\toption name 'Ann'\n\toption {option}\n"
        )
        assert main(["export", "--uci", str(uci)]) == 0
        told = capsys.readouterr()
        assert "client Ann is left out" in told.out + told.err
        assert "\nSOURCE" not in told.out
