"""When to look whether our iptables rules are still there.

Whoever changes rules often changes many, one after the other: a firewall that restarts
takes a second. So the look is put off until there is quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fwknopd.config.ipt_chain import IptChain
from fwknopd.firewall.iptables_notices import Heard, RuleNotices

QUIET_SECONDS = 0.3
"""How long nothing must have been heard before the look."""

PATIENCE_SECONDS = 2.0
"""How long it is put off at most."""

ROUND_SECONDS = 15.0
"""With open doors, how often to look where nobody announces changes for sure."""

RELAPSE_SECONDS = 30.0
"""Rules lost again so soon are lost to somebody who does it on purpose, or in a loop."""

LONGEST_QUIET_SECONDS = 60.0

PREDECESSOR_SECONDS = 6.0
"""So long after a crash its last program may still have waited for the lock, and opened a door."""


class RuleWatch:
    """Listens for changes by others, and says when to look at the rules."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.remade = False
        """Our chains were deleted, whatever stands there now."""
        self._monotonic = monotonic
        self._notices: RuleNotices | _Locks | None = None
        self._heard_first: float | None = None
        self._look_at: float | None = None
        self._looked_at = 0.0
        self._quiet = QUIET_SECONDS
        self._lost_at = -RELAPSE_SECONDS

    def open(self, chains: Sequence[IptChain], *, nft: bool) -> None:
        """Listen, if that isn't done already. Without it rules are looked at now and then."""
        if self._notices is None:
            try:
                self._notices = RuleNotices(chains) if nft else _Locks()
            except (OSError, ImportError):
                # OpenWrt has ctypes in a package of its own. Then there are the rounds.
                return
            self._looked_at = self._monotonic()

    def close(self) -> None:
        """Stop listening."""
        if self._notices is not None:
            self._notices.close()
        self._notices = self._heard_first = self._look_at = None
        self.remade = False

    def fileno(self) -> int | None:
        """Readable when `listen` has something to hear."""
        return self._notices.fileno() if self._notices else None

    @property
    def is_sure(self) -> bool:
        """Nobody has touched our rules since the last look: every change would be announced."""
        return isinstance(self._notices, RuleNotices) and self._look_at is None

    def passed(self, pid: int) -> None:
        """A program of ours has ended: what it did is no news."""
        if self._notices is not None:
            self._notices.passed(pid)

    def listen(self) -> None:
        """Take in what was announced, and put the look off accordingly."""
        heard = self._notices.drain() if self._notices else Heard.NOTHING
        if heard is Heard.NOTHING:
            return
        self.remade = self.remade or heard is Heard.REMADE
        now = self._monotonic()
        if now - self._lost_at >= RELAPSE_SECONDS + self._quiet:
            self._quiet = QUIET_SECONDS
        if self._heard_first is None:
            self._heard_first = now
        patience = max(PATIENCE_SECONDS, self._quiet)
        self._look_at = min(now + self._quiet, self._heard_first + patience)

    def suspect(self) -> None:
        """Something is wrong for sure: look now, whatever else is heard."""
        self._look_at = self._monotonic()
        self._heard_first = self._look_at - LONGEST_QUIET_SECONDS

    def follow(self) -> None:
        """Another daemon was here: look once more when its last program must be through.

        It may let go of the lock while a program of ours waits, and then it isn't heard.
        """
        if not isinstance(self._notices, RuleNotices):
            self._look_at = self._monotonic() + PREDECESSOR_SECONDS

    def put_off(self) -> None:
        """A look failed: try again later."""
        self._look_at = self._monotonic() + ROUND_SECONDS

    def look_at(self, *, doors: bool) -> float | None:
        """Monotonic second of the next look, None when never; ``doors``: some are open."""
        if self._look_at is not None:
            return self._look_at
        if not doors or isinstance(self._notices, RuleNotices):
            return None
        return self._looked_at + ROUND_SECONDS

    def looked(self, *, lost: bool) -> None:
        """Somebody has looked."""
        now = self._monotonic()
        self._looked_at, self._look_at, self._heard_first = now, None, None
        if lost:
            self._lost_at, self._quiet = now, min(2 * self._quiet, LONGEST_QUIET_SECONDS)

    def mended(self) -> None:
        """All that was lost is back."""
        self.remade = False


class _Locks:
    """The locks of the old iptables, in the manner of RuleNotices."""

    def __init__(self) -> None:
        # Loads what no other backend needs.
        from fwknopd.firewall.iptables_lock import LockNotices

        self._locks = LockNotices()

    def fileno(self) -> int:
        return self._locks.fileno()

    def passed(self, pid: int) -> None:
        # Our program held the lock as well. Somebody who took it in the same moment isn't
        # heard, which is what the rounds are for.
        self._locks.drain()

    def drain(self) -> Heard:
        return Heard.CHANGED if self._locks.drain() else Heard.NOTHING

    def close(self) -> None:
        self._locks.close()
