"""The C daemon's command line, on the real program: what it prints, does and returns."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fwknopd.pid_file import PidFile, running_pid
from tests.interop.example_keys import HMAC_KEY_BASE64, KEY_BASE64
from tests.interop.program import ACCESS, Fwknopd, environment, make_packet, program, run

DATA = Path(__file__).parents[1] / "data" / "command_line"


@pytest.fixture
def fwknopd(tmp_path: Path) -> Iterator[Fwknopd]:
    """An installation whose daemon, if one still runs in the background, ends with the test."""
    made = Fwknopd(tmp_path)
    yield made
    made.run("-K")


# Nobody runs


@pytest.mark.parametrize("option", ["-S", "-K", "-R", "--status", "--kill", "--restart"])
def test_without_a_daemon_nothing_is_done_and_nothing_is_made(
    fwknopd: Fwknopd, option: str
) -> None:
    before = sorted(fwknopd.folder.rglob("*"))
    done = fwknopd.run(option)
    assert (done.returncode, done.stdout) == (1, "No running fwknopd detected.\n")
    assert sorted(fwknopd.folder.rglob("*")) == before


def test_asking_works_while_the_clients_file_is_broken(fwknopd: Fwknopd) -> None:
    fwknopd.write(fwknopd.access, "SOURCE nonsense\n")
    assert fwknopd.run("-S").stdout == "No running fwknopd detected.\n"


def test_a_configuration_file_that_is_named_must_be_there(fwknopd: Fwknopd) -> None:
    done = run([*program(), "-c", "absent.conf", "-S"], fwknopd.folder)
    assert done.returncode == 1
    assert "absent.conf does not exist" in done.stderr


# In the background


def test_a_life_in_the_background(fwknopd: Fwknopd) -> None:
    assert fwknopd.run().returncode == 0
    # Ready the moment the command returns: no waiting in between.
    pid = fwknopd.pid
    assert fwknopd.run("-S").stdout == f"Detected fwknopd is running (pid={pid}).\n"
    assert stat.S_IMODE((fwknopd.run_dir / "fwknopd.pid").stat().st_mode) == 0o600
    fwknopd.knock()
    fwknopd.wait_for_event("access rule for 192.0.2.7")
    done = fwknopd.run("-K")
    assert (done.returncode, done.stdout) == (0, f"Killed fwknopd (pid={pid}) via SIGTERM\n")
    assert not (fwknopd.run_dir / "fwknopd.pid").exists()
    assert fwknopd.run("-S").returncode == 1


def test_looking_changes_neither_file_nor_lock(fwknopd: Fwknopd) -> None:
    fwknopd.run()
    pid, path = fwknopd.pid, fwknopd.run_dir / "fwknopd.pid"
    before = path.stat()
    fwknopd.run("-S")
    fwknopd.run("-R")
    fwknopd.wait_for_event("Configuration loaded")
    assert fwknopd.run("-S").stdout == f"Detected fwknopd is running (pid={pid}).\n"
    assert fwknopd.pid == pid
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert "An instance" in fwknopd.run("-f").stderr


@pytest.mark.parametrize("how", [(), ("-f",)], ids=["background", "foreground"])
def test_a_second_daemon_is_refused(fwknopd: Fwknopd, how: tuple[str, ...]) -> None:
    fwknopd.run()
    done = fwknopd.run(*how)
    assert done.returncode == 1
    expected = f"[*] An instance of fwknopd is already running: (PID={fwknopd.pid})."
    assert done.stderr.startswith(expected)
    assert fwknopd.run("-S").returncode == 0


def test_restart_reads_the_files_anew_wherever_they_were_named_from(fwknopd: Fwknopd) -> None:
    relative = [*program(), "-c", "fwknopd.conf", "-a", "access.conf", "--firewall=log-only"]
    assert run(relative, fwknopd.folder).returncode == 0
    pid = fwknopd.pid
    fwknopd.write(fwknopd.access, ACCESS + ACCESS)
    done = fwknopd.run("-R")
    assert (done.returncode, done.stdout) == (0, f"Sent restart signal to fwknopd (pid={pid})\n")
    fwknopd.wait_for_event("Configuration loaded: 2 clients")


def test_the_pid_file_can_be_anywhere(fwknopd: Fwknopd) -> None:
    elsewhere = fwknopd.folder / "my.pid"
    assert fwknopd.run("-p", str(elsewhere)).returncode == 0
    assert int(elsewhere.read_text()) == running_pid(elsewhere)
    assert fwknopd.run("-K", "--pid-file", "my.pid").returncode == 0


def test_faults_at_start_are_told_before_the_prompt_comes_back(fwknopd: Fwknopd) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
        taken.bind(("", fwknopd.port))
        done = fwknopd.run()
    assert done.returncode == 1
    assert str(fwknopd.port) in done.stderr
    assert fwknopd.run("-S").returncode == 1


def test_a_broken_configuration_stops_the_start(fwknopd: Fwknopd) -> None:
    fwknopd.write(fwknopd.access, ACCESS.replace("ANY", "nowhere"))
    done = fwknopd.run()
    assert done.returncode == 1
    assert re.search(r"access\.conf:1: SOURCE: ", done.stderr)


def test_a_run_directory_that_cannot_be(fwknopd: Fwknopd) -> None:
    done = fwknopd.run("-r", str(fwknopd.config / "below-a-file"))
    assert done.returncode == 1
    assert "--run-dir" in done.stderr


# Killing


def test_a_daemon_whose_parent_does_not_reap_it_counts_as_killed(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground():
        # Nobody waits for the process here: it stays a zombie, which the C daemon calls failure.
        done = fwknopd.run("-K")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("via SIGTERM\n")


def test_a_daemon_that_hangs_is_ended_by_force(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        daemon.send(signal.SIGSTOP)
        done = fwknopd.run("-K")
        assert (done.returncode, done.stdout) == (
            0,
            f"Killed fwknopd (pid={daemon.process.pid}) via SIGKILL\n",
        )


def test_a_pid_file_that_was_left_behind_harms_nobody(fwknopd: Fwknopd) -> None:
    fwknopd.run_dir.mkdir()
    (fwknopd.run_dir / "fwknopd.pid").write_text(f"{os.getpid()}\n")
    # That is this test's own number: a daemon that believed the file would kill it.
    assert fwknopd.run("-K").returncode == 1
    assert fwknopd.run().returncode == 0
    assert fwknopd.pid != os.getpid()


def test_whoever_holds_the_lock_is_the_daemon(fwknopd: Fwknopd) -> None:
    fwknopd.run_dir.mkdir()
    path = fwknopd.run_dir / "fwknopd.pid"
    mine = PidFile(path)
    # What the file says is not asked. (Another process must write it: our lock would end.)
    run(["sh", "-c", "echo 1 >run/fwknopd.pid"], fwknopd.folder)
    assert fwknopd.run("-S").stdout == f"Detected fwknopd is running (pid={os.getpid()}).\n"
    assert f"(PID={os.getpid()})" in fwknopd.run().stderr
    mine.release()
    assert not path.exists()
    assert fwknopd.run().returncode == 0


# What prints and exits


@pytest.mark.parametrize("options", [("-S", "-K"), ("-R", "-D"), ("-D", "-S", "-f")])
def test_one_thing_at_a_time(fwknopd: Fwknopd, options: tuple[str, ...]) -> None:
    done = fwknopd.run(*options)
    assert done.returncode == 1
    assert "The -D, -K, -R, and -S options are mutually exclusive." in done.stderr


def test_an_unknown_option_shows_the_usage(fwknopd: Fwknopd) -> None:
    done = fwknopd.run("--nonsense")
    assert done.returncode == 1
    assert done.stdout.startswith("Usage: fwknopd [options]")
    assert "--nonsense" in done.stderr


def test_a_reader_who_has_seen_enough_gets_no_complaint(fwknopd: Fwknopd) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as nobody:
        done = subprocess.run(
            fwknopd.command("--help"), stdout=nobody, stderr=subprocess.PIPE, env=environment()
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_error_codes_are_those_of_the_c_daemon(fwknopd: Fwknopd) -> None:
    done = fwknopd.run("--dump-serv-err-codes")
    assert (done.returncode, done.stdout) == (0, (DATA / "error_codes.txt").read_text())


def test_the_configuration_is_checked(fwknopd: Fwknopd) -> None:
    done = fwknopd.run("--exit-parse-config")
    assert (done.returncode, done.stdout) == (0, "Configs parsed, exiting.\n")
    fwknopd.write(fwknopd.config, "UDPSERV_PORT 99999999;\n")
    done = fwknopd.run("--exit-parse-config")
    assert (done.returncode, done.stdout) == (1, "")
    assert "UDPSERV_PORT" in done.stderr


def test_a_uci_file_that_does_not_exist_is_no_configuration(fwknopd: Fwknopd) -> None:
    """Nor is it asked what the classic files say."""
    fwknopd.write(fwknopd.config, "UDPSERV_PORT 99999999;\n")
    done = fwknopd.run("--exit-parse-config", "--uci", f"{fwknopd.config}.gone")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{fwknopd.config}.gone does not exist, so nobody can knock" in done.stderr


def test_options_without_effect_are_named(fwknopd: Fwknopd) -> None:
    done = fwknopd.run("--exit-parse-config", "-l", "C", "--no-ipt-check", "--fault-inj", "x")
    assert done.returncode == 0
    for name in ("--locale", "--no-ipt-check-support", "--fault-injection-tag"):
        assert f"{name}: it has no effect here" in done.stderr


def test_the_dump_shows_settings_and_clients_and_no_key(fwknopd: Fwknopd) -> None:
    done = fwknopd.run("-D", "-i", "ppp7")
    assert done.returncode == 0
    assert done.stdout.startswith("Current fwknopd config settings:\n  0. CONFIG_FILE  ")
    assert re.search(r"PCAP_INTF +=  'ppp7'", done.stdout)
    assert re.search(rf"UDPSERV_PORT +=  '{fwknopd.port}'", done.stdout)
    assert re.search(rf"FWKNOP_PID_FILE +=  '{fwknopd.run_dir}/fwknopd.pid'", done.stdout)
    access = done.stdout.partition("Current fwknopd access settings:\n")[2]
    assert access.startswith("SOURCE (1):  ANY\n" + "=" * 62)
    assert "                 OPEN_PORTS:  tcp/22\n" in access
    assert "                 KEY_BASE64:  <see the access.conf file>\n" in access
    assert_no_key(done.stdout + done.stderr)


def assert_no_key(text: str) -> None:
    for secret in (KEY_BASE64, HMAC_KEY_BASE64):
        assert secret not in text
        assert b64decode(secret).hex() not in text
        assert repr(b64decode(secret))[2:-1] not in text


# Used packets


def test_used_packets_are_checked_and_put_aside(fwknopd: Fwknopd) -> None:
    fwknopd.has_run_before()
    with fwknopd.foreground() as daemon:
        packet = fwknopd.knock(age=30)
        daemon.wait_for("Added")
        daemon.end()
    cache = fwknopd.run_dir / "digest.cache"
    done = fwknopd.run("--exit-parse-digest-cache")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"Using Digest Cache: '{cache}' (entry count = 1)",
        "Digest cache parsed, exiting.",
    ]
    with fwknopd.foreground("--rotate-digest-cache") as daemon:
        # A new file must not mean that the old packets can be used again.
        fwknopd.send(packet)
        daemon.wait_for("Replay detected from source IP: 127.0.0.1, Destination proto/port: 17/")
    assert len(cache.with_name("digest.cache-old").read_text().splitlines()) == 2


def test_rotating_alone(fwknopd: Fwknopd) -> None:
    cache = fwknopd.folder / "used"
    cache.write_text("# header\nnonsense\n")
    done = fwknopd.run("-d", "used", "--exit-parse-digest-cache")
    assert "1 damaged lines were skipped" in done.stdout
    done = fwknopd.run("-d", "used", "--rotate-digest-cache", "--exit-parse-digest-cache")
    assert done.stdout.startswith("Rotating digest cache file.\n")
    assert cache.with_name("used-old").read_text() == "# header\nnonsense\n"
    assert not cache.exists()


# Keys


@pytest.mark.parametrize(
    ("options", "lengths"),
    [
        ((), (32, 64)),
        (("--key-len", "16", "--hmac-key-len", "100"), (16, 100)),
        (("--hmac-digest-type", "sha1"), (32, 20)),
        (("--hmac-digest-type", "SHA512"), (32, 128)),
    ],
)
def test_keys_have_the_lengths_asked_for(
    tmp_path: Path, options: tuple[str, ...], lengths: tuple[int, int]
) -> None:
    done = run([*program(), "--key-gen", *options], tmp_path)
    assert done.returncode == 0
    found = re.fullmatch(r"KEY_BASE64: (\S+)\nHMAC_KEY_BASE64: (\S+)\n", done.stdout)
    assert found
    assert (len(b64decode(found[1])), len(b64decode(found[2]))) == lengths


def test_keys_in_a_file(tmp_path: Path) -> None:
    command = [*program(), "-k", "--key-gen-file", "keys"]
    done = run(command, tmp_path)
    assert done.stdout == "[+] Wrote Rijndael and HMAC keys to: keys\n"
    path = tmp_path / "keys"
    keys = path.read_text()
    assert keys.startswith("KEY_BASE64: ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # Keys that are in use somewhere must not be lost to a second call.
    assert run(command, tmp_path).returncode == 1
    assert path.read_text() == keys


def test_no_keys_of_a_kind_that_does_not_exist(tmp_path: Path) -> None:
    done = run([*program(), "-k", "--hmac-digest-type", "crc32"], tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "sha3_512" in done.stderr


def test_a_packet_of_these_keys_is_taken(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground("-C", "1") as daemon:
        fwknopd.send(make_packet())
        daemon.wait_for("Packet count limit (1) reached. Exiting...")
        assert daemon.wait() == 0
