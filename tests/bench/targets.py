"""The figures to reach, as rows; README's table is made of them.

A figure is compared with a limit, with the C daemon's of the same run, or with its own
under a smaller load. Absolute limits are meant for an unloaded machine of two cores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.figures import REFERENCE, Results, divided
from tests.bench.report import amount
from tests.bench.scenarios.at_rest import IDLE, MEMORY, START
from tests.bench.scenarios.burst import BURST
from tests.bench.scenarios.expiry import EXPIRY
from tests.bench.scenarios.floods import FLOOD
from tests.bench.scenarios.latency import FORWARDED, KNOCK
from tests.bench.scenarios.many_clients import CLIENTS
from tests.bench.scenarios.one_grant import GRANT
from tests.bench.scenarios.open_doors import DOORS
from tests.bench.scenarios.reloads import RELOAD
from tests.bench.scenarios.web_page import DEAREST, WEB_PAGE

OURS, IPTABLES = "nft", "ipt"


@dataclass(frozen=True, slots=True)
class Target:
    """One figure to reach. ``limit`` is in the figure's unit, or a factor.

    - ``figure``: scenario, case, metric
    - ``unit``: the figure's, for people
    - ``daemon``: whose figure; ours with nftables unless said otherwise
    - ``of``: which statistic of it, "p50" or "p95"
    - ``ratio``: the limit is a share of the C daemon's figure
    - ``beside``: the limit is a multiple of the same figure in this other case
    - ``at_least``: the limit is a lower one
    """

    what: str
    figure: tuple[str, str, str]
    limit: float
    unit: str = ""
    daemon: str = OURS
    of: str = "p50"
    ratio: bool = False
    beside: str = ""
    at_least: bool = False

    @property
    def goal(self) -> str:
        """The limit in words."""
        sign = "≥" if self.at_least else "≤"
        if self.ratio:
            return f"{sign} 1/{1 / self.limit:.0f} of C"
        if self.beside:
            return f"within {round((self.limit - 1) * 100)} % of {self.beside}"
        return f"{sign} {amount(self.limit, self.unit)}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A target and what was measured; ``reached`` is None when it was not."""

    target: Target
    reference: float
    ours: float
    reached: bool | None

    @property
    def ours_text(self) -> str:
        """Ours, and its ratio to C where that is the measure."""
        text = amount(self.ours, self.target.unit)
        ratio = divided(self.reference, self.ours)
        return f"{text} (1/{ratio:.0f})" if self.target.ratio and math.isfinite(ratio) else text

    @property
    def verdict(self) -> str:
        """In a word."""
        return {True: "reached", False: "**missed**", None: "not measured"}[self.reached]


def judge(results: Results) -> list[Judged]:
    """Every target against the results."""
    return [_judge(target, results) for target in TARGETS]


def _judge(target: Target, results: Results) -> Judged:
    scenario, case, metric = target.figure
    ours = getattr(results.of(scenario, case, metric, target.daemon), target.of)
    reference = getattr(results.of(scenario, case, metric, REFERENCE), target.of)
    limit = target.limit
    if target.ratio:
        limit *= reference
    elif target.beside:
        limit *= getattr(results.of(scenario, target.beside, metric, target.daemon), target.of)
    if math.isnan(ours) or math.isnan(limit):
        return Judged(target, reference, ours, None)
    return Judged(target, reference, ours, ours >= limit if target.at_least else ours <= limit)


def _floods() -> Iterator[Target]:
    for rate in ("10,000", "50,000"):
        case = f"wrong HMAC, {rate}/s"
        what = f"{rate} wrong-HMAC packets/s"
        yield Target(f"{what}: knocks honoured", (FLOOD, case, "honoured"), 100, "%", at_least=True)
        yield Target(f"{what}: knock to open", (FLOOD, case, "knock to open"), 5, "ms")
    case = "wrong HMAC, 100,000/s"
    what = "100,000 wrong-HMAC packets/s: knocks honoured"
    yield Target(what, (FLOOD, case, "honoured"), 90, "%", at_least=True)
    for kind in ("binary, 100,000", "short, 100,000", "oversized, 50,000", "other port, 100,000"):
        case = f"{kind}/s"
        what = "junk: {}, {}/s".format(*kind.split(", "))
        yield Target(f"{what}: honoured", (FLOOD, case, "honoured"), 100, "%", at_least=True)
        yield Target(f"{what}: CPU", (FLOOD, case, "CPU, junk alone"), 1, "%")
    what, case = "replayed packets, 50,000/s: fresh knocks honoured", "replayed, 50,000/s"
    yield Target(what, (FLOOD, case, "honoured"), 95, "%", at_least=True)
    what, case = "CPU per wrong-HMAC packet at 10,000/s", "wrong HMAC, 10,000/s"
    yield Target(what, (FLOOD, case, "CPU per junk packet"), 20, "us")


