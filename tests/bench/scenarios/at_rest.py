"""Start-up, memory, and what a daemon costs that has nothing to do."""

from __future__ import annotations

import time

from tests.bench.bench import Bench
from tests.bench.clients import knocks
from tests.bench.contestants import Contestant
from tests.bench.junk import junk
from tests.bench.sending import flooding, send_burst
from tests.bench.site import SPA_PORT
from tests.bench.trial import Trial

START = "start"
MEMORY = "memory"
IDLE = "at rest"


def start(bench: Bench) -> None:
    """From exec to the first honoured knock; one is sent every 5 ms."""

    def measure(who: Contestant) -> None:
        with bench.prepared(who) as trial:
            started = trial.start(every=0.005)
        bench.note(who, (START, "", "to the first honoured knock", "ms"), started.seconds * 1e3)
        bench.note(who, (START, "", "CPU until then", "ms"), started.cpu * 1e3)

    bench.take_turns(START, measure, short=5, long=15)


def memory(bench: Bench) -> None:
    """After the first knock, and after a burst and a flood."""

    def measure(contestant: Contestant) -> None:
        with bench.prepared(contestant) as trial:
            trial.start(every=1.0)
            time.sleep(1.0)
            _note_memory(bench, trial, "after the first knock")
            _load(trial)
            _note_memory(bench, trial, "after load")

    bench.take_turns(MEMORY, measure, short=1, long=3)


def _note_memory(bench: Bench, trial: Trial, case: str) -> None:
    memory, who = trial.group.memory(), trial.contestant
    bench.note(who, (MEMORY, case, "RSS", "MiB"), memory.resident)
    bench.note(who, (MEMORY, case, "PSS", "MiB"), memory.shared)
    bench.note(who, (MEMORY, case, "peak RSS", "MiB"), memory.peak)


def _load(trial: Trial) -> None:
    length = len(trial.client.knock(next(trial.visitors)))
    with flooding(trial.site, junk("wrong HMAC", length), SPA_PORT, 50_000):
        time.sleep(2.0)
    send_burst(knocks(trial.client, trial.take(1000)), SPA_PORT)
    time.sleep(5.0)


def idle(bench: Bench) -> None:
    """Processor time and wake-ups while nothing happens."""

    def measure(contestant: Contestant) -> None:
        with bench.running(contestant) as trial:
            _measure_rest(bench, trial, bench.pick(6, 20))

    bench.take_turns(IDLE, measure, short=1, long=2)


def _measure_rest(bench: Bench, trial: Trial, seconds: float) -> None:
    time.sleep(1.0)
    before = trial.group.wakeups()
    cpu = trial.cpu_during(seconds)
    wakeups = trial.group.wakeups() - before
    bench.note(trial.contestant, (IDLE, "", "CPU", "%"), 100 * cpu / seconds)
    bench.note(trial.contestant, (IDLE, "", "wake-ups", "/s"), wakeups / seconds)
