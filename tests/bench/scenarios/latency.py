"""From knock to open door, on a daemon with nothing else to do."""

from __future__ import annotations

import random
import time

from tests.bench.bench import Bench
from tests.bench.contestants import Contestant
from tests.bench.probing import Opened
from tests.bench.scenarios.real_client import opens_with_real_client
from tests.bench.site import HOST, INSIDE_WEB, SSH, WEB
from tests.bench.trial import Trial

KNOCK = "knock to open"
FORWARDED = "knock to open, to a LAN host"
# Longer than two turns of the C daemon's loop: knocks come at any point of it.
_PAUSE = (0.05, 0.25)


def latency(bench: Bench) -> None:
    """The router's own door: to the first connection, and to the rule in the kernel."""

    def measure(contestant: Contestant) -> None:
        with bench.running(contestant) as trial:
            _measure(bench, trial, KNOCK, bench.pick(20, 40))
            gets_in = 100.0 * opens_with_real_client(trial)
            bench.note(contestant, (KNOCK, "", "opened by the real client", "%"), gets_in)

    bench.take_turns(KNOCK, measure, short=3, long=6)


def forwarded(bench: Bench) -> None:
    """A door through the router to a host behind it, by DNAT."""

    def measure(contestant: Contestant) -> None:
        with bench.running(contestant) as trial:
            _measure(bench, trial, FORWARDED, bench.pick(20, 40), inside=f"{HOST},{INSIDE_WEB}")

    bench.take_turns(FORWARDED, measure, short=1, long=3)


def _measure(
    bench: Bench, trial: Trial, scenario: str, count: int, inside: str | None = None
) -> None:
    pauses = [random.uniform(*_PAUSE) for _ in range(count)]
    before = trial.group.cpu()
    opened = [_knock(trial, pause, inside) for pause in pauses]
    cpu = trial.group.cpu() - before
    found = [door for door in opened if door is not None]
    note = bench.note
    who = trial.contestant
    note(who, (scenario, "", "to the first connection", "ms"), *(d.connection * 1e3 for d in found))
    rules = [door.rule * 1e3 for door in found if door.rule is not None]
    note(who, (scenario, "", "to the rule in the kernel", "ms"), *rules)
    note(who, (scenario, "", "opened", "%"), 100 * len(found) / count)
    note(who, (scenario, "", "CPU per knock", "ms"), cpu * 1e3 / count)


def _knock(trial: Trial, pause: float, inside: str | None) -> Opened | None:
    time.sleep(pause)
    visitor = next(trial.visitors)
    port = WEB if inside else SSH
    packet = trial.client.knock(visitor, f"tcp/{port}", inside)
    return trial.prober.knock(packet, visitor, port=port)
