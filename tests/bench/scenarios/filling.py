"""Many open doors: by knocks where that is a matter of seconds, else put in as rules."""

from __future__ import annotations

import time

from tests.bench.errors import BenchError
from tests.bench.sending import send_burst
from tests.bench.site import SPA_PORT, SSH
from tests.bench.trial import LONG, Trial, run_quietly

_LOT = 500
_LOT_LIMIT = 60.0


def fill(trial: Trial, count: int) -> list[str]:
    """Have ``count`` doors open for `LONG` seconds, nobody's business here; for whom.

    Ours are knocked for, with nftables. With iptables rules of the C daemon's form are
    added behind the daemon's back, as knocking would take either of them too long: the C
    daemon finds them when it lists its chain, ours leaves them alone until their end.
    Raises BenchError.
    """
    visitors = trial.take(count)
    if trial.contestant.variant:
        _add_rules(trial, visitors)
    else:
        for start in range(0, count, _LOT):
            _knock_for(trial, visitors[start : start + _LOT])
    return visitors


def _knock_for(trial: Trial, visitors: list[str]) -> None:
    send_burst([trial.client.knock(visitor, seconds=LONG) for visitor in visitors], SPA_PORT)
    deadline = time.monotonic() + _LOT_LIMIT
    while time.monotonic() < deadline:
        if trial.prober.is_open(visitors[-1], SSH):
            return
        time.sleep(0.01)
    raise BenchError(f"{trial.contestant.label}: {len(visitors)} knocks are not honoured in time")


def _add_rules(trial: Trial, visitors: list[str]) -> None:
    end = int(time.time()) + LONG
    rules = "\n".join(
        f"-A FWKNOP_INPUT -s {visitor}/32 -p tcp -m tcp --dport {SSH}"
        f" -m comment --comment _exp_{end} -j ACCEPT"
        for visitor in visitors
    )
    with trial.site.router.entered():
        restore = [trial.installation.iptables("-restore"), "--noflush"]
        run_quietly(restore, f"*filter\n{rules}\nCOMMIT\n")
