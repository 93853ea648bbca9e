"""Having everybody's rules judged: what `nft_judging` says of what nft lists.

That is much code, and most daemons ask once, at their start. So it can be asked in a child.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fwknopd.children import run_apart
from fwknopd.firewall import Diagnosis, FirewallError
from fwknopd.firewall.nft_process import list_rules

TIME_LIMIT = 10.0
"""Seconds for the answer of a child."""

_READY, _END = "ready", "\0"


def diagnosed(
    mark: int, devices: Sequence[str], forwards: bool, table: str, *, apart: bool
) -> Diagnosis:
    """`judge` on the rules of this machine, in a child if ``apart``. Raises FirewallError."""

    def judged() -> Diagnosis:
        from fwknopd.firewall.nft_judging import Ways, judge

        return judge(listing, Ways(mark, devices, forwards, table))

    def told() -> Sequence[str]:
        found = judged()
        return (_READY if found.ready else "", found.detail, *found.warnings)

    listing = list_rules()
    if not apart:
        return judged()
    ready, detail, *warnings = asked_apart(told)
    return Diagnosis(ready == _READY, detail, tuple(warnings))


def guards_input(mark: int) -> bool:
    """The same question of `nft_judging`, in a child. Raises FirewallError."""

    def told() -> Sequence[str]:
        from fwknopd.firewall import nft_judging

        return [_READY] if nft_judging.guards_input(listing, mark) else []

    listing = list_rules()
    return _READY in asked_apart(told)


def asked_apart(told: Callable[[], Sequence[str]], seconds: float = TIME_LIMIT) -> list[str]:
    """The texts that ``told`` returns in a child, in so many seconds. Raises FirewallError."""
    try:
        outcome = run_apart(lambda: _END.join(told()).encode("utf-8", "replace"), seconds)
    except OSError as error:
        raise FirewallError(f"no process can be started to judge rules: {error}") from error
    if outcome.fault:
        raise FirewallError(f"the process that judges rules failed: {outcome.fault}")
    return outcome.result.decode("utf-8", "replace").split(_END)
