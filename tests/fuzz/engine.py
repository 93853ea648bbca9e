"""One target in a process of its own: led by coverage where atheris is, else blindly.

Run by ``campaign``; what it prints on stdout last is one line of JSON with what it did.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.fuzz.limits import bounded

if TYPE_CHECKING:
    from tests.fuzz.target import Target

INSTRUMENTED = ["fwknopd", "fwknop_webui"]
TIME_LIMIT = 20
"""Seconds for one input under atheris, which slows everything down."""

MEMORY_LIMIT = 1500
"""MiB of the process."""


def has_atheris() -> bool:
    """Can coverage lead the way here?"""
    return find_spec("atheris") is not None


def main(name: str, seconds: int, folder: Path) -> None:
    """Fuzz one target; inputs are in and go to ``folder``, as does what breaks it."""
    if has_atheris():
        _by_coverage(name, seconds, folder)
    else:
        _blindly(name, seconds, folder)


def _by_coverage(name: str, seconds: int, folder: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        target = _ready(name)
    words = folder.with_suffix(".dict")
    words.write_text("".join(f"{_quoted(word)}\n" for word in (*target.words, b"\0") if word))
    random = Random(int(time.time()))

    def mutate(data: bytes, longest: int, _seed: int) -> bytes:
        if random.random() < 0.5:
            return target.mutate(data, random)[:longest]
        return bytes(atheris.Mutate(data, longest))

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={target.longest}",
        f"-timeout={TIME_LIMIT}",
        f"-rss_limit_mb={MEMORY_LIMIT}",
        f"-dict={words}",
        f"-artifact_prefix={folder.parent}/{name}-",
        "-print_final_stats=1",
    ]
    atheris.Setup([name, str(folder), *options], target.check, custom_mutator=mutate)
    atheris.Fuzz()


def _ready(name: str) -> Target:
    """The target, when all it needs has been loaded."""
    from tests.fuzz.registry import TARGETS

    target = TARGETS[name]
    for seed in target.seeds():
        target.check(seed[: target.longest])
    return target


def _quoted(word: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


def _blindly(name: str, seconds: int, folder: Path) -> None:
    target = _ready(name)
    inputs = [path.read_bytes() for path in sorted(folder.iterdir())]
    random, end, count = Random(), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = target.mutate(random.choice(inputs), random)[: target.longest]
        count += 1
        try:
            with bounded(TIME_LIMIT):
                target.check(data)
        except BaseException:
            broken = folder.parent / f"{name}-crash-{hashlib.sha1(data).hexdigest()}"  # noqa: S324
            broken.write_bytes(data)
            raise
    print(json.dumps({"executions": count}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
