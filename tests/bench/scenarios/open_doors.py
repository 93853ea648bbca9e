"""Ten to ten thousand open doors: does the next knock, or a connection, take longer?"""

from __future__ import annotations

import math
import statistics
import time
from functools import partial

from tests.bench.bench import Bench
from tests.bench.contestants import Contestant
from tests.bench.scenarios.filling import fill
from tests.bench.trial import Trial

DOORS = "open doors"
COUNTS = (10, 100, 1000, 10_000)
_CONNECTIONS = 50


def open_doors(bench: Bench) -> None:
    """Knocks, connections and memory with that many doors open."""
    for count in COUNTS:
        bench.take_turns(f"{DOORS}, {count}", partial(_measure, bench, count), short=1, long=2)


def _measure(bench: Bench, count: int, contestant: Contestant) -> None:
    with bench.running(contestant) as trial:
        fill(trial, count)
        time.sleep(1.0)
        _try_out(bench, trial, count)


def _try_out(bench: Bench, trial: Trial, count: int) -> None:
    case, who, note = f"{count} doors", trial.contestant, bench.note
    before = trial.group.cpu()
    knocks = bench.pick(10, 20)
    opened = [_knock(trial) for _ in range(knocks)]
    cpu = trial.group.cpu() - before
    note(who, (DOORS, case, "knock to open", "ms"), *(seconds * 1e3 for seconds in opened))
    note(who, (DOORS, case, "CPU per knock", "ms"), cpu * 1e3 / knocks)
    note(who, (DOORS, case, "connecting through a door", "us"), _connecting(trial) * 1e6)
    note(who, (DOORS, case, "RSS", "MiB"), trial.group.memory().resident)
    note(who, (DOORS, case, "CPU at rest", "%"), 100 * trial.cpu_during(2.0) / 2.0)


def _knock(trial: Trial) -> float:
    time.sleep(0.1)
    visitor = next(trial.visitors)
    opened = trial.prober.knock(trial.client.knock(visitor), visitor)
    return math.inf if opened is None else opened.connection


def _connecting(trial: Trial) -> float:
    """Seconds a connection through the newest door takes."""
    visitor = next(trial.visitors)
    if trial.prober.knock(trial.client.knock(visitor), visitor) is None:
        return math.nan
    times = []
    for _ in range(_CONNECTIONS):
        started = time.perf_counter()
        if trial.prober.is_open(visitor, patience=0.01):
            times.append(time.perf_counter() - started)
    return statistics.median(times) if times else math.nan
