"""python -m tests.bench [--daemons …] [--scenarios …] [--long] …"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from tests.bench.accounting import Group, abandoned, remove_abandoned_groups
from tests.bench.bench import Bench, Effort
from tests.bench.contestants import CONTESTANTS, USUAL, chosen, yardstick
from tests.bench.errors import BenchError, OutOfTime
from tests.bench.machine import describe
from tests.bench.publishing import goals, publish, write_results
from tests.bench.report import table
from tests.bench.scenarios.at_rest import idle, memory, start
from tests.bench.scenarios.burst import burst
from tests.bench.scenarios.expiry import expiry
from tests.bench.scenarios.floods import floods
from tests.bench.scenarios.latency import forwarded, latency
from tests.bench.scenarios.many_clients import many_clients
from tests.bench.scenarios.one_grant import one_grant
from tests.bench.scenarios.open_doors import open_doors
from tests.bench.scenarios.reloads import reloads
from tests.bench.scenarios.web_page import web_page
from tests.bench.site import PREFIX
from tests.bench.targets import judge
from tests.lab.process import SYSTEM_PATH
from tests.lab.ruleset import PROJECT

SCENARIOS: dict[str, Callable[[Bench], None]] = {
    "latency": latency,
    "forwarded": forwarded,
    "start": start,
    "memory": memory,
    "idle": idle,
    "expiry": expiry,
    "reloads": reloads,
    "clients": many_clients,
    "burst": burst,
    "floods": floods,
    "doors": open_doors,
    "grant": one_grant,
    "pages": web_page,
}
TIME_LIMITS = {Effort.QUICK: 900, Effort.SHORT: 1800, Effort.LONG: 7200}
"""Seconds after which a run ends with what it has."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 all measured, 1 not, with a message on stderr."""
    given = _parser().parse_args(arguments)
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    try:
        return _run(given)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench ARGS='…'", description=__doc__)
    daemons = "; ".join(f"{c.name}: {c.label}" for c in CONTESTANTS)
    parser.add_argument(
        "--daemons", default=",".join(USUAL), help=f"who takes part (%(default)s). {daemons}"
    )
    parser.add_argument(
        "--scenarios", default=",".join(SCENARIOS), help="what is measured (%(default)s)"
    )
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="little of everything, to try it out")
    effort.add_argument("--long", action="store_true", help="more rounds, more load")
    parser.add_argument("--only", default="", help="of these what has this text in its title")
    parser.add_argument("--yardstick", type=Path, help="the C daemon's program")
    parser.add_argument(
        "--folder", type=Path, help="where the daemons keep their files (the temporary folder)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=PROJECT / "tests/artifacts/bench",
        help="where figures.json and figures.svg go (%(default)s)",
    )
    parser.add_argument("--publish", action="store_true", help="and into README")
    parser.add_argument("--time-limit", type=int, help="seconds; a run ends then with what it has")
    return parser


def _run(given: argparse.Namespace) -> int:
    if os.geteuid() != 0:
        raise BenchError("network namespaces need root", "Run make bench as root")
    contestants = chosen(given.daemons.split(","))
    scenarios = _scenarios(given.scenarios.split(","))
    needs_c = any(contestant.is_c for contestant in contestants)
    c_daemon = yardstick(given.yardstick) if needs_c else None
    _clean_up(given.folder)
    prefix = f"{PREFIX}-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=given.folder) as name:
        folder = Path(name)
        bench = Bench(tuple(contestants), folder, c_daemon, _effort(given), _Clock(), given.only)
        facts = {**describe(folder, c_daemon), "CPU counted by": _method()}
        _limit(given.time_limit or TIME_LIMITS[_effort(given)])
        with suppress(OutOfTime):
            _measure(bench, scenarios)
        signal.alarm(0)
    _tell(bench)
    write_results(given.output, bench, facts, samples=True)
    print(f"\nWritten: {given.output}/figures.json and figures.svg")
    if given.publish:
        publish(bench, facts)
    return 1 if bench.faults else 0


def _effort(given: argparse.Namespace) -> Effort:
    if given.quick:
        return Effort.QUICK
    return Effort.LONG if given.long else Effort.SHORT


def _clean_up(folder: Path | None) -> None:
    """Remove what a killed run left; its machines go with the first new ones."""
    remove_abandoned_groups()
    for left in abandoned(folder or Path(tempfile.gettempdir()), PREFIX):
        shutil.rmtree(left, ignore_errors=True)


def _measure(bench: Bench, scenarios: Sequence[str]) -> None:
    for name in scenarios:
        try:
            SCENARIOS[name](bench)
        except OutOfTime:
            bench.faults.append(f"out of time in {name}")
            raise


def _scenarios(names: list[str]) -> list[str]:
    for name in names:
        if name not in SCENARIOS:
            known = ", ".join(SCENARIOS)
            raise BenchError(f"no scenario is called {name!r}", f"Choose from: {known}")
    return names


def _method() -> str:
    group = Group()
    try:
        return group.method
    finally:
        group.close()


class _Clock:
    """Tells on stderr what goes on, and when."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, text: str) -> None:
        seconds = time.monotonic() - self._started
        print(f"{seconds:7.1f} s  {text}", file=sys.stderr, flush=True)


def _limit(seconds: int) -> None:
    """End an overlong run, and a run that is told to end, through its own clean-up."""

    def out_of_time(_number: int, _frame: FrameType | None) -> None:
        raise OutOfTime("the time limit is reached", "Give more with --time-limit")

    def told_to_end(_number: int, _frame: FrameType | None) -> None:
        sys.exit(1)

    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, told_to_end)
    signal.alarm(seconds)


def _tell(bench: Bench) -> None:
    print(table(bench.results, bench.contestants))
    print("\nFigures to reach")
    print(goals(judge(bench.results)))
    for fault in bench.faults:
        print(f"bench: {fault}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
