"""The running daemon with the real client and the real gpg, and with a gpg that is stuck."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from fwknopd.gpg_home import PREFIX, new_folder
from fwknopd.gpg_queue import GPG_SECONDS
from tests.interop.key_rings import GPG
from tests.interop.program import ACCESS, Fwknopd, Running, run
from tests.netns.gpg_rings import Ring, gpg_rings
from tests.timing import quickest
from tests.unit.policy.gpg_knocks import gpg_client, gpg_packet

pytestmark = [pytest.mark.gpg, pytest.mark.client]

PASSPHRASE = "open sesame"
HMAC = "a secret of its own"


@pytest.fixture(scope="module")
def rings() -> Iterator[tuple[Ring, Ring]]:
    with gpg_rings(PASSPHRASE) as made:
        yield made


def gpg_stanza(router: Ring, client: Ring, *lines: str, port: int = 22) -> str:
    return "\n".join(
        (
            "SOURCE ANY",
            f"OPEN_PORTS tcp/{port}",
            f"GPG_HOME_DIR {router.folder}",
            f"GPG_DECRYPT_ID {router.short_id}",
            f"GPG_DECRYPT_PW {PASSPHRASE}",
            *(lines or (f"GPG_FINGERPRINT_ID {client.own}",)),
            "",
        )
    )


def knock(daemon: Fwknopd, client: Ring, router: Ring, port: int, *options: str) -> None:
    """Have the real client knock for a port."""
    command = ["fwknop", "-A", f"tcp/{port}", "-a", "192.0.2.7", "-D", "127.0.0.1"]
    command += ["-p", str(daemon.port), "--gpg-recip", router.own, "--gpg-no-signing-pw"]
    rc = daemon.folder / "fwknoprc"
    rc.touch(mode=0o600)
    done = subprocess.run(
        [*command, "--gpg-home-dir", str(client.folder), "--rc-file", str(rc), *options],
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def daemon_with(folder: Path, access: str) -> Iterator[tuple[Fwknopd, Running]]:
    daemon = Fwknopd(folder)
    daemon.has_run_before()
    daemon.write(daemon.access, access)
    with daemon.foreground() as running:
        yield daemon, running
        pid = running.process.pid
        assert running.end() == 0
        assert PASSPHRASE not in "\n".join(running.lines)
        assert not list(new_folder().parent.glob(f"{PREFIX}{pid}-*"))
    assert_gone(f"{PREFIX}{pid}-")


def assert_gone(text: str) -> None:
    """No process has this in its command line any more; the kernel may need a moment to end it."""
    end = time.monotonic() + 10
    while found := [line for line in _command_lines() if text in line]:
        assert time.monotonic() < end, found
        time.sleep(0.05)


def _command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue


def test_signed_or_not_with_and_without_hmac(rings: tuple[Ring, Ring], tmp_path: Path) -> None:
    router, client = rings
    sign, hmac = ("--gpg-sign", client.own), ("--key-hmac", HMAC, "--use-hmac")
    unsigned = ("GPG_DISABLE_SIG Y",)
    with_hmac = f"HMAC_KEY {HMAC}"
    access = (
        gpg_stanza(router, client, port=22)
        + gpg_stanza(router, client, *unsigned, port=23)
        + gpg_stanza(router, client, f"GPG_REMOTE_ID {client.short_id}", with_hmac, port=24)
        + gpg_stanza(router, client, *unsigned, f"{with_hmac} too", port=25)
    )
    with daemon_with(tmp_path, access) as (daemon, running):
        for port, options in ((22, sign), (23, ()), (24, (*sign, *hmac))):
            knock(daemon, client, router, port, *options)
            running.wait_for(f"192.0.2.7 -> 0.0.0.0/0 tcp/{port}")
        knock(daemon, client, router, 25, "--key-hmac", f"{HMAC} too", "--use-hmac")
        running.wait_for("192.0.2.7 -> 0.0.0.0/0 tcp/25")


def test_a_stuck_gpg_delays_nobody_else(rings: tuple[Ring, Ring], tmp_path: Path) -> None:
    router, client = rings
    stuck = tmp_path / "gpg"
    stuck.write_text(f'#!/bin/sh\ncase " $* " in *" --decrypt "*) sleep 1000;; esac\n{GPG} "$@"\n')
    stuck.chmod(0o755)
    access = gpg_stanza(router, client, f"GPG_EXE {stuck}", f"GPG_REMOTE_ID {client.short_id}")
    other = gpg_stanza(router, client, f"HMAC_KEY {HMAC}", "GPG_DISABLE_SIG Y", port=80)
    sign = ("--gpg-sign", client.own)
    with daemon_with(tmp_path, access + other + ACCESS) as (daemon, running):
        knock(daemon, client, router, 22, *sign)
        daemon.knock()
        running.wait_for("Added access rule to")
        knock(daemon, client, router, 80, "--key-hmac", HMAC, "--use-hmac")
        opened = running.wait_for("0.0.0.0/0 tcp/80")
        failed = running.wait_for("gpg-failed", within=3 * GPG_SECONDS)
        assert running.lines.index(opened) < running.lines.index(failed), "they waited for it"
        running.wait_for("it took more than 10 seconds and was stopped")
        assert_gone(str(stuck))


@contextmanager
def flood(daemon: Fwknopd, key_id: str) -> Iterator[None]:
    """Junk that only gpg can tell from a knock, some hundreds of packets a second."""
    stop = threading.Event()
    nobody = gpg_client(hmac=False)

    def send() -> None:
        while not stop.wait(0.002):
            daemon.send(gpg_packet(nobody, recipient=key_id))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_flood_that_costs_gpg_delays_no_sure_knock(
    rings: tuple[Ring, Ring], tmp_path: Path
) -> None:
    router, client = rings
    open_to_junk = gpg_stanza(router, client, f"GPG_REMOTE_ID {client.short_id}")
    sure = gpg_stanza(router, client, f"HMAC_KEY {HMAC}", "GPG_DISABLE_SIG Y", port=80)
    key_id = router.keys.fingerprints(router.own)[-1][-16:]
    with daemon_with(tmp_path, open_to_junk + sure + ACCESS) as (daemon, running):

        def opened(knock: Callable[[], object], words: str) -> float:
            """Seconds from a knock until its door is open."""
            said = len(running.lines)
            knock()
            began = time.monotonic()
            running.wait_for(words, after=said)
            return time.monotonic() - began

        def with_gpg() -> None:
            knock(daemon, client, router, 80, "--key-hmac", HMAC, "--use-hmac")

        with flood(daemon, key_id):
            running.wait_for("packets from this address wait for gpg already")
            aes = quickest(5, partial(opened, daemon.knock, "Added access rule to"))
            gpg = quickest(5, partial(opened, with_gpg, "0.0.0.0/0 tcp/80"))
        print(f"under the flood: AES {aes:.3f} s, GPG with HMAC {gpg:.3f} s")
        assert aes < 5
        assert gpg < 5


def test_an_end_while_gpg_is_stuck_leaves_nothing(rings: tuple[Ring, Ring], tmp_path: Path) -> None:
    router, client = rings
    stuck = tmp_path / "gpg"
    stuck.write_text(
        f'#!/bin/sh\ncase " $* " in *" --decrypt "*) touch {tmp_path}/began; sleep 1000;; esac\n'
        f'{GPG} "$@"\n'
    )
    stuck.chmod(0o755)
    access = gpg_stanza(router, client, f"GPG_EXE {stuck}", "GPG_DISABLE_SIG Y")
    with daemon_with(tmp_path, access) as (daemon, _):
        knock(daemon, client, router, 22)
        end = time.monotonic() + 20
        while not (tmp_path / "began").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
    assert_gone(str(stuck))


def test_an_explanation_runs_gpg(rings: tuple[Ring, Ring], tmp_path: Path) -> None:
    router, client = rings
    access = gpg_stanza(router, client)
    packet = tmp_path / "packet"
    with daemon_with(tmp_path, access) as (daemon, _):
        knock(daemon, client, router, 22, "--gpg-sign", client.own, "-B", str(packet), "-p", "9")
        ctl = [sys.executable, "-m", "fwknopd.ctl"]
        online = ["--control", str(daemon.run_dir / "control.sock"), "explain", str(packet)]
        offline = ["explain", str(packet), "-c", str(daemon.config), "-a", str(daemon.access)]
        for arguments in (online, offline):
            done = run([*ctl, *arguments], tmp_path)
            assert done.returncode == 0, done.stderr
            assert "opened with this client's key (Asymmetric)" in done.stdout
            assert f"key {client.own} is one of this client's" in done.stdout
            assert "ACCEPTED" in done.stdout


def test_what_can_not_work_is_said_at_the_start(rings: tuple[Ring, Ring], tmp_path: Path) -> None:
    router, client = rings
    access = gpg_stanza(router, client, "GPG_REMOTE_ID 12345678")
    with daemon_with(tmp_path, access) as (_, running):
        running.wait_for("access.conf:6: GPG_REMOTE_ID: there is no key 12345678")
    daemon = Fwknopd(tmp_path)
    daemon.write(daemon.access, access.replace(str(router.folder), "/nonexistent"))
    checked = daemon.run("--exit-parse-config")
    assert checked.returncode == 1
    assert "access.conf:3: GPG_HOME_DIR: there is no folder /nonexistent" in checked.stderr
    daemon.write(daemon.access, access)
    checked = daemon.run("--exit-parse-config")
    assert checked.returncode == 0
    assert "there is no key 12345678" in checked.stderr
