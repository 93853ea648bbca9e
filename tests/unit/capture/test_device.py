"""What is said of a device when the kernel can't be asked."""

from __future__ import annotations

import errno
import socket

import pytest

from fwknopd.capture import CaptureError, CaptureFault
from fwknopd.capture.device import device_index


def refuse(*_: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


def test_a_device_that_could_not_be_asked_for_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "if_nametoindex", refuse)
    monkeypatch.setattr(socket, "if_nameindex", refuse)
    with pytest.raises(CaptureError, match=r"can't be asked .* Too many open files") as raised:
        device_index("lo")
    assert raised.value.fault is CaptureFault.OTHER


def test_a_descriptor_that_came_free_in_between_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    number = socket.if_nametoindex("lo")
    monkeypatch.setattr(socket, "if_nametoindex", refuse)
    assert device_index("lo") == number
    with pytest.raises(CaptureError) as raised:
        device_index("none0")
    assert raised.value.fault is CaptureFault.NO_DEVICE
