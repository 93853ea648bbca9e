"""Changes to inputs that leave most of their structure standing.

Plain bytes hardly ever get past a checksum, a keyword or a length field. These do what a
hostile author would: repeat, leave out, swap and mix parts, and put odd values in their place.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from tests.fuzz.target import Mutator

NUMBERS = (
    *(b"0", b"-1", b"00", b"1", b"65535", b"65536", b"4294967296", b"18446744073709551616"),
    *(b"1e999", b"0x10", b"9" * 40, b"9" * 4400, b"1_0", b" 1", "\u0663".encode()),
)
ODD = (
    *(b"", b"\0", b"\n", b"\r", b"\t", b" ", b"'", b'"', b"\\", b"#", b";", b"%", b"=", b":"),
    *(b"\xff", b"\x80", b"\x1b[2J", b"\xc2\x85", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"A" * 200),
)


def blind(data: bytes, random: Random) -> bytes:
    """Some bytes replaced, put in, taken out, or moved."""
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.choice((0, 1, 1, 2, 4, 16, 64)))
        piece = random.choice((b"", random.randbytes(1), random.choice(ODD), data[start:end] * 2))
        data = data[:start] + piece + data[end:]
    return data


def parts(separators: Sequence[bytes], words: Sequence[bytes] = ()) -> Mutator:
    """Changes to what stands between separators, which are lines, words or fields."""
    values = (*words, *NUMBERS, *ODD)

    def mutate(data: bytes, random: Random) -> bytes:
        for _ in range(random.randint(1, 3)):
            separator = random.choice(separators)
            data = separator.join(_rearranged(data.split(separator), values, random))
        return data if random.random() < 0.8 else blind(data, random)

    return mutate


def _rearranged(found: list[bytes], values: Sequence[bytes], random: Random) -> list[bytes]:
    place, other = random.randrange(len(found)), random.randrange(len(found))
    match random.randrange(6):
        case 0:
            del found[place]
        case 1:
            found.insert(other, found[place])
        case 2:
            found[place], found[other] = found[other], found[place]
        case 3:
            found.insert(place, random.choice(values))
        case 4:
            found[place] += random.choice(values)
        case _:
            found[place] = random.choice(values)
    return found


def behind_first_byte(mutate: Mutator) -> Mutator:
    """Where the first byte of an input chooses how the others are used."""

    def changed(data: bytes, random: Random) -> bytes:
        head, body = data[:1] or b"\0", data[1:]
        if random.random() < 0.2:
            head = random.randbytes(1)
        return head + mutate(body, random)

    return changed


# JSON

_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**64, 10**400, 0.5, -0.0, 1e308, float("inf")),
    *(float("-inf"), float("nan"), "", "x", "\0", "\x1b[2J", "a\nb", "\ud800", "\u2028", "\u202e"),
    *("9" * 500, "x" * 5000, [], {}, [[]], [{}], {"": None}, [None, 1, "x"], "<script>"),
)


def json_values(words: Sequence[str] = ()) -> Mutator:
    """Changes to a JSON value; what is none is changed blindly."""

    def mutate(data: bytes, random: Random) -> bytes:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return blind(data, random)
        if random.random() < 0.02:
            return _deep(random)
        for _ in range(random.randint(1, 3)):
            value = _changed(value, random, words)
        return json.dumps(value, ensure_ascii=random.random() < 0.9).encode("utf-8", "replace")

    return mutate


def _deep(random: Random) -> bytes:
    depth = random.choice((50, 300, 900, 2000))
    opening, closing = random.choice(((b"[", b"]"), (b'{"result":', b"}"), (b'{"a":', b"}")))
    return opening * depth + b"1" + closing * depth


def _changed(value: Any, random: Random, words: Sequence[str]) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        match random.randrange(8):
            case 0:
                return {name: item for name, item in value.items() if name != key}
            case 1:
                return {**value, random.choice((*words, "x", "")): value[key]}
            case _:
                return {**value, key: _changed(value[key], random, words)}
    if isinstance(value, list) and value and random.random() < 0.85:
        place = random.randrange(len(value))
        match random.randrange(6):
            case 0:
                return value[:place] + value[place + 1 :]
            case 1:
                return [*value, value[place]] * random.choice((1, 1, 3))
            case _:
                changed = _changed(value[place], random, words)
                return [*value[:place], changed, *value[place + 1 :]]
    return random.choice((*_VALUES, *words, [value], {"x": value}))


# Messages that say how long they and their parts are

_LENGTHS = (0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 20, 0x7FFF, 0xFFFF)


def changed_attributes(header: int) -> Mutator:
    """Changes to netlink messages: lengths, kinds and contents, most of them put right after."""
    return lambda data, random: _messages(data, random, header)


def _messages(data: bytes, random: Random, header: int) -> bytes:
    if len(data) < 16 or random.random() < 0.1:
        return blind(data, random)
    length, kind, flags, sequence, sender = struct.unpack_from("=IHHII", data)
    length = max(16, min(length, len(data)))
    body = data[16:length]
    body = body[:header] + _inner(body[header:], random, 0)
    if random.random() < 0.1:
        kind = random.choice((2, 3, (kind + 1) & 0xFFFF, 0xFFFF))
    size = 16 + len(body) if random.random() < 0.95 else random.choice(_LENGTHS)
    message = struct.pack("=IHHII", size, kind, flags, sequence, sender) + body
    message += bytes(-len(message) & 3)
    rest = data[length + (-length & 3) :]
    if rest and random.random() < 0.5:
        return message + _messages(rest, random, header)
    return message * random.choice((1, 1, 1, 2)) + rest


def _inner(data: bytes, random: Random, depth: int) -> bytes:
    found: list[tuple[int, bytes]] = []
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if not 4 <= length <= len(data) - at:
            return blind(data, random)
        found.append((kind, data[at + 4 : at + length]))
        at += length + (-length & 3)
    if not found:
        return blind(data, random)
    place = random.randrange(len(found))
    kind, content = found[place]
    match random.randrange(7):
        case 0:
            del found[place]
        case 1:
            found.append(found[place])
        case 2:
            found[place] = (random.randrange(30) | (kind & 0x8000), content)
        case 3:
            found[place] = (kind, content[: random.choice(_LENGTHS)])
        case _ if kind & 0x8000 and depth < 5:
            found[place] = (kind, _inner(content, random, depth + 1))
        case _:
            found[place] = (kind, blind(content, random))
    return b"".join(_attribute(kind, content, random) for kind, content in found)


def _attribute(kind: int, content: bytes, random: Random) -> bytes:
    length = (4 + len(content)) & 0xFFFF if random.random() < 0.97 else random.choice(_LENGTHS)
    return struct.pack("=HH", length, kind & 0xFFFF) + content + bytes(-len(content) & 3)


# Several of them

Chooser = Callable[[Random], Mutator]


def one_of(*mutators: Mutator) -> Mutator:
    """One of these each time."""
    return lambda data, random: random.choice(mutators)(data, random)
