"""The machines of the lab as a person sees them: what they reach, and programs run there."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from ipaddress import ip_address

from tests.lab.errors import LabError
from tests.netns.namespaces import Machine

GREETING_BYTES = 200
GREETING_SECONDS = 20.0


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
    """A machine of the lab (``machine`` None: the one we run on) with its addresses."""

    name: str
    machine: Machine | None
    address: str
    address6: str

    def entered(self) -> AbstractContextManager[None]:
        """Sockets made and programs started by this thread in the block belong to the machine."""
        return nullcontext() if self.machine is None else self.machine.entered()

    def socket(self, address: str, kind: socket.SocketKind) -> socket.socket:
        """A socket of this machine, for IPv4 or IPv6 as ``address`` is."""
        version6 = ip_address(address).version == 6
        with self.entered():
            return socket.socket(socket.AF_INET6 if version6 else socket.AF_INET, kind)

    def open_session(self, address: str, port: int, timeout: float = 1.0) -> Session:
        """Connect and read the greeting. Raises OSError if nobody takes the connection.

        The kernel does that within ``timeout`` seconds or not at all; the service's words may
        take longer on a busy machine.
        """
        sock = self.socket(address, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect((address, port))
            sock.settimeout(GREETING_SECONDS)
            session = Session(sock)
            sock.settimeout(timeout)
        except OSError:
            sock.close()
            raise
        return session

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
        with self.socket(address, socket.SOCK_DGRAM) as sock:
            sock.sendto(payload, (address, port))

    def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str], timeout: float = 10.0
    ) -> str:
        """Run a program on this machine; returns what it wrote.

        Raises LabError with that text when the program fails.
        """
        with self.entered():
            done = subprocess.run(
                argv,
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


LOOPBACK = "127.0.0.1"
THIS_MACHINE = Host("this machine", None, LOOPBACK, "::1")
