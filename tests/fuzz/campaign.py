"""All targets one after another or side by side, each in a process of its own for a given time."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.corpora import CRASHERS, corpus, crashers
from tests.fuzz.distilling import distilled
from tests.fuzz.engine import has_atheris
from tests.fuzz.registry import TARGETS
from tests.fuzz.target import Target
from tests.fuzz.targets.state import SCRATCH, memory

ROOT = Path(__file__).parents[2]
WORK = ROOT / "tests/artifacts/fuzz"
"""Where inputs grow; what is worth keeping goes from here into the corpora."""

_DONE = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
_EXECUTED = re.compile(r"number_of_executed_units: *(\d+)")
_GRACE = 120
"""Seconds beyond its time after which a target is taken for hanging."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a target. ``broken``: the files of inputs that broke it."""

    name: str
    executions: int
    coverage: str
    broken: tuple[Path, ...]
    log: Path

    def __str__(self) -> str:
        told = f"{self.name:<18} {self.executions:>10,} inputs  {self.coverage}"
        if not self.broken:
            return told
        places = ", ".join(str(path.relative_to(ROOT)) for path in self.broken)
        return f"{told}\n    BROKEN by {places}; what it said: {self.log.relative_to(ROOT)}"


def run(names: Sequence[str], seconds: int, jobs: int) -> bool:
    """Fuzz these targets, all if none is named; whether nothing broke."""
    if not has_atheris():
        print(
            "atheris is not here (it has wheels for Linux on x86-64 only), so inputs are changed "
            "blindly: far less is found. `make test` replays the corpora all the same."
        )
    whole = True
    chosen = [TARGETS[name] for name in names or TARGETS]
    for target in chosen:
        _lay_out(target)
    with ThreadPoolExecutor(jobs) as pool:
        for outcome in pool.map(lambda target: fuzz(target.name, seconds), chosen):
            print(outcome, flush=True)
            whole = whole and not outcome.broken
    return whole


def _lay_out(target: Target) -> None:
    """Put all inputs that are kept where the target's process looks for them."""
    folder = WORK / target.name
    folder.mkdir(parents=True, exist_ok=True)
    for data in known_inputs(target):
        folder.joinpath(hashlib.sha256(data).hexdigest()[:20]).write_bytes(data)
    for old in WORK.glob(f"{target.name}-*"):
        old.unlink()


def fuzz(name: str, seconds: int) -> Outcome:
    """Fuzz one target for so long, beginning with what lies in its folder."""
    log = WORK / f"{name}.log"
    command = [sys.executable, "-m", "tests.fuzz.engine", name, str(seconds), str(WORK / name)]
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "daemon", "webui"))
    with (
        log.open("wb") as output,
        tempfile.TemporaryDirectory(prefix="fwknop-fuzz-", dir=memory()) as scratch,
    ):
        try:
            subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": paths, SCRATCH: scratch},
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=seconds + _GRACE,
            )
        except subprocess.TimeoutExpired:
            output.write(b"\nit did not end\n")
    return _outcome(name, log)


def _outcome(name: str, log: Path) -> Outcome:
    text = log.read_text(errors="replace")
    executed, done = _EXECUTED.findall(text), _DONE.findall(text)
    if executed:
        executions = int(executed[-1])
    else:
        executions = sum(json.loads(line)["executions"] for line in _results(text))
    coverage = "blind" if not done else "coverage {}, features {}, corpus {}".format(*done[-1])
    return Outcome(name, executions, coverage, tuple(_kept(name)), log)


def _results(text: str) -> Iterator[str]:
    yield from (line for line in text.splitlines() if line.startswith('{"executions"'))


def _kept(name: str) -> Iterator[Path]:
    """What broke it, now among the crashers, where `make test` tries it again."""
    for found in sorted(WORK.glob(f"{name}-*")):
        place = CRASHERS / name / found.name.removeprefix(f"{name}-")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(found.read_bytes())
        yield place


def known_inputs(target: Target) -> Iterator[bytes]:
    """Seeds, corpus and crashers of a target."""
    for data in (*target.seeds(), *corpus(target.name)):
        yield data[: target.longest]
    yield from (path.read_bytes()[: target.longest] for path in crashers(target.name))


def keep(names: Sequence[str]) -> None:
    """Put what reaches anything new of the grown inputs into the corpora."""
    for name in names or TARGETS:
        target, folder = TARGETS[name], WORK / name
        grown = [path.read_bytes() for path in folder.iterdir()] if folder.is_dir() else []
        print(f"{name:<18} {distilled(target, [*corpus(name), *grown]):>4} inputs", flush=True)
