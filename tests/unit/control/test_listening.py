"""The control socket as a file: its rights, left-overs, and a second daemon."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fwknopd.control.client import ControlClient, ControlError
from fwknopd.control.server import ControlServer, ControlSocketError, Handler
from tests.unit.control.running import RunningServer

DAEMON = Path(__file__).parents[3] / "daemon"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "fwknop" / "control.sock"


def test_only_root_gets_at_it(path: Path) -> None:
    server = ControlServer(path, {})
    assert (mode(path), mode(path.parent)) == (0o660, 0o700)
    server.close()
    assert not path.exists()


@pytest.mark.root
def test_a_group_may_be_let_in(path: Path) -> None:
    server = ControlServer(path, {}, group=12345)
    assert (mode(path), mode(path.parent)) == (0o660, 0o750)
    assert (path.stat().st_gid, path.parent.stat().st_gid) == (12345, 12345)
    server.close()


@pytest.mark.root
def test_a_folder_everybody_uses_is_left_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    server = ControlServer(shared / "control.sock", {}, group=12345)
    assert mode(shared) == 0o1777
    server.close()


def test_a_folder_everybody_may_change_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(ControlSocketError, match="everybody may write to") as raised:
        ControlServer(shared / "control.sock", {})
    assert f"chmod o-w {shared}" in raised.value.remedy


def test_the_umask_is_put_back(path: Path) -> None:
    before = os.umask(0o027)
    try:
        ControlServer(path, {}).close()
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_a_socket_left_over_is_replaced(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    ControlServer(path, {}).close()
    assert not path.exists()


def test_what_a_killed_daemon_left_is_replaced(path: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(DAEMON)!r})\n"
        "from fwknopd.control.server import ControlServer\n"
        f"server = ControlServer({str(path)!r}, {{}})\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program], timeout=30, check=False)
    assert path.exists()
    with RunningServer(path, {"status": lambda _: {"version": "2"}}):
        assert ControlClient(path).call("status") == {"version": "2"}


def test_a_second_daemon_is_told_who_has_it(path: Path) -> None:
    with RunningServer(path, {"status": lambda _: {"version": "1"}}):
        with pytest.raises(ControlSocketError) as raised:
            ControlServer(path, {})
        assert f"another fwknopd (process {os.getpid()}) already has" in raised.value.message
        assert "--control" in raised.value.remedy
        assert ControlClient(path).call("status") == {"version": "1"}, "the first goes on"


def test_a_live_socket_without_lock_is_not_taken_away(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(ControlSocketError, match="already has the control socket"):
            ControlServer(path, {})
        assert path.exists()


def test_a_file_of_somebody_elses_is_not_removed(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    with pytest.raises(ControlSocketError, match="exists and is not a socket"):
        ControlServer(path, {})
    assert path.read_text() == "precious"


def test_closing_leaves_a_successors_socket_alone(path: Path) -> None:
    server = ControlServer(path, {})
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        server.close()
        assert path.exists()


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    with pytest.raises(ControlSocketError, match="path too long"):
        ControlServer(tmp_path / ("x" * 120), {})


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ControlSocketError, match="can't be made: File exists"):
        ControlServer(tmp_path / "file" / "control.sock", {})


# The client's view


def test_no_daemon(path: Path) -> None:
    with pytest.raises(ControlError, match="is not running") as raised:
        ControlClient(path).call("status")
    assert raised.value.is_down
    assert "/etc/init.d/fwknopd start" in raised.value.remedy


def test_a_dead_daemons_socket(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(ControlError) as raised:
        ControlClient(path).call("status")
    assert raised.value.is_down


def test_a_daemon_that_hangs(path: Path) -> None:
    server = ControlServer(path, {})  # in nobody's loop
    with pytest.raises(ControlError, match=r"no answer within 0\.1 seconds") as raised:
        ControlClient(path, timeout=0.1).call("status")
    assert raised.value.code == "timeout"
    server.close()


def test_a_reload_may_take_longer_than_a_question(path: Path) -> None:
    never = threading.Event()
    slow: dict[str, Handler] = {"reload": lambda _: {"reloaded": not never.wait(0.3)}}
    with RunningServer(path, slow):
        assert ControlClient(path, timeout=0.1).call("reload") == {"reloaded": True}


@pytest.mark.root
def test_somebody_without_the_right(path: Path) -> None:
    with RunningServer(path, {}):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.setresuid(65534, 65534, 65534)
            try:
                ControlClient(path).call("status")
            except ControlError as error:
                os.write(writer, f"{error.code}: {error}".encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
    assert text.startswith("not-permitted: you may not use the control socket")
