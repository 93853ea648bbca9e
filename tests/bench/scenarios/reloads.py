"""Reloads while people knock: who is lost, and does an open door stay open?"""

from __future__ import annotations

import signal
import time

from tests.bench.bench import Bench
from tests.bench.contestants import Contestant
from tests.bench.probing import Round
from tests.bench.trial import Trial

RELOAD = "reload under load"
_RELOADS = 5
_KNOCKS = 100
_EVERY = 0.05


def reloads(bench: Bench) -> None:
    """5 times SIGHUP during 100 knocks at 20 a second."""

    def measure(contestant: Contestant) -> None:
        with bench.running(contestant) as trial:
            _measure(bench, trial)

    bench.take_turns(RELOAD, measure, short=1, long=2)


def _measure(bench: Bench, trial: Trial) -> None:
    guest = next(trial.visitors)
    trial.prober.knock(trial.client.knock(guest), guest)
    round_ = Round(trial.prober)
    seen_shut = 0
    for number in range(_KNOCKS):
        if number % (_KNOCKS // _RELOADS) == 10:
            trial.process.signal(signal.SIGHUP)
        next_at = time.perf_counter() + _EVERY
        visitor = next(trial.visitors)
        round_.knock(trial.client.knock(visitor), visitor)
        seen_shut += not trial.prober.is_open(guest, patience=0.005)
        round_.run(next_at)
    round_.finish(8.0)
    who = trial.contestant
    bench.note(who, (RELOAD, "", "knocks lost", "of 100"), round_.sent - len(round_.seconds))
    bench.note(who, (RELOAD, "", "knock to open", "ms"), *(s * 1e3 for s in round_.seconds))
    bench.note(who, (RELOAD, "", "an open door seen shut", "of 100"), seen_shut)
