"""Command cycles on the real program: whatever happens to the daemon, what was opened is closed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from base64 import b64encode
from binascii import crc32
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.interop.example_keys import HMAC_KEY_BASE64, KEY_BASE64
from tests.interop.program import ACCESS, TIME_LIMIT, Fwknopd, make_packet
from tests.timing import quickest

ADDRESS = "192.0.2.7"


@pytest.fixture
def fwknopd(tmp_path: Path) -> Fwknopd:
    made = Fwknopd(tmp_path)
    made.has_run_before()
    cycle(made)
    return made


def cycle(fwknopd: Fwknopd, *, timer: int = 60, close: str = "rm") -> None:
    """A client whose knocks make the file `opened`."""
    fwknopd.write(
        fwknopd.access,
        f"{ACCESS}CMD_CYCLE_OPEN touch {fwknopd.folder}/$SRC\n"
        f"CMD_CYCLE_CLOSE {close} {fwknopd.folder}/$SRC\nCMD_CYCLE_TIMER {timer}\n",
    )


def opened(fwknopd: Fwknopd) -> Path:
    return fwknopd.folder / ADDRESS


def journal(fwknopd: Fwknopd) -> Path:
    return fwknopd.run_dir / "command.cycles"


def until(condition: Callable[[], bool]) -> None:
    """Wait for what the daemon's commands do to files, of which nobody is told."""
    end = time.monotonic() + TIME_LIMIT
    while not condition():
        assert time.monotonic() < end, "it never happens"
        time.sleep(0.02)


def knock(fwknopd: Fwknopd) -> None:
    fwknopd.knock()
    until(opened(fwknopd).exists)


@pytest.mark.client
def test_the_original_client(fwknopd: Fwknopd) -> None:
    cycle(fwknopd, timer=3)
    with fwknopd.foreground("-v") as daemon:
        request = ("-a", ADDRESS, "-A", "tcp/22")
        keys = ("--key-base64-rijndael", KEY_BASE64, "--key-base64-hmac", HMAC_KEY_BASE64)
        subprocess.run(
            ["fwknop", "-D", "127.0.0.1", "-p", str(fwknopd.port), *request, *keys],
            env={**os.environ, "HOME": str(fwknopd.folder)},
            check=True,
            capture_output=True,
            timeout=TIME_LIMIT,
        )
        file = opened(fwknopd)
        who = "[127.0.0.1] (stanza #1)"
        daemon.wait_for(f"{who} Running CMD_CYCLE_OPEN command: touch {file}")
        daemon.wait_for(f"{who} Running CMD_CYCLE_CLOSE command in 3 seconds: rm {file}")
        until(file.exists)
        daemon.wait_for(f"Decision: runs 'touch' '{file}', for 60 s at most, and after 3 s 'rm' ")
        text = "Timer expired, running CMD_CYCLE_CLOSE command"
        daemon.wait_for(f"[{ADDRESS}] (stanza #1) {text}: rm {file}")
        until(lambda: not file.exists())
        until(lambda: not journal(fwknopd).exists())


