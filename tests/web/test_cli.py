"""The program: serving, setting the password, and what it says when it can't."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from fwknop_webui.auth import PasswordFile
from fwknop_webui.cli import main
from tests.ports import free_port
from tests.web.classic import classic_files
from tests.web.conftest import PASSWORD
from tests.web.daemon import StubDaemon, verdict
from tests.web.test_clients import ANNA

PROGRAM = [sys.executable, "-c", "import sys; from fwknop_webui.cli import main; sys.exit(main())"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)}


@contextmanager
def running(*options: str, program: Sequence[str] = PROGRAM) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*program, *options], stderr=subprocess.PIPE, text=True, env=environment()
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_serves_until_it_is_told_to_stop(tmp_path: Path, uci: Path, password_file: Path) -> None:
    port = free_port()
    options = [f"--uci={uci}", f"--control={tmp_path / 'c.sock'}"]
    options += [f"--password-file={password_file}"]
    uci.write_text(f"config global\n\toption listen '127.0.0.1:{port}'\n")
    with running(*options) as process:
        assert process.stderr
        assert f"http://127.0.0.1:{port}" in process.stderr.readline()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/login")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.getheader("Server") is None
        assert b"Log in" in answer.read()
        connection.request("GET", "/", headers={"Host": "evil.example"})
        assert connection.getresponse().status == 421
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_port_in_use_is_said_plainly(
    tmp_path: Path, uci: Path, password_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        options = [f"--uci={uci}", f"--password-file={password_file}", f"--listen={listen}"]
        assert main(options) == 1
    error = capsys.readouterr().err
    assert listen in error
    assert "--listen" in error


@pytest.mark.parametrize("place", ["192.0.2.77:4711", f"{'x' * 70}.lan:4711"], ids=["ip", "name"])
def test_a_place_set_wrongly_keeps_nobody_from_setting_it_right(
    place: str, uci: Path, password_file: Path
) -> None:
    port = free_port()
    uci.write_text(f"config global\n\toption listen '{place}'\n")
    usual = f"from fwknop_webui import defaults; defaults.LISTEN = '127.0.0.1:{port}'"
    command = [PROGRAM[0], "-c", f"{usual}; {PROGRAM[2]}"]
    with running(f"--uci={uci}", f"--password-file={password_file}", program=command) as process:
        assert process.stderr
        assert f"can't listen on {place}" in process.stderr.readline()
        assert process.stderr.readline() == f"fwknop-webui: http://127.0.0.1:{port}\n"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/login")
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize("listen", ["8080", "localhost", "host:port", ":80", "h:99999"])
def test_bad_address_is_said_plainly(listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--listen={listen}"]) == 2
    assert "expected HOST:PORT" in capsys.readouterr().err


def set_from_stdin(file: Path, password: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *(options or ("passwd", "--password-file", str(file)))],
        input=password,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=30,
    )


def test_password_comes_from_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "passwd"
    done = set_from_stdin(file, "a good long one\n")
    assert done.returncode == 0, done.stderr
    assert "a good long one" not in done.stdout + done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PasswordFile(file).authenticate("root", "a good long one")


@pytest.mark.parametrize(
    "options",
    [
        ("passwd", "--password-file", "{file}"),
        ("passwd", "--file", "{file}"),
        ("--password-file", "{file}", "passwd"),
    ],
    ids=" ".join,
)
def test_password_file_is_named_like_for_serving(tmp_path: Path, options: tuple[str, ...]) -> None:
    file = tmp_path / "passwd"
    words = [word.format(file=file) for word in options]
    done = set_from_stdin(file, "a good long one\n", *words)
    assert done.returncode == 0, done.stderr
    assert str(file) in done.stdout
    assert PasswordFile(file).authenticate("root", "a good long one")


@pytest.mark.parametrize("password", ["short\n", "", "\n"])
def test_poor_password_is_refused(tmp_path: Path, password: str) -> None:
    done = set_from_stdin(tmp_path / "passwd", password)
    assert done.returncode == 1
    assert "at least 8 characters" in done.stderr
    assert not (tmp_path / "passwd").exists()


def test_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    done = set_from_stdin(tmp_path / "no" / "passwd", "a good long one\n")
    assert done.returncode == 1
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr


class Surfer:
    """A browser of few words: cookies, forms, nothing else."""

    def __init__(self, port: int) -> None:
        jar = urllib.request.HTTPCookieProcessor()
        self._opener = urllib.request.build_opener(jar)
        self._url = f"http://127.0.0.1:{port}"

    def speak(self, language: str) -> None:
        self._opener.addheaders = [("Accept-Language", language)]

    def open(self, path: str, **form: str) -> str:
        data = urlencode(form).encode() if form else None
        with self._opener.open(self._url + path, data) as answer:
            text: str = answer.read().decode()
        return text


@pytest.fixture
def as_on_a_router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One heap, and byte code that is there before the page starts, without docstrings."""
    # A router's musl has one heap for all threads; glibc would make one for each, some megabytes
    # of nothing. Compiling leaves some behind, too, and its packages bring no sources.
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "byte-code"))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    loaded = "import fwknop_webui.app, fwknop_webui.cli, fwknop_webui.http_server"
    subprocess.run([sys.executable, "-c", loaded], env=environment(), check=True)


