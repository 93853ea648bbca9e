"""The machines of the lab as a person sees them: what they reach, and programs run there."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.sockets import socket_in

GREETING_BYTES = 200


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to connect: true if a service was reached and greeted. Time in milliseconds."""

    outcome: str
    milliseconds: float
    greeting: str = ""

    def __bool__(self) -> bool:
        return self.outcome == "connected"


class Session:
    """An open connection to one of the lab's services."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.greeting = self._line()

    def echo(self, text: str) -> str:
        """Send a line and return what comes back. Raises OSError when the session is dead."""
        self._socket.sendall(f"{text}\n".encode())
        return self._line()

    def _line(self) -> str:
        line = b""
        while not line.endswith(b"\n") and len(line) < GREETING_BYTES:
            data = self._socket.recv(1)
            if not data:
                raise ConnectionResetError("the service closed the session")
            line += data
        return line.decode().rstrip("\n")

    def close(self) -> None:
        """End the session."""
        self._socket.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Host:
    """A machine: a network namespace (None: this machine itself) with its addresses."""

    name: str
    namespace: Path | None
    address: str
    address6: str

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
        """A socket in this machine's network."""
        return socket_in(self.namespace, family, kind)

    def open_session(self, address: str, port: int, timeout: float = 1.0) -> Session:
        """Connect and read the greeting. Raises OSError if that takes over ``timeout`` seconds."""
        version6 = ip_address(address).version == 6
        sock = self.socket(socket.AF_INET6 if version6 else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect((address, port))
            return Session(sock)
        except OSError:
            sock.close()
            raise

    def connect(self, address: str, port: int, timeout: float = 1.0) -> Attempt:
        """Try to reach a service, and say how it went. Never raises for a closed door."""
        started = time.monotonic()
        greeting = ""
        try:
            with self.open_session(address, port, timeout) as session:
                outcome, greeting = "connected", session.greeting
        except TimeoutError:
            outcome = "no answer"
        except OSError as error:
            outcome = os.strerror(error.errno).lower() if error.errno else str(error)
        return Attempt(outcome, (time.monotonic() - started) * 1000, greeting)

    def send_datagram(self, payload: bytes, address: str, port: int) -> None:
        """Send one UDP packet, as a recorded knock is played again."""
        family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
        with self.socket(family, socket.SOCK_DGRAM) as sock:
            sock.sendto(payload, (address, port))

    def command(self, argv: Sequence[str]) -> list[str]:
        """The argument list that runs ``argv`` on this machine."""
        if self.namespace is None:
            return list(argv)
        return ["nsenter", f"--net={self.namespace}", "--", *argv]

    def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str], timeout: float = 10.0
    ) -> str:
        """Run a program on this machine; returns what it wrote.

        Raises LabError with that text when the program fails.
        """
        done = subprocess.run(
            self.command(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            timeout=timeout,
        )
        text = done.stdout.decode(errors="replace")
        if done.returncode:
            raise LabError(f"{argv[0]} on {self.name} ended with {done.returncode}: {text.strip()}")
        return text
