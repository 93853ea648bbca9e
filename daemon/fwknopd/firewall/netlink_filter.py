"""A filter for netlink notices, run by the kernel: others don't wake the daemon. Pure.

A door that opens is announced to everybody who listens, us too. Listening only for what
matters saves a whole turn of the loop for every knock.

It is classic BPF, as socket(7) names it. An instruction is a code, two jumps and a number.
There are no loops, so the walk from message to message is written out; what is behind the
last step is let through unseen. Reading behind the end of the datagram ends the program,
and then the datagram is dropped: no message in it was of a wanted kind.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Collection

MESSAGES = 64
"""Messages looked at in one datagram; the kernel fills a page with some forty at most."""

_LD_BYTE_AT_X = 0x50
_LDX_MEMORY = 0x61
_ST_MEMORY = 0x02
_STX_MEMORY = 0x03
_LDX_IMMEDIATE = 0x01
_ADD, _AND, _LSH = 0x04, 0x54, 0x64
_ADD_X, _OR_X = 0x0C, 0x4C
_JUMP_IF_EQUAL = 0x15
_TO_X = 0x07
_RETURN = 0x06
_WHOLE = 0xFFFFFFFF

_INSTRUCTION = struct.Struct("=HBBI")
# Netlink headers are in host order: where the low and high byte of the length and the low
# byte of the kind are. No message is longer than 64 KiB.
_LOW, _HIGH, _KIND = (0, 1, 4) if sys.byteorder == "little" else (3, 2, 5)

Instruction = tuple[int, int, int, int]


def only(kinds: Collection[int], messages: int = MESSAGES) -> bytes:
    """The program that lets through datagrams with a message of one of ``kinds``.

    Compared are the low bytes, which is what tells the kinds of one subsystem apart.
    """
    message = [*_wanted(sorted({kind & 0xFF for kind in kinds})), *_next_message()]
    program = [(_LDX_IMMEDIATE, 0, 0, 0), *message * messages, (_RETURN, 0, 0, _WHOLE)]
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)


def _wanted(kinds: Collection[int]) -> list[Instruction]:
    """Let the datagram through if the message at X is of one of ``kinds``, else go on."""
    compared = [
        (_JUMP_IF_EQUAL, len(kinds) - number, 0 if number < len(kinds) else 1, kind)
        for number, kind in enumerate(kinds, 1)
    ]
    return [(_LD_BYTE_AT_X, 0, 0, _KIND), *compared, (_RETURN, 0, 0, _WHOLE)]


def _next_message() -> list[Instruction]:
    """Move X to the following message: by its length, rounded up to four."""
    return [
        (_STX_MEMORY, 0, 0, 1),
        (_LD_BYTE_AT_X, 0, 0, _HIGH),
        (_LSH, 0, 0, 8),
        (_ST_MEMORY, 0, 0, 0),
        (_LD_BYTE_AT_X, 0, 0, _LOW),
        (_LDX_MEMORY, 0, 0, 0),
        (_OR_X, 0, 0, 0),
        (_ADD, 0, 0, 3),
        (_AND, 0, 0, 0xFFFC),
        (_LDX_MEMORY, 0, 0, 1),
        (_ADD_X, 0, 0, 0),
        (_TO_X, 0, 0, 0),
    ]
