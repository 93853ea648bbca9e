"""Packets at a wanted rate: prepared ones, many with each system call.

A flood has a process of its own, so that it takes nothing from the one that measures, and
says what rate it reached. The system call is sendmmsg: Python spends some microseconds for
a whole batch, and the kernel the same on each packet as on anybody's.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.errors import BenchError
from tests.bench.site import ROUTER, Site
from tests.lab.process import with_kernel_leash
from tests.lab.ruleset import PROJECT

LONGEST_FLOOD = 60.0
"""Seconds after which a flood ends even if nobody ends it."""

_BATCHES_PER_SECOND = 2000
_LARGEST_BATCH = 1024
_LENGTH = struct.Struct("=H")
_libc = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr of sendmsg(2)."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Iovec)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr of sendmmsg(2)."""

    _fields_ = (("header", _Header), ("sent", ctypes.c_uint32))


class PacketRing:
    """Prepared packets, sent from where it stopped, round and round."""

    def __init__(self, packets: Sequence[bytes]) -> None:
        self._buffers = [ctypes.create_string_buffer(packet, len(packet)) for packet in packets]
        self._vectors = (_Iovec * len(packets))()
        self._messages = (_Message * len(packets))()
        for number, buffer in enumerate(self._buffers):
            vector = self._vectors[number]
            vector.base, vector.length = ctypes.addressof(buffer), len(packets[number])
            header = self._messages[number].header
            header.vectors, header.vector_count = ctypes.pointer(vector), 1
        self._at = 0

    def send(self, descriptor: int, count: int) -> int:
        """Send the next ``count`` or, at the ring's end, fewer; how many. Raises OSError."""
        count = min(count, len(self._buffers) - self._at, _LARGEST_BATCH)
        place = ctypes.byref(self._messages, self._at * ctypes.sizeof(_Message))
        sent: int = _libc.sendmmsg(descriptor, place, count, 0)
        if sent < 0:
            code = ctypes.get_errno()
            # What the network answered to an earlier packet is reported with the next.
            if code in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EAGAIN, errno.ENOBUFS):
                return 0
            raise OSError(code, os.strerror(code))
        self._at = (self._at + sent) % len(self._buffers)
        return sent


def connected(port: int) -> socket.socket:
    """A socket for packets to the router; to be made in the outside machine."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    opened.connect((ROUTER, port))
    return opened


def send_burst(packets: Sequence[bytes], port: int) -> float:
    """Send packets back to back; the seconds it took."""
    ring, left = PacketRing(packets), len(packets)
    with connected(port) as sender:
        started = time.perf_counter()
        while left:
            left -= ring.send(sender.fileno(), left)
        return time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Sent:
    """What a flood has sent, and in how many seconds."""

    packets: int
    seconds: float

    @property
    def rate(self) -> float:
        """Packets a second."""
        return self.packets / self.seconds if self.seconds else 0.0


class Flood:
    """A flood that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def so_far(self) -> Sent:
        """What it has sent until now. Raises BenchError if it has ended."""
        return self._ask("?")

    def end(self) -> Sent:
        """Stop it; what it has sent."""
        return self._ask("")

    def _ask(self, word: str) -> Sent:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise BenchError("a flood ended by itself") from None
        answer = self._process.stdout.readline()
        if not answer:
            raise BenchError("a flood ended by itself")
        return Sent(*json.loads(answer))


@contextmanager
def flooding(site: Site, packets: Sequence[bytes], port: int, rate: float) -> Iterator[Flood]:
    """A flood from outside while the block runs; it goes on from the start of the block."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(_LENGTH.pack(len(packet)) + packet for packet in packets))
        file.flush()
        command = [sys.executable, "-m", "tests.bench.sending", str(port), str(rate), file.name]
        with site.outside.entered():
            process = subprocess.Popen(
                with_kernel_leash(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=PROJECT,
                env={**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'daemon'}"},
            )
        with process:
            try:
                flood = Flood(process)
                flood.so_far()  # it answers when it has everything ready
                yield flood
            finally:
                process.kill()


def main(port: int, rate: float, file: Path) -> None:
    """The process of a flood: one line on standard input asks for its count, an empty ends it."""
    ring = PacketRing(list(_read(file.read_bytes())))
    batch = max(1, round(rate / _BATCHES_PER_SECOND))
    # The kernel may sleep 50 us longer than asked unless told not to.
    _libc.prctl(29, 1)  # PR_SET_TIMERSLACK, in nanoseconds
    os.set_blocking(0, False)
    packets, started = 0, time.perf_counter()
    with connected(port) as sender:
        while (now := time.perf_counter() - started) < LONGEST_FLOOD:
            behind = rate * now - packets
            if behind < batch:
                time.sleep((batch - behind) / rate)
                if not _answer(packets, started):
                    return
                continue
            packets += ring.send(sender.fileno(), min(int(behind), 8 * batch))
            if behind > rate / 10 and not _answer(packets, started):
                return


def _answer(packets: int, started: float) -> bool:
    """Tell the count if asked; False when it is to end."""
    try:
        asked = os.read(0, 64)
    except BlockingIOError:
        return True
    print(json.dumps([packets, time.perf_counter() - started]), flush=True)
    return asked.strip() == b"?"


def _read(data: bytes) -> Iterator[bytes]:
    offset = 0
    while offset < len(data):
        (length,) = _LENGTH.unpack_from(data, offset)
        yield data[offset + 2 : offset + 2 + length]
        offset += 2 + length


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
