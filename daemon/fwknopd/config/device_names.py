"""Which names of network devices this daemon takes: one rule for files, forms and firewall."""

from __future__ import annotations

import re

DEVICE_NAME_RULE = "1 to 15 letters, digits and . _ -, and no mark at the beginning but _"

# Stricter than the kernel, which takes almost any byte: nothing that nft would read as
# a wildcard or the end of a quoted string, or a program as an option.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", re.ASCII)


def is_device_name(text: str) -> bool:
    """Can ``text`` be the name of a device to capture on? ``any`` is one, for all of them."""
    return _NAME.fullmatch(text) is not None
