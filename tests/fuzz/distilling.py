"""From the many inputs of a campaign to the few that together reach as much."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.corpora import crashers, escaped, keep_corpus
from tests.fuzz.limits import TooSlow, bounded
from tests.fuzz.target import Target

MOST_BYTES = 14_000
"""Of a corpus, as it is written down. All of them together stay well below a megabyte."""

_OURS = ("/fwknopd/", "/fwknop_webui/")

Step = tuple[str, int, int]


def distilled(target: Target, inputs: Iterable[bytes]) -> int:
    """Keep of these what seeds and crashers don't reach, short ones first; how many are kept."""
    known = [*target.seeds(), *(path.read_bytes() for path in crashers(target.name))]
    reached: set[Step] = set()
    for data in known:
        reached |= steps(target, data[: target.longest])
    kept: list[bytes] = []
    size = 0
    for data in sorted(set(inputs) - set(known), key=lambda data: (len(data), data)):
        if len(escaped(data)) + size > MOST_BYTES:
            continue
        new = steps(target, data) - reached
        if new:
            reached |= new
            kept.append(data)
            size += len(escaped(data)) + 1
    return keep_corpus(target.name, kept)


def steps(target: Target, data: bytes) -> set[Step]:
    """From which line to which line an input leads, within our programs."""
    found: set[Step] = set()

    def enter(frame: FrameType, _event: str, _value: Any) -> Any:
        file = frame.f_code.co_filename
        if not any(part in file for part in _OURS):
            return None
        name, last = Path(file).name, 0

        def step(frame: FrameType, event: str, _value: Any) -> Any:
            nonlocal last
            if event == "line":
                found.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step

    try:
        with bounded():
            sys.settrace(enter)
            target.check(data)
    except TooSlow:
        found.clear()
    finally:
        sys.settrace(None)
    return found