@pytest.mark.usefixtures("as_on_a_router")
def test_memory_stays_within_its_budget(
    tmp_path: Path,
    uci: Path,
    password_file: Path,
    write_uci: Callable[[str], None],
) -> None:
    # 40 MiB is what a router can spare, after every page was used once; two of them are in hand.
    write_uci(ANNA)
    port = free_port()
    options = [f"--uci={uci}", f"--control={tmp_path / 'c.sock'}"]
    options += [f"--password-file={password_file}", f"--listen=127.0.0.1:{port}"]
    options += [f"--classic={classic_files(tmp_path / 'fwknop')}"]
    with running(*options) as process:
        assert process.stderr
        process.stderr.readline()
        surfer = Surfer(port)
        token = re.findall(r'name="csrf" value="([^"]+)"', surfer.open("/login"))[0]
        surfer.open("/login", csrf=token, username="root", password=PASSWORD)
        for path in (
            "/",
            "/settings",
            "/clients/add",
            "/clients/bert",
            "/advanced",
            "/clients/bert/advanced",
            "/import",
            "/backup",
            "/logs",
            "/diagnostics",
            "/changes",
        ):
            assert "Log out" in surfer.open(path)
        clients = surfer.open("/clients")
        token = re.findall(r'name="csrf" value="([^"]+)"', clients)[0]
        base = re.findall(r'name="base" value="([^"]+)"', clients)[0]
        assert "<svg" in surfer.open("/clients/bert/qr", csrf=token, base=base)
        assert "<svg" in surfer.open("/import/qr", csrf=token)
        assert "<svg" in surfer.open("/sheet", csrf=token, base=base, which="all")
        assert "will add" in surfer.open("/import/read", csrf=token)
        assert "will add" in surfer.open("/import/table", csrf=token, table_text="name\nCarl\n")
        surfer.speak("de")
        assert "Abmelden" in surfer.open("/")
        assert memory_of(process) < 38 * 1024


def memory_of(process: subprocess.Popen[str]) -> int:
    """What it takes of the machine's memory, in KiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = [item for item in status.splitlines() if item.startswith("VmRSS")]
    return int(line.split()[1])


@pytest.mark.usefixtures("as_on_a_router")
def test_what_takes_much_for_a_moment_gives_it_back(
    tmp_path: Path,
    uci: Path,
    password_file: Path,
    write_uci: Callable[[str], None],
) -> None:
    # scrypt's 16 and 32 MiB, the crypto library, thousands of events in three forms.
    write_uci(ANNA)
    control, port = tmp_path / "c.sock", free_port()
    options = [f"--uci={uci}", f"--control={control}", f"--listen=127.0.0.1:{port}"]
    options.append(f"--password-file={password_file}")
    # The first run leaves the byte code of what is loaded late.
    for _ in range(2):
        with StubDaemon(control) as daemon, running(*options) as process:
            daemon.events = [verdict(id=n, source=f"198.51.100.{n % 250}") for n in range(1, 5001)]
            assert process.stderr
            process.stderr.readline()
            surfer, taken = Surfer(port), {}
            token = re.findall(r'name="csrf" value="([^"]+)"', surfer.open("/login"))[0]
            surfer.open("/login", csrf=token, username="root", password=PASSWORD)
            taken["login"] = memory_of(process)
            token = re.findall(r'name="csrf" value="([^"]+)"', surfer.open("/backup"))[0]
            words = {"passphrase": "four random words", "again": "four random words"}
            backup = surfer.open("/backup/download", csrf=token, **words)
            assert backup.startswith("fwknop-wrt backup 1")
            taken["backup"] = memory_of(process)
            for path in ("/", "/logs", "/logs?page=50", "/logs.csv", "/logs.json"):
                assert "198.51.100." in surfer.open(path), path
            taken["events"] = memory_of(process)
            maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert max(taken.values()) < 40 * 1024, taken
    # The crypto library came and went with a process of its own.
    assert "cryptography" not in maps
