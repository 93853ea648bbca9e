"""The daemon as procd runs it: in the foreground, with all it says in the system log."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.interop.program import TIME_LIMIT, Fwknopd
from tests.lab.process import with_kernel_leash

pytestmark = pytest.mark.root

WITH_OWN_LOG = 'mount -t tmpfs none /dev && mount --bind "$1" /dev && shift && exec "$@"'


@pytest.fixture
def log(tmp_path: Path) -> Iterator[socket.socket]:
    """What a system log would hear, of those who see ``tmp_path``/dev as /dev."""
    folder = tmp_path / "dev"
    folder.mkdir()
    for device in ("null", "urandom"):
        (folder / device).touch()
        subprocess.run(["mknod", folder / f"{device}-it", "c", "1", "3"], check=True)
        (folder / f"{device}-it").rename(folder / device)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(str(folder / "log"))
        listener.settimeout(TIME_LIMIT)
        yield listener


def command(fwknopd: Fwknopd) -> list[str]:
    own_dev = ["sh", "-c", WITH_OWN_LOG, "sh", str(fwknopd.folder / "dev")]
    argv = ["unshare", "--mount", "--", *own_dev, *fwknopd.command("-f", "--syslog-only")]
    return with_kernel_leash(argv)


def heard(log: socket.socket) -> tuple[int, str]:
    """Severity and text of the next line."""
    priority, _, line = log.recv(4096).decode().removeprefix("<").partition(">")
    return int(priority) & 7, line.partition("]: ")[2].rstrip("\0\n")


def test_all_it_says_is_in_the_log_with_its_severity(tmp_path: Path, log: socket.socket) -> None:
    fwknopd = Fwknopd(tmp_path)
    with subprocess.Popen(command(fwknopd), stderr=subprocess.PIPE, text=True) as process:
        while " started: " not in (line := heard(log))[1]:
            pass
        assert line[0] == 6
        process.terminate()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_why_it_does_not_start_is_there_too(tmp_path: Path, log: socket.socket) -> None:
    fwknopd = Fwknopd(tmp_path)
    fwknopd.write(fwknopd.access, "SOURCE nowhere\n")
    done = subprocess.run(command(fwknopd), capture_output=True, text=True, timeout=TIME_LIMIT)
    assert (done.returncode, done.stderr) == (1, "")
    severity, line = heard(log)
    assert severity == 3
    assert line.startswith(f"{fwknopd.access}:1: SOURCE: ")
