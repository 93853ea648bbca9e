"""The real program fwknopd for tests: its configuration in a folder, started as people start it."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from fwknopd.control.client import ControlClient
from fwknopd.replay_format import format_file
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import SpaKeys, encode
from tests.interop.example_keys import HMAC_KEY, HMAC_KEY_BASE64, KEY, KEY_BASE64
from tests.ports import free_port

TIME_LIMIT = 20.0
ACCESS = f"""\
SOURCE                     ANY
OPEN_PORTS                 tcp/22
KEY_BASE64:                {KEY_BASE64}
HMAC_KEY_BASE64:           {HMAC_KEY_BASE64}
"""


class Running:
    """A daemon in the foreground, and what it has said on standard error so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._said = threading.Condition()
        assert process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._said:
                self.lines.append(line.rstrip("\n"))
                self._said.notify_all()

    def wait_for(self, text: str, after: int = 0, within: float = TIME_LIMIT) -> str:
        """The first line that holds ``text``, among those from number ``after`` on."""
        with self._said:
            found = self._said.wait_for(lambda: self._find(text, after), within)
        assert found, f"{text!r} was not said; but:\n" + "\n".join(self.lines)
        return found

    def _find(self, text: str, after: int) -> str | None:
        return next((line for line in self.lines[after:] if text in line), None)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        self.send(number)
        return self.wait()

    def wait(self) -> int:
        """The exit code, when everything it said has been read."""
        code = self.process.wait(TIME_LIMIT)
        self._reader.join(TIME_LIMIT)
        return code


class Fwknopd:
    """One installation: fwknopd.conf, access.conf and run directory in ``folder``.

    Packets come by UDP and doors are only remembered, so no privilege is needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port(socket.SOCK_DGRAM)
        self.run_dir = folder / "run"
        self.config, self.access = folder / "fwknopd.conf", folder / "access.conf"
        self.firewall = "log-only"
        self.write(
            self.config,
            f"ENABLE_UDP_SERVER Y;\nUDPSERV_PORT {self.port};\nFWKNOP_RUN_DIR {self.run_dir};\n",
        )
        self.write(self.access, ACCESS)

    def write(self, path: Path, text: str) -> None:
        """Write a configuration file, private as it should be."""
        path.touch(mode=0o600)
        path.write_text(text)

    def has_run_before(self) -> None:
        """Leave an empty list of used packets; without one, older packets are refused."""
        self.run_dir.mkdir(mode=0o700)
        self.write(self.run_dir / "digest.cache", format_file((), None).decode())

    def command(self, *arguments: str) -> list[str]:
        """The command line with this installation's files."""
        files = ("-c", str(self.config), "-a", str(self.access))
        return [*program(), *files, f"--firewall={self.firewall}", *arguments]

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run it to its end, or until it is in the background."""
        return run(self.command(*arguments), cwd or self.folder)

    @contextmanager
    def foreground(self, *arguments: str, before: Sequence[str] = ()) -> Iterator[Running]:
        """Run it with -f; it is ready when the block begins, and gone after it.

        ``before`` it are other programs, which become it.
        """
        process = subprocess.Popen(
            [*before, *self.command("-f", *arguments)],
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=environment(),
        )
        running = Running(process)
        try:
            running.wait_for(" started: ")
            yield running
        finally:
            process.kill()
            running.wait()
            assert process.stderr is not None
            process.stderr.close()

    @property
    def pid(self) -> int:
        """What the pid file says."""
        return int((self.run_dir / "fwknopd.pid").read_text())

    def ask(self, verb: str, **arguments: object) -> dict[str, Any]:
        """Ask the running daemon."""
        return ControlClient(self.run_dir / "control.sock").call(verb, **arguments)

    def wait_for_event(self, text: str) -> dict[str, Any]:
        """The first event that speaks of ``text``; those that have been count too."""
        client = ControlClient(self.run_dir / "control.sock")
        with closing(client.follow(limit=100)) as events:  # type: ignore[type-var]
            return next(event for event in events if text in event["detail"])

    def knock(self, ports: str = "tcp/22", *, age: int = 0, to: str = "127.0.0.1") -> bytes:
        """Send a packet made ``age`` seconds ago, and return it."""
        packet = make_packet(ports, age=age)
        self.send(packet, to)
        return packet

    def send(self, packet: bytes, to: str = "127.0.0.1") -> None:
        """Send a packet."""
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
            sender.sendto(packet, (to, self.port))


def make_packet(ports: str = "tcp/22", *, age: int = 0, address: str = "192.0.2.7") -> bytes:
    """A packet under the keys of ACCESS that asks for ``ports`` for ``address``."""
    return encode(
        user="alice",
        timestamp=int(time.time()) - age,
        rand=f"{secrets.randbelow(10**16):016}",
        message_type=MessageType.ACCESS,
        message=f"{address},{ports}",
        keys=SpaKeys(KEY, HMAC_KEY),
        salt=secrets.token_bytes(8),
    )


def program() -> list[str]:
    """The program, without what is installed."""
    return [sys.executable, "-m", "fwknopd.cli"]


def run(command: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that ends.

    A daemon in the background that kept our pipes open would make this time out.
    """
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIME_LIMIT, cwd=cwd, env=environment()
    )


def environment() -> dict[str, str]:
    """Ours, with the sources found from any folder."""
    root = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": str(root / "daemon")}