TARGETS = (
    Target("knock to open", (KNOCK, "", "to the first connection"), 1 / 70, "ms", ratio=True),
    Target(
        "knock to open, p95",
        (KNOCK, "", "to the first connection"),
        1 / 50,
        "ms",
        of="p95",
        ratio=True,
    ),
    Target(
        "knock to open, to a LAN host",
        (FORWARDED, "", "to the first connection"),
        1 / 60,
        "ms",
        ratio=True,
    ),
    Target("CPU per accepted knock", (KNOCK, "", "CPU per knock"), 1 / 15, "ms", ratio=True),
    *_floods(),
    Target(
        "burst of 1000 knocks: honoured",
        (BURST, "1000 knocks", "honoured"),
        100,
        "%",
        at_least=True,
    ),
    Target("burst of 1000 knocks: time", (BURST, "1000 knocks", "until the last is open"), 1, "s"),
    Target(
        "burst of 5000 knocks: honoured",
        (BURST, "5000 knocks", "honoured"),
        100,
        "%",
        at_least=True,
    ),
    Target(
        "CPU per junk packet, 1000 clients",
        (CLIENTS, "1000 clients", "CPU per junk packet"),
        1 / 3,
        "us",
        ratio=True,
    ),
    Target(
        "CPU per junk packet, 5000 clients",
        (CLIENTS, "5000 clients", "CPU per junk packet"),
        1 / 3,
        "us",
        ratio=True,
    ),
    Target(
        "knock to open with 10,000 doors open",
        (DOORS, "10000 doors", "knock to open"),
        1.2,
        "ms",
        beside="10 doors",
    ),
    Target(
        "the same with 1000, iptables",
        (DOORS, "1000 doors", "knock to open"),
        1 / 10,
        "ms",
        daemon=IPTABLES,
        ratio=True,
    ),
    Target("one grant, once decided", (GRANT, "10 doors", "opened"), 1, "ms"),
    Target("the same with 10,000 doors open", (GRANT, "10000 doors", "opened"), 1, "ms"),
    Target(
        "the same beside that with 10",
        (GRANT, "10000 doors", "opened"),
        1.2,
        "ms",
        beside="10 doors",
    ),
    Target("closing early or late, p95", (EXPIRY, "few doors", "off by"), 0.05, "s", of="p95"),
    Target("the same among 100 doors", (EXPIRY, "among 100 doors", "off by"), 0.05, "s", of="p95"),
    Target(
        "the same among 100 doors, iptables",
        (EXPIRY, "among 100 doors", "off by"),
        1,
        "s",
        daemon=IPTABLES,
        of="p95",
    ),
    Target("CPU at rest", (IDLE, "", "CPU"), 0.02, "%"),
    Target("RSS after the first knock", (MEMORY, "after the first knock", "RSS"), 25, "MiB"),
    Target("PSS after the first knock", (MEMORY, "after the first knock", "PSS"), 25, "MiB"),
    Target(
        "5000 clients: start", (CLIENTS, "5000 clients", "start to first honoured knock"), 500, "ms"
    ),
    Target("5000 clients: RSS", (CLIENTS, "5000 clients", "RSS"), 35, "MiB"),
    Target(
        "start to the first honoured knock", (START, "", "to the first honoured knock"), 220, "ms"
    ),
    Target("5 reloads, 100 knocks: lost", (RELOAD, "", "knocks lost"), 0, "of 100"),
    Target("the same: an open door seen shut", (RELOAD, "", "an open door seen shut"), 0, "of 100"),
    Target("web page: CPU of the dearest page", (WEB_PAGE, DEAREST, "CPU"), 30, "ms"),
    Target("web page: RSS after every page", (WEB_PAGE, "after every page", "RSS"), 40, "MiB"),
)