def test_a_knock_over_ipv6(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        packet = make_packet(address="0.0.0.0")
        with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as sender:
            sender.sendto(packet, ("::1", fwknopd.port))
        until((fwknopd.folder / "::1").exists)
        assert fwknopd.ask("grants")["grants"][0]["address"] == "::1"
        assert daemon.end() == 0
    assert not (fwknopd.folder / "::1").exists()


def test_no_firewall_is_used(fwknopd: Fwknopd) -> None:
    fwknopd.firewall = "auto"
    with fwknopd.foreground() as daemon:
        assert fwknopd.ask("status")["firewall"]["backend"] == "none"
        knock(fwknopd)
        assert daemon.end() == 0


def test_a_killed_daemon_goes_on_where_it_was(fwknopd: Fwknopd) -> None:
    cycle(fwknopd, timer=6)
    with fwknopd.foreground() as daemon:
        began = time.time()
        knock(fwknopd)
        (before,) = fwknopd.ask("grants")["grants"]
        assert before["expires"] > began + 5
        daemon.end(signal.SIGKILL)
    assert opened(fwknopd).exists()
    with fwknopd.foreground() as daemon:
        assert daemon.lines[0].endswith("0 open doors taken over, 1 command cycle too")
        (door,) = fwknopd.ask("grants")["grants"] or [before]
        assert (door["client"], door["port"]) == ("#1", "tcp/22")
        assert door["expires"] == pytest.approx(before["expires"], abs=1)
        daemon.wait_for("Timer expired, running CMD_CYCLE_CLOSE command")
        assert time.time() > before["expires"] - 1
        until(lambda: not opened(fwknopd).exists())


def test_what_was_over_while_no_daemon_ran_is_closed_at_the_start(fwknopd: Fwknopd) -> None:
    cycle(fwknopd, timer=1)
    with fwknopd.foreground() as daemon:
        knock(fwknopd)
        daemon.end(signal.SIGKILL)
    time.sleep(1)
    assert opened(fwknopd).exists()
    with fwknopd.foreground() as daemon:
        daemon.wait_for("Timer expired, running CMD_CYCLE_CLOSE command")
        until(lambda: not opened(fwknopd).exists())


def test_a_client_deleted_while_no_daemon_ran_is_closed_at_the_start(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        knock(fwknopd)
        daemon.end(signal.SIGKILL)
    head = f"SOURCE ANY\nKEY_BASE64 {KEY_BASE64}\n"
    fwknopd.write(fwknopd.access, head.replace("ANY", "bad") + head)
    assert fwknopd.run("-f").returncode == 1
    assert opened(fwknopd).exists(), "a daemon that doesn't start does nothing"
    uci = fwknopd.folder / "fwknopd"
    fwknopd.write(
        uci,
        "config global\n\toption uci_enabled '1'\nconfig config\n"
        f"\toption ENABLE_UDP_SERVER 'Y'\n\toption UDPSERV_PORT '{fwknopd.port}'\n"
        f"\toption FWKNOP_RUN_DIR '{fwknopd.run_dir}'\nconfig access\n\toption SOURCE 'ANY'\n"
        f"\toption KEY_BASE64 '{KEY_BASE64}'\n\toption name 'somebody else'\n",
    )
    with fwknopd.foreground("--uci", str(uci)) as daemon:
        daemon.wait_for("Running, as its client was deleted, disabled or given new keys, CMD_CYCLE")
        until(lambda: not opened(fwknopd).exists())


def test_after_a_reboot_everything_counts_as_over(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        knock(fwknopd)
        daemon.end(signal.SIGKILL)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    text = journal(fwknopd).read_text()
    assert boot in text
    # Only whole lines are believed, so the checksum has to be made anew.
    line = text.splitlines()[1].rpartition(" ")[0].replace(boot, "another boot")
    journal(fwknopd).write_text(f"# kept\n{line} {crc32(line.encode()):08x}\n")
    with fwknopd.foreground() as daemon:
        daemon.wait_for("Timer expired, running CMD_CYCLE_CLOSE command")
        until(lambda: not opened(fwknopd).exists())


def test_an_orderly_end_closes_everything(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        knock(fwknopd)
        assert journal(fwknopd).stat().st_mode & 0o777 == 0o600
        assert daemon.end() == 0
        assert not opened(fwknopd).exists()
        assert not journal(fwknopd).exists()


def test_a_closing_command_that_hangs_holds_up_no_end(fwknopd: Fwknopd) -> None:
    fifo = fwknopd.folder / "fifo"
    os.mkfifo(fifo)
    cycle(fwknopd, close=f"cat {fifo}")

    def end() -> float:
        with fwknopd.foreground() as daemon:
            knock(fwknopd)
            began = time.monotonic()
            assert daemon.end() == 0
            took = time.monotonic() - began
        assert "cat" in journal(fwknopd).read_text()
        fifo.write_text("")
        opened(fwknopd).unlink()
        return took

    took = quickest(4, end)
    assert 1.5 < took < 4


def test_a_file_that_others_could_have_written_is_not_obeyed(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        knock(fwknopd)
        daemon.end(signal.SIGKILL)
    journal(fwknopd).chmod(0o666)
    with fwknopd.foreground() as daemon:
        line = daemon.wait_for("Command cycles of an earlier run: ")
        assert "is not used: others can reach it" in line
        assert fwknopd.ask("grants")["grants"] == []
        assert daemon.end() == 0
    assert opened(fwknopd).exists()


def test_test_mode_neither_opens_nor_closes(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        knock(fwknopd)
        daemon.end(signal.SIGKILL)
    before = journal(fwknopd).read_bytes()
    elsewhere = fwknopd.folder / "192.0.2.8"
    with fwknopd.foreground("--test") as daemon:
        fwknopd.knock()
        daemon.wait_for("--test mode enabled")
        assert daemon.end() == 0
    assert opened(fwknopd).exists()
    assert not elsewhere.exists()
    assert journal(fwknopd).read_bytes() == before


def test_explaining_runs_nothing(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground():
        answer = fwknopd.ask("explain", payload=b64encode(make_packet()).decode())
    detail = answer["verdict"]["detail"]
    file = opened(fwknopd)
    assert detail == (
        f"runs 'touch' '{file}', for 60 s at most, and after 60 s 'rm' '{file}', for 60 s at most"
    )
    steps = {step["check"]: step["detail"] for step in answer["clients"][0]["steps"]}
    assert steps["cycle"] == (
        "CMD_CYCLE_OPEN is run instead of opening doors, and CMD_CYCLE_CLOSE after 60 s: "
        "CMD_CYCLE_TIMER"
    )
    assert not file.exists()


def test_revoking_by_the_command_line(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground():
        knock(fwknopd)
        assert fwknopd.ask("revoke", all=True)["revoked"] == 1
        until(lambda: not opened(fwknopd).exists())
    shutil.rmtree(fwknopd.run_dir)
