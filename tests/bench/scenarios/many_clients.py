"""One, a thousand, five thousand clients: all are tried on every packet of a stranger."""

from __future__ import annotations

import math
import time
from functools import partial

from tests.bench.bench import Bench
from tests.bench.contestants import Contestant
from tests.bench.junk import junk
from tests.bench.sending import flooding
from tests.bench.site import SPA_PORT
from tests.bench.trial import Setup, Trial

CLIENTS = "clients"
# Packets a second that every daemon looks at one by one: it is to be busy, not swamped.
_RATES = {1: 500, 1000: 30, 5000: 8}


def many_clients(bench: Bench) -> None:
    """Start, memory, and what a knock and a junk packet cost."""
    for count in _RATES:
        bench.take_turns(f"{CLIENTS}, {count}", partial(_measure, bench, count), short=1, long=3)


def _measure(bench: Bench, count: int, contestant: Contestant) -> None:
    with bench.prepared(contestant, Setup(clients=count)) as trial:
        _try_out(bench, trial, count)


def _try_out(bench: Bench, trial: Trial, count: int) -> None:
    case, who, note = f"{count} clients", trial.contestant, bench.note
    started = trial.start(every=0.01)
    note(who, (CLIENTS, case, "start to first honoured knock", "ms"), started.seconds * 1e3)
    time.sleep(1.0)
    memory = trial.group.memory()
    note(who, (CLIENTS, case, "RSS", "MiB"), memory.resident)
    note(who, (CLIENTS, case, "PSS", "MiB"), memory.shared)
    opened = [_knock(trial) for _ in range(bench.pick(8, 15))]
    note(who, (CLIENTS, case, "knock to open", "ms"), *(seconds * 1e3 for seconds in opened))
    note(who, (CLIENTS, case, "CPU per junk packet", "us"), _cost_of_junk(trial, count, bench))


def _knock(trial: Trial) -> float:
    time.sleep(0.1)
    visitor = next(trial.visitors)
    opened = trial.prober.knock(trial.client.knock(visitor), visitor)
    return math.inf if opened is None else opened.connection


def _cost_of_junk(trial: Trial, count: int, bench: Bench) -> float:
    seconds = bench.pick(2, 4)
    rest = trial.cpu_during(1.0)
    length = len(trial.client.knock(next(trial.visitors)))
    with flooding(trial.site, junk("wrong HMAC", length), SPA_PORT, _RATES[count]) as flood:
        before = trial.group.cpu()
        time.sleep(seconds)
        sent = flood.end().packets
        # What still waits is worked off, and counts.
        time.sleep(0.5)
        cpu = trial.group.cpu() - before - rest * (seconds + 0.5)
    return cpu * 1e6 / sent
