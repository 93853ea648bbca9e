"""The rules of one address family in the kernel: changed the short way, or repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from fwknopd.firewall import FirewallError
from fwknopd.firewall.iptables_process import Programs
from fwknopd.firewall.iptables_rules import DoorRule, IptablesSettings, Rules
from fwknopd.firewall.iptables_saved import (
    Saved,
    change_batch,
    flush_batch,
    parse_saved,
    repair,
)

# Another program may change rules between our look and our change.
ATTEMPTS = 3
Wanted = Callable[[], Rules]
"""All rules of ours that should be there. Asked only when the short way fails."""


class FamilyRules:
    """Chains, jumps and rules of IPv4 or IPv6.

    ``next_end`` is the epoch second at which a rule that others made in our chains ends.
    """

    def __init__(self, version: int, programs: Programs, settings: IptablesSettings) -> None:
        self.version = version
        self.programs = programs
        self.stands = False
        self.next_end: int | None = None
        self._settings = settings
        self._doomed: Rules = Counter()

    @property
    def has_leftovers(self) -> bool:
        """Whether rules are left that could not be taken away yet."""
        return bool(self._doomed)

    def read(self) -> Saved:
        """What the kernel holds. Raises FirewallError."""
        return parse_saved(self.programs.save())

    def doom(self, rules: Iterable[DoorRule]) -> None:
        """Let the next repair take these away."""
        self._doomed.update(rules)

    def change(
        self, removed: Sequence[DoorRule], added: Sequence[DoorRule], wanted: Wanted, now: int
    ) -> None:
        """Take rules out and put others in, at once. Raises FirewallError.

        Where the kernel's rules aren't as we left them, everything is put right that is
        ours: chains, jumps, and the rules of every open door.
        """
        overdue = self.next_end is not None and self.next_end <= now
        if not (self._doomed or overdue):
            batch = change_batch(removed, added, self._settings)
            if self.programs.restore(str(batch)) is None:
                return
        self._doomed.update(removed)
        self._repair(wanted, now, build=bool(added))

    def build(self, wanted: Wanted, now: int) -> None:
        """Make chains and jumps, and the rules of doors. Raises FirewallError."""
        self._repair(wanted, now, build=True)

    def _repair(self, wanted: Wanted, now: int, *, build: bool) -> None:
        """Look what is there, and make it what it should be. Raises FirewallError."""
        standing = self._settings.standing() if build else ()
        fault = None
        for _ in range(ATTEMPTS):
            found = repair(self.read(), wanted(), self._doomed, self._settings, now, standing)
            fault = self.programs.restore(str(found.batch)) if found.batch else None
            if fault is None:
                self._doomed.clear()
                self.stands, self.next_end = self.stands or build, found.next_end
                return
        if fault is not None:
            raise fault

    def undo(self, added: Sequence[DoorRule], wanted: Wanted, now: int) -> None:
        """Take back what a change that failed may have done. Never raises.

        What can't be taken back now is with the next change, or the next `expire`.
        """
        self._doomed.update(added)
        with suppress(FirewallError):
            self._repair(wanted, now, build=False)

    def try_comment(self) -> None:
        """Fail if rules can't have comments. Leaves nothing. Raises FirewallError."""
        chain = self._settings.input
        rule = (
            f"{chain.chain} -s {'127.0.0.2/32' if self.version == 4 else '::1/128'} -p tcp "
            f"-m tcp --dport 1 -m comment --comment _exp_0 -j {chain.target}"
        )
        fault = self.programs.restore(f"*{chain.table}\n-A {rule}\n-D {rule}\nCOMMIT\n")
        if fault is not None:
            raise FirewallError(
                f"the probe rule of ENABLE_IPT_COMMENT_CHECK failed: {fault} On OpenWrt, "
                "comments are in the package iptables-mod-comment or kmod-ipt-core."
            )

    def flush(self) -> None:
        """Take our chains and their jumps away. Raises FirewallError."""
        batch = flush_batch(self.read(), self._settings)
        fault = self.programs.restore(str(batch)) if batch else None
        if fault is not None:
            raise fault
        self.stands, self.next_end = False, None
        self._doomed.clear()
