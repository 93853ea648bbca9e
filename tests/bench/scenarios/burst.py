"""Many valid knocks at once, each for another address."""

from __future__ import annotations

import math
import time
from functools import partial

from tests.bench.bench import Bench
from tests.bench.clients import knocks
from tests.bench.contestants import Contestant
from tests.bench.sending import send_burst
from tests.bench.site import SPA_PORT
from tests.bench.trial import Trial

BURST = "burst of knocks"
_PAUSE = 0.01


def burst(bench: Bench) -> None:
    """How many are honoured, and how long it takes until the last is."""
    for count in (100, 1000, 5000):
        bench.take_turns(f"{BURST}, {count}", partial(_measure, bench, count), short=1, long=3)


def _measure(bench: Bench, count: int, contestant: Contestant) -> None:
    with bench.running(contestant) as trial:
        _send(bench, trial, count, bench.pick(20, 40))


def _send(bench: Bench, trial: Trial, count: int, limit: float) -> None:
    visitors = trial.take(count)
    packets = knocks(trial.client, visitors)
    before = trial.group.cpu()
    started = time.perf_counter()
    lasted = send_burst(packets, SPA_PORT)
    seconds = _until_open(trial, visitors[-1], started, limit)
    found = trial.prober.open_among(visitors)
    cpu = trial.group.cpu() - before
    case, who = f"{count} knocks", trial.contestant
    bench.note(who, (BURST, case, "honoured", "%"), 100 * len(found) / count)
    bench.note(who, (BURST, case, "until the last is open", "s"), seconds)
    bench.note(who, (BURST, case, "CPU per honoured knock", "ms"), cpu * 1e3 / max(1, len(found)))
    bench.note(who, (BURST, case, "sent in", "ms"), lasted * 1e3)


def _until_open(trial: Trial, visitor: str, started: float, limit: float) -> float:
    """Seconds until the last one's door is open; infinite if it isn't after ``limit``."""
    while (now := time.perf_counter() - started) < limit:
        if trial.prober.is_open(visitor):
            return time.perf_counter() - started
        # Now and then: the daemon is to have the processor.
        time.sleep(min(_PAUSE, now / 10))
    return math.inf
