"""The iptables backend: the C daemon's chains and rules, changed by iptables-restore.

One process for each go and family, whatever it opens. iptables closes nothing by
itself: `next_due` and `expire` are how the engine has it done in time. A rule whose
daemon died is closed, or taken over, when the next one starts.

Rules of ours that are gone were deleted on purpose, by somebody who closes a door by hand,
as long as chains and jumps stand. When these are gone, or were made anew, a firewall was
restarted, and everything is put back.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from fwknopd.firewall import Diagnosis, FirewallError, TimedDoor
from fwknopd.firewall.iptables_diagnosis import diagnosed
from fwknopd.firewall.iptables_family import FamilyRules, Wanted
from fwknopd.firewall.iptables_found import adopt, doom_strangers, forget_closed, open_doors
from fwknopd.firewall.iptables_held import Held, HeldDoors, planned, rules_in
from fwknopd.firewall.iptables_overruled import overruling
from fwknopd.firewall.iptables_process import Programs
from fwknopd.firewall.iptables_rules import IptablesSettings, Role, Rules
from fwknopd.firewall.iptables_saved import Saved
from fwknopd.firewall.iptables_watch import RuleWatch
from fwknopd.firewall.process import run_anew
from fwknopd.grants import Door

# Doors that end within this time of each other cost one process, not one each.
TOGETHER_SECONDS = 0.05


class IptablesFirewall:
    """Doors as rules in FWKNOP_INPUT and its like, for packets on every device, as in C."""

    name = "iptables"
    closes_late = 0.0

    def __init__(
        self,
        settings: IptablesSettings | None = None,
        *,
        variant: str = "",
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``variant`` is "", "-nft" or "-legacy": which of the installed iptables to run."""
        self.settings = settings or IptablesSettings()
        self.keeps_doors = not self.settings.flush_at_exit
        self._monotonic = monotonic
        self._wall = wall
        self._held = HeldDoors()
        self._started, self._fault6 = False, ""
        # Taken away by us just now: who asks to close these needs no look for them.
        self._taken: set[Door] = set()
        self._watch = RuleWatch(monotonic)
        # Not every kernel can translate IPv6: those chains wait for a door that needs them.
        without_nat = replace(self.settings, enable_nat=False)
        self._families = (
            FamilyRules(4, Programs(f"iptables{variant}", self._watch.passed), self.settings),
            FamilyRules(6, Programs(f"ip6tables{variant}", self._watch.passed), without_nat),
        )

    def start(self, devices: Sequence[str]) -> None:
        """Make chains and jumps, take over doors with time left, close what is over.

        The chains of IPv6 wait for the first door of that family. Raises FirewallError.
        """
        ipv4, ipv6 = self._families
        chains = [self.settings.chain(role) for role in Role]
        self._watch.open(chains, nft=ipv4.programs.are_nft)
        self._watch.listen()
        self._start(ipv4)
        self._fault6 = ""
        try:
            # A router without IPv6 needs none of it.
            self._start(ipv6)
        except FirewallError as error:
            self._fault6 = str(error)
        self._started = True
        self._watch.mended()

    def open(self, doors: Sequence[TimedDoor]) -> None:
        """Open all ``doors`` or none; an open one gets the new time. Raises FirewallError.

        The rule of an open door is replaced in one transaction, so that it isn't shut for
        a moment.
        """
        if not self._started:
            raise FirewallError("the firewall was not started: this is a mistake in fwknopd")
        # First of all: whoever stops this process makes no door last longer.
        wanted = planned(doors, self._monotonic(), self._wall(), self.settings)
        self._watch.listen()
        replaced = [old for held in wanted for old in self._held.replaced_by(held.door)]
        changed: list[FamilyRules] = []
        try:
            for family in self._families:
                if any(held.version == family.version for held in wanted):
                    self._change(family, replaced, wanted)
                    changed.append(family)
        except FirewallError:
            for family in changed:
                added = rules_in(wanted, family.version)
                family.undo(added, self._all(family), self._epoch())
            raise
        for held in wanted:
            self._held.put(held)
        self._taken = {held.door for held in replaced}

    def close(self, doors: Sequence[Door]) -> None:
        """Close ``doors`` at once for new connections. Raises FirewallError."""
        self._watch.listen()
        gone = self._taken
        strangers = {door for door in doors if self._held.get(door) is None and door not in gone}
        if strangers:
            for family in self._families:
                if family.stands:
                    doom_strangers(family, self._held, strangers)
        self._shut([held for held in map(self._held.get, dict.fromkeys(doors)) if held])

    def read(self) -> list[TimedDoor]:
        """The doors open now, with the seconds they will be. Raises FirewallError."""
        # Whoever is told may ask for a door that others made meanwhile.
        self._taken.clear()
        doors: list[TimedDoor] = []
        for family in self._families:
            if family.stands:
                rules = family.read().ours(self.settings)
                now, epoch = self._monotonic(), self._wall()
                doors += open_doors(rules, family, self._held, now, epoch)
        return doors

    def next_due(self) -> float | None:
        """Monotonic second at which `expire` has something to do, None when never."""
        if any(family.has_leftovers for family in self._families):
            return self._monotonic()
        offset = self._monotonic() - self._wall()
        ends = [f.next_end + offset for f in self._families if f.next_end is not None]
        return min((due for due in (self._held.next_due(), *ends) if due is not None), default=None)

    def expire(self) -> None:
        """Close the doors whose time is over, and what a failure left. Raises FirewallError.

        Called too early, it does nothing and costs nothing.
        """
        due = self.next_due()
        horizon = self._monotonic() + TOGETHER_SECONDS
        if due is not None and due <= horizon:
            self._watch.listen()
            over = self._held.due(horizon)
            self._shut(over)
            self._taken = {held.door for held in over}

    def stop(self) -> None:
        """Take chains, jumps and rules away, unless FLUSH_IPT_AT_EXIT is N. Never raises."""
        run_anew()
        for family in self._families:
            if family.stands and not self.keeps_doors:
                # If it fails, the rules name their end, and the next start sees to them.
                with suppress(FirewallError):
                    family.flush()
        self._held.clear()
        self._watch.close()
        self._started = False

    def place(self, door: Door) -> str:
        """The chain that decides who gets in, or to where."""
        role = Role.DNAT if door.redirects else Role.FORWARD if door.forwarded else Role.INPUT
        return self.settings.chain(role).chain

    # What others do

    def fileno(self) -> int | None:
        """Readable when somebody changes rules, None before ``start`` or if that can't be told."""
        return self._watch.fileno()

    def look_at(self) -> float | None:
        """Monotonic second at which ``rules_lost`` is to be asked, None when never."""
        return self._watch.look_at(doors=len(self._held) > 0)

    def rules_lost(self) -> bool:
        """Whether chains or jumps of ours are gone, when it is time to look. Never raises.

        A look runs iptables-save. What else isn't right is put right by the way.
        """
        self._watch.listen()
        due = self.look_at()
        if due is None or due > self._monotonic():
            return False
        try:
            lost = any([self._is_lost(family) for family in self._families if family.stands])
        except FirewallError:
            self._watch.put_off()
            return False
        self._watch.looked(lost=lost)
        return lost

    def _is_lost(self, family: FamilyRules) -> bool:
        saved = family.read()
        if self._watch.remade or not self._is_whole(family, saved):
            return True
        family.mend(saved, self._wanted(family), self._epoch())
        return False

    def _is_whole(self, family: FamilyRules, saved: Saved) -> bool:
        """Whether the chains that stand, and those of open doors, are there and asked."""
        roles = {rule.role for held in self._held.of(family.version) for rule in held.rules}
        roles.update(family.settings.standing())
        return all(saved.holds(self.settings.chain(role)) for role in roles)

    def diagnose(self) -> Diagnosis:
        """Whether our chains are asked. Runs iptables-save, and nft; raises FirewallError."""
        found = diagnosed(self._families[0].read(), self.settings, self._fault6)
        if not found.ready:
            self._watch.suspect()
            return found
        return replace(found, warnings=(*found.warnings, *overruling()))

    # Start

    def _start(self, family: FamilyRules) -> None:
        if family.version == 6 and not family.programs.is_installed:
            raise FirewallError(f"{family.programs.stem}-restore is not installed")
        if not self._started:
            if self.settings.flush_at_init:
                family.flush()
            self._adopt(family)
        needed = self._is_used(family)
        if family.version == 4 or needed:
            family.build(self._wanted(family), self._epoch())
            if self.settings.comment_check:
                family.try_comment()

    def _is_used(self, family: FamilyRules) -> bool:
        chain = self.settings.input
        return family.stands or (chain.table, chain.chain) in family.read().chains

    def _adopt(self, family: FamilyRules) -> None:
        saved, chain = family.read(), self.settings.input
        if (chain.table, chain.chain) in saved.chains:
            self._watch.follow()
        adopt(saved, family, self._held, self._monotonic(), self._wall())

    # Changes

    def _change(self, family: FamilyRules, removed: list[Held], added: list[Held]) -> None:
        family.change(
            rules_in(removed, family.version),
            rules_in(added, family.version),
            self._wanted(family, {held.door for held in removed}, added),
            self._all(family),
            self._epoch(),
            sure=self._watch.is_sure,
        )

    def _shut(self, doors: list[Held]) -> None:
        """Close each family's doors by itself: one that fails must not keep the other's open."""
        error = None
        for family in self._families:
            theirs = [held for held in doors if held.version == family.version]
            if theirs or family.has_leftovers or family.is_overdue(self._wall()):
                try:
                    self._change(family, theirs, [])
                except FirewallError as refused:
                    error = error or refused
                else:
                    for held in theirs:
                        self._held.drop(held.door)
        if error is not None:
            raise error

    def _wanted(
        self, family: FamilyRules, without: Collection[Door] = (), also: Iterable[Held] = ()
    ) -> Wanted:
        """What should be in the kernel, less the doors that somebody closed by hand."""
        ours: Collection[Door] = ()

        def wanted(saved: Saved) -> Rules:
            nonlocal ours
            if self._started and not self._watch.remade and self._is_whole(family, saved):
                forget_closed(saved, family, self._held, ours)
            # At the next look it is us who took the rules of these away.
            ours = without
            kept = [held for held in self._held if held.door not in without]
            return Counter(rules_in([*kept, *also], family.version))

        return wanted

    def _all(self, family: FamilyRules) -> Wanted:
        """The rules of every door that is held."""
        return lambda _: Counter(rules_in(self._held, family.version))

    def _epoch(self) -> int:
        return int(self._wall())
