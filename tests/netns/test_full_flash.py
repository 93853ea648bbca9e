"""The real daemon on a full or read-only file system: knocks work, and stay spent over a crash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fwknopd.pid_file import running_pid
from tests.interop.program import Fwknopd, Running

pytestmark = pytest.mark.root

SIZE = 64 << 10


class Flash:
    """A small file system that only the processes started with `inside` see as ours."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        mount = f"mount -t tmpfs -o size={SIZE} tmpfs {folder}"
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-ec", f"{mount}; echo mounted; exec sleep 600"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "mounted\n"
        self.path = Path(f"/proc/{self._holder.pid}/root") / folder.relative_to("/")
        self.inside = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--"]

    def fill(self) -> None:
        """Leave no byte."""
        fd = os.open(self.path / "others", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while True:
                os.write(fd, b"x" * 4096)
        except OSError:
            pass
        finally:
            os.close(fd)

    def make_room(self) -> None:
        """Delete what filled it."""
        (self.path / "others").unlink()

    def remount(self, how: str) -> None:
        """`ro` or `rw`."""
        mount = ["mount", "-o", f"remount,{how}", str(self._folder)]
        subprocess.run([*self.inside, *mount], check=True)

    def close(self) -> None:
        """Take it away."""
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()


class Router(Fwknopd):
    """An installation whose list of used packets is on the small flash."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.flash = Flash(folder / "flash")
        self.journal = self.flash.path / "digest.cache"

    def command(self, *arguments: str) -> list[str]:
        """In its mount namespace."""
        named = ("-d", str(self.folder / "flash" / "digest.cache"))
        return [*self.flash.inside, *super().command(*named, *arguments)]


@pytest.fixture
def router() -> Iterator[Router]:
    # The path of a socket may have 107 bytes, and `/proc/PID/root` is part of it.
    with tempfile.TemporaryDirectory(prefix="flash-") as folder:
        made = Router(Path(folder))
        yield made
        made.flash.close()


def enter(router: Router, daemon: Running) -> bytes:
    """Knock; the door must open."""
    said = len(daemon.lines)
    packet = router.knock()
    daemon.wait_for("Added", after=said)
    return packet


def refused(router: Router, daemon: Running, packet: bytes) -> None:
    said = len(daemon.lines)
    router.send(packet)
    daemon.wait_for("Replay detected", after=said)


def test_what_was_used_while_the_flash_was_full_is_written_when_there_is_room(
    router: Router,
) -> None:
    with router.foreground() as daemon:
        packets = [enter(router, daemon)]
        router.flash.fill()
        # The file goes on to the end of its last page, and then there is no room.
        while not any("No space left" in line for line in daemon.lines):
            packets.append(enter(router, daemon))
            assert len(packets) < 60
        assert "free some space" in daemon.wait_for("No space left")
        packets.append(enter(router, daemon))
        router.flash.make_room()
        packets.append(enter(router, daemon))
        daemon.end(signal.SIGKILL)
    with router.foreground() as daemon:
        # Of a flood of copies not each is told.
        for packet in (packets[0], *packets[-7:]):
            refused(router, daemon, packet)
        # Nothing is missing, so nobody is kept waiting.
        enter(router, daemon)


def test_a_crash_while_the_flash_is_full_makes_no_packet_fresh(router: Router) -> None:
    with router.foreground() as daemon:
        enter(router, daemon)
        router.flash.fill()
        while not any("No space left" in line for line in daemon.lines):
            packet = enter(router, daemon)
        daemon.end(signal.SIGKILL)
    router.flash.make_room()
    with router.foreground() as daemon:
        refused(router, daemon, packet)


def test_a_full_flash_stops_no_first_start(router: Router) -> None:
    router.flash.fill()
    with router.foreground() as daemon:
        daemon.wait_for("No space left")
        packet = enter(router, daemon)
        router.flash.make_room()
        enter(router, daemon)
        daemon.end(signal.SIGKILL)
    with router.foreground() as daemon:
        refused(router, daemon, packet)
        enter(router, daemon)


@pytest.fixture
def crashed(router: Router) -> list[bytes]:
    """What was used before and while the flash was read-only; then the daemon crashed."""
    with router.foreground() as daemon:
        packets = [enter(router, daemon)]
        daemon.end()
    with router.foreground() as daemon:
        # As an open file keeps tmpfs from it, before the first knock.
        router.flash.remount("ro")
        packets.append(enter(router, daemon))
        assert "is read-only" in daemon.wait_for("can't write the list of used packets")
        daemon.end(signal.SIGKILL)
    return packets


def assert_spent(router: Router, packets: list[bytes], why: str) -> None:
    with router.foreground() as daemon:
        assert why in daemon.wait_for("The list of used packets")
        for packet in packets:
            refused(router, daemon, packet)
        daemon.end(signal.SIGKILL)


def test_a_list_that_stayed_behind_on_a_read_only_flash_is_not_believed_after_a_crash(
    router: Router, crashed: list[bytes]
) -> None:
    """Not even that it has gaps could be written there."""
    router.flash.remount("rw")
    assert_spent(router, crashed, "has gaps")


def test_a_list_on_a_read_only_flash_is_not_believed_after_a_reboot(
    router: Router, crashed: list[bytes]
) -> None:
    """The list is old, looks whole, and the run directory is gone."""
    shutil.rmtree(router.run_dir)
    assert_spent(router, crashed, "can't be written")


def test_a_flash_that_can_be_written_again_needs_no_restart(router: Router) -> None:
    router.has_run_before()
    with router.foreground() as daemon:
        router.flash.remount("ro")
        packets = [enter(router, daemon)]
        router.flash.remount("rw")
        packets.append(enter(router, daemon))
        daemon.end(signal.SIGKILL)
    with router.foreground() as daemon:
        for packet in packets:
            refused(router, daemon, packet)
        # Nothing is missing, so nobody is kept waiting.
        enter(router, daemon)


def test_a_full_run_directory_stops_no_start_and_no_knock(router: Router) -> None:
    """On a router that is memory, which others fill as well."""
    flash = router.folder / "flash"
    run_dir = flash / "run"
    router.config.write_text(router.config.read_text().replace(str(router.run_dir), str(run_dir)))
    router.run_dir = router.flash.path / "run"
    router.flash.fill()
    with router.foreground("--events", str(flash / "events")) as daemon:
        enter(router, daemon)
        assert router.ask("status")["pid"] == running_pid(router.run_dir / "fwknopd.pid")
        router.flash.make_room()
        packet = enter(router, daemon)
        daemon.end(signal.SIGKILL)
    with router.foreground() as daemon:
        refused(router, daemon, packet)
