"""Ports for programs that listen, which nobody else gets between the choice and their start."""

from __future__ import annotations

import os
import random
import socket
from contextlib import closing

FIRST, EACH = 10_000, 4_000
"""Below those that the kernel gives to whoever connects or sends (from 32768 on)."""

ATTEMPTS = 100


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that is free on every address, from a range of this test worker's own.

    A port the kernel chooses may be chosen again a moment later, for another worker's program
    or for somebody's connection.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 5
    for port in random.sample(range(FIRST + worker * EACH, FIRST + (worker + 1) * EACH), ATTEMPTS):
        if is_free(port, kind):
            return port
    raise OSError("no port is free")


def is_free(port: int, kind: socket.SocketKind) -> bool:
    """Whether nobody has this port at the moment."""
    with closing(socket.socket(socket.AF_INET, kind)) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
