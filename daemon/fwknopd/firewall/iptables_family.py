"""The rules of one address family in the kernel: changed the short way, or repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from fwknopd.firewall import FirewallBarred, FirewallError, FirewallStuck
from fwknopd.firewall.iptables_process import CLOSING_LOCK_SECONDS, LOCK_SECONDS, Programs
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
Wanted = Callable[[Saved], Rules]
"""All rules of ours that should be there, told what is. Asked only when the short way fails."""


class FamilyRules:
    """Chains, jumps and rules of IPv4 or IPv6.

    ``next_end`` is the epoch second at which a rule that others made in our chains ends.
    """

    def __init__(self, version: int, programs: Programs, settings: IptablesSettings) -> None:
        self.version = version
        self.programs = programs
        self.stands = False
        self.next_end: int | None = None
        self.settings = settings
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
        self,
        removed: Sequence[DoorRule],
        added: Sequence[DoorRule],
        after: Wanted,
        before: Wanted,
        now: int,
        *,
        sure: bool = False,
    ) -> None:
        """Take rules out and put others in, at once. Raises FirewallError, as if never asked.

        Where the kernel's rules aren't as we left them, everything is put right that is
        ours: chains, jumps, and the rules of every open door. ``sure`` says they are.
        """
        wait = LOCK_SECONDS if added else CLOSING_LOCK_SECONDS
        if not (self._doomed or self.is_overdue(now)):
            known = sure and self.stands
            batch = change_batch(removed, added, self.settings, known=known)
            try:
                if self.programs.restore(str(batch), wait) is None:
                    return
            except FirewallStuck:
                # It may have got as far as the kernel all the same.
                self.undo(added, before, now, barred=True)
                raise
        self._doomed.update(removed)
        try:
            self._repair(after, now, build=bool(added), wait=wait)
        except FirewallError as error:
            no_use = isinstance(error, FirewallBarred | FirewallStuck)
            self.undo(added, before, now, barred=no_use)
            raise

    def expect_end(self, end: int) -> None:
        """A rule that others made, or a dying daemon's last program, ends at this epoch second."""
        self.next_end = end if self.next_end is None else min(self.next_end, end)

    def is_overdue(self, now: float) -> bool:
        """Whether a rule that others made is to be taken away."""
        return self.next_end is not None and self.next_end <= now

    def build(self, wanted: Wanted, now: int) -> None:
        """Make chains and jumps, and the rules of doors. Raises FirewallError."""
        self._repair(wanted, now, build=True)

    def mend(self, saved: Saved, wanted: Wanted, now: int) -> None:
        """Make ``saved``, in which chains and jumps are well, right. Raises FirewallError."""
        found = repair(saved, wanted(saved), self._doomed, self.settings, now)
        if found.batch or self._doomed:
            self._repair(wanted, now, build=False)
        else:
            self.next_end = found.next_end

    def _repair(self, wanted: Wanted, now: int, *, build: bool, wait: int = LOCK_SECONDS) -> None:
        """Look what is there, and make it what it should be. Raises FirewallError.

        And look again: a table is changed at a time, so somebody else may have emptied one
        while the next was being changed, and a way would be open without its translation.
        """
        standing = self.settings.standing() if build else ()
        fault = None
        for _ in range(ATTEMPTS):
            saved = self.read()
            found = repair(saved, wanted(saved), self._doomed, self.settings, now, standing)
            fault = self.programs.restore(str(found.batch), wait) if found.batch else None
            if fault is None:
                self._doomed.clear()
                self.stands, self.next_end = self.stands or build, found.next_end
                if not found.batch:
                    return
        if fault is not None:
            raise fault

    def undo(
        self, added: Sequence[DoorRule], wanted: Wanted, now: int, *, barred: bool = False
    ) -> None:
        """Take back what a change that failed may have done. Never raises.

        What can't be taken back now is with the next change, or the next `expire`.
        """
        self._doomed.update(added)
        if not barred:
            with suppress(FirewallError):
                self._repair(wanted, now, build=False)

    def try_comment(self) -> None:
        """Fail if rules can't have comments. Leaves nothing. Raises FirewallError."""
        chain = self.settings.input
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
        """Take our rules away, and our chains with their jumps. Raises FirewallError."""
        fault = None
        for _ in range(ATTEMPTS):
            batch = flush_batch(self.read(), self.settings)
            fault = self.programs.restore(str(batch)) if batch else None
            if fault is None:
                self.stands, self.next_end = False, None
                self._doomed.clear()
                return
        if fault is not None:
            raise fault
