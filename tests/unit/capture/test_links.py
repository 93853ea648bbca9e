"""Notices of devices from a kernel that loses some, or has nothing but errors to tell."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from contextlib import closing

import pytest

from fwknopd.capture.links import LinkNotices

ADDRESS = struct.pack("=IHHII", 16, 20, 0, 0, 0)


class Kernel:
    """A socket that has these to give, and then stays with the last one."""

    def __init__(self, *given: bytes | int) -> None:
        self._given: Iterator[bytes | int] = iter(given)
        self._last: bytes | int = errno.EAGAIN
        self.asked = 0

    def recv(self, _size: int) -> bytes:
        self.asked += 1
        self._last = next(self._given, self._last)
        if isinstance(self._last, int):
            raise OSError(self._last, "")
        return self._last

    def close(self) -> None:
        """Nothing to close."""


def drained(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> bool:
    with closing(LinkNotices()) as notices:
        notices._socket.close()
        monkeypatch.setattr(notices, "_socket", kernel)
        return notices.drain()


def test_lost_notices_count_as_those_of_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not drained(Kernel(ADDRESS, errno.EAGAIN), monkeypatch)
    assert drained(Kernel(ADDRESS, errno.ENOBUFS, errno.EAGAIN), monkeypatch)


@pytest.mark.parametrize("last", [errno.ENOMEM, ADDRESS])
def test_neither_an_error_that_stays_nor_a_flood_holds_the_loop(
    last: bytes | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(last)
    assert drained(kernel, monkeypatch) is isinstance(last, int)
    assert kernel.asked < 1000
