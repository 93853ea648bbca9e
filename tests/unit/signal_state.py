"""What the kernel says of a process's signals, as `/proc/PID/status` has it (proc(5))."""

from __future__ import annotations

import re

# The C library keeps these two to itself: no program can set them with sigaction(2), and glibc's
# posix_spawn(3) leaves them ignored in what it starts, so whoever started the tests decides.
OF_THE_C_LIBRARY = frozenset({32, 33})


def _signals(status: str, mask: str) -> set[int]:
    found = re.search(rf"^{mask}:\t([0-9a-f]+)$", status, re.MULTILINE)
    assert found, f"no {mask} in the status"
    bits = int(found[1], 16)
    return {bit + 1 for bit in range(64) if bits >> bit & 1} - OF_THE_C_LIBRARY


def ignored_signals(status: str) -> set[int]:
    return _signals(status, "SigIgn")


def blocked_signals(status: str) -> set[int]:
    return _signals(status, "SigBlk")
