"""Valid knocks between floods of junk of every kind."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from tests.bench.bench import Bench
from tests.bench.clients import knocks
from tests.bench.contestants import Contestant
from tests.bench.junk import REPLAYED, junk
from tests.bench.probing import Round
from tests.bench.sending import Flood, flooding, send_burst
from tests.bench.site import SPA_PORT
from tests.bench.trial import Trial

FLOOD = "flood"
_REPLAYED_PACKETS = 256


@dataclass(frozen=True, slots=True)
class _Load:
    """Junk of a kind, so many packets a second."""

    kind: str
    rate: int

    @property
    def case(self) -> str:
        """As it is called."""
        return f"{self.kind}, {self.rate:,}/s"


_LOADS = (
    _Load("wrong HMAC", 1_000),
    _Load("wrong HMAC", 10_000),
    _Load("wrong HMAC", 50_000),
    _Load("wrong HMAC", 100_000),
    _Load("binary", 100_000),
    _Load("short", 100_000),
    _Load("oversized", 50_000),
    _Load("other port", 100_000),
    _Load(REPLAYED, 50_000),
)


def floods(bench: Bench) -> None:
    """The share of knocks honoured and how fast, and what junk costs when there is only junk."""
    for load in _LOADS:
        bench.take_turns(f"{FLOOD}, {load.case}", partial(_measure, bench, load), short=1, long=3)


def _measure(bench: Bench, load: _Load, contestant: Contestant) -> None:
    with bench.running(contestant) as trial:
        _flood(bench, trial, load)


def _flood(bench: Bench, trial: Trial, load: _Load) -> None:
    port = SPA_PORT + (load.kind == "other port")
    with flooding(trial.site, _packets(trial, load), port, load.rate) as flood:
        _junk_alone(bench, trial, load, flood, bench.pick(2, 3))
        before = flood.so_far()
        round_ = Round(trial.prober)
        _knock_meanwhile(trial, round_, bench.pick(8, 13))
        after = flood.end()
    round_.finish(bench.pick(4, 8))
    who, note = trial.contestant, bench.note
    note(who, (FLOOD, load.case, "honoured", "%"), 100 * len(round_.seconds) / round_.sent)
    note(who, (FLOOD, load.case, "knock to open", "ms"), *(s * 1e3 for s in round_.seconds))
    rate = (after.packets - before.packets) / (after.seconds - before.seconds)
    note(who, (FLOOD, load.case, "rate reached", "/s"), rate)


def _junk_alone(bench: Bench, trial: Trial, load: _Load, flood: Flood, seconds: float) -> None:
    time.sleep(0.3)
    started, before, cpu = time.perf_counter(), flood.so_far(), trial.group.cpu()
    time.sleep(seconds)
    cpu = trial.group.cpu() - cpu
    sent = flood.so_far().packets - before.packets
    took = time.perf_counter() - started
    who, note = trial.contestant, bench.note
    note(who, (FLOOD, load.case, "CPU, junk alone", "%"), 100 * cpu / took)
    note(who, (FLOOD, load.case, "CPU per junk packet", "us"), cpu * 1e6 / max(1, sent))


def _knock_meanwhile(trial: Trial, round_: Round, count: int) -> None:
    for _ in range(count):
        visitor = next(trial.visitors)
        round_.knock(trial.client.knock(visitor), visitor)
        round_.run(time.perf_counter() + 0.3)


def _packets(trial: Trial, load: _Load) -> list[bytes]:
    if load.kind != REPLAYED:
        return junk(load.kind, len(trial.client.knock(next(trial.visitors))))
    used = knocks(trial.client, trial.take(_REPLAYED_PACKETS))
    send_burst(used, SPA_PORT)
    # The slowest daemon takes seconds for them; from then on they are copies.
    time.sleep(1 if trial.contestant.is_ours and not trial.contestant.variant else 6)
    return used
