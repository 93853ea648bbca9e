"""The iptables backend: the C daemon's chains and rules, changed by iptables-restore.

One process for each knock and family, whatever it opens. iptables closes nothing by
itself: `next_due` and `expire` are how the engine has it done in time. A rule whose
daemon died is closed, or taken over, when the next one starts.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from fwknopd.firewall import Diagnosis, FirewallError, TimedDoor
from fwknopd.firewall.iptables_family import FamilyRules
from fwknopd.firewall.iptables_held import Held, HeldDoors, rules_in, take_all
from fwknopd.firewall.iptables_process import FW4, Programs
from fwknopd.firewall.iptables_reading import doors_of
from fwknopd.firewall.iptables_rules import DoorRule, IptablesSettings, Role, Rules, rules_of
from fwknopd.firewall.iptables_saved import Saved
from fwknopd.grants import Door

# Doors that end within this time of each other cost one process, not one each.
TOGETHER_SECONDS = 0.05
LONGEST_SECONDS = 1 << 30


class IptablesFirewall:
    """Doors as rules in FWKNOP_INPUT and its like, which the kernel's own chains jump to.

    The rules hold for packets on every device, as the C daemon's do.
    """

    name = "iptables"

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
        self._monotonic = monotonic
        self._wall = wall
        self._held = HeldDoors()
        self._started = False
        self._fault6 = ""
        # Not every kernel can translate IPv6: those chains wait for a door that needs them.
        without_nat = replace(self.settings, enable_nat=False)
        self._families = (
            FamilyRules(4, Programs(f"iptables{variant}"), self.settings),
            FamilyRules(6, Programs(f"ip6tables{variant}"), without_nat),
        )

    def start(self, devices: Sequence[str]) -> None:
        """Make chains and jumps, take over doors with time left, close what is over.

        The chains of IPv6 wait for the first door of that family. Raises FirewallError.
        """
        ipv4, ipv6 = self._families
        self._start(ipv4)
        self._fault6 = ""
        try:
            # A router without IPv6 needs none of it.
            self._start(ipv6)
        except FirewallError as error:
            self._fault6 = str(error)
        self._started = True

    def open(self, doors: Sequence[TimedDoor]) -> None:
        """Open all ``doors`` or none; an open one gets the new time. Raises FirewallError.

        The rule of an open door is replaced in one transaction, so that it isn't shut for
        a moment.
        """
        if not self._started:
            raise FirewallError("the firewall was not started: this is a mistake in fwknopd")
        wanted = self._planned(doors)
        replaced = [old for held in wanted for old in self._held.replaced_by(held.door)]
        touched: list[FamilyRules] = []
        try:
            for family in self._families:
                if any(held.version == family.version for held in wanted):
                    touched.append(family)
                    self._change(family, replaced, wanted)
        except FirewallError:
            for family in touched:
                added = rules_in(wanted, family.version)
                family.undo(added, self._wanted(family), self._epoch())
            raise
        for held in wanted:
            self._held.put(held)

    def close(self, doors: Sequence[Door]) -> None:
        """Close ``doors`` at once for new connections. Raises FirewallError."""
        self._shut([held for held in map(self._held.get, dict.fromkeys(doors)) if held])

    def read(self) -> list[TimedDoor]:
        """The doors open now, with the seconds they will be. Raises FirewallError."""
        doors: list[TimedDoor] = []
        for family in self._families:
            if family.stands:
                doors += self._found(self._ours(family.read()), family.version)
        return doors

    def _found(self, rules: Rules, version: int) -> Iterator[TimedDoor]:
        """Our doors whose rules are all there, and what the other rules make."""
        now, epoch = self._monotonic(), self._wall()
        for held in self._held:
            if held.version == version and take_all(rules, held.rules):
                yield TimedDoor(held.door, max(held.due - now, 0.0))
        for found in doors_of(rules.elements()):
            yield TimedDoor(found.door, max(found.expiry - epoch, 0.0))

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
            self._shut(self._held.due(horizon))

    def stop(self) -> None:
        """Take chains, jumps and rules away, unless FLUSH_IPT_AT_EXIT is N. Never raises."""
        for family in self._families:
            if family.stands and self.settings.flush_at_exit:
                # If it fails, the rules name their end, and the next start sees to them.
                with suppress(FirewallError):
                    family.flush()
        self._held.clear()
        self._started = False

    def place(self, door: Door) -> str:
        """The chain that decides who gets in, or to where."""
        role = Role.DNAT if door.redirects else Role.FORWARD if door.forwarded else Role.INPUT
        return self.settings.chain(role).chain

    def fileno(self) -> int | None:
        """None: iptables announces nothing. Lost rules are put back at the next knock."""
        return None

    def rules_lost(self) -> bool:
        """False: `open` itself finds out, and mends it."""
        return False

    def diagnose(self) -> Diagnosis:
        """Whether our chains are asked. Runs iptables-save; raises FirewallError."""
        if FW4.exists():
            return Diagnosis(
                False,
                "this router's firewall is fw4, which drops what iptables accepts: "
                "set firewall to nftables",
            )
        saved = self._families[0].read()
        chains = [self.settings.chain(role) for role in self.settings.standing()]
        lost = [chain for chain in chains if saved.position(chain) is None]
        if lost:
            names = " and ".join(f"{chain.parent} to {chain.chain}" for chain in lost)
            return Diagnosis(
                False, f"the jump from {names} was deleted; the next knock, or a restart, mends it"
            )
        places = [f"{c.chain} is rule {saved.position(c)} of {c.parent}" for c in chains]
        return Diagnosis(True, "; ".join((*places, *self._note6())))

    def _note6(self) -> tuple[str, ...]:
        return (f"no doors over IPv6: {self._fault6}",) if self._fault6 else ()

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
        """Hold the doors that an earlier daemon left, each until the latest of its ends."""
        now = self._wall()
        offset = self._monotonic() - now
        left = doors_of(self._ours(family.read()).elements())
        for found in sorted(left, key=lambda item: item.expiry):
            if found.expiry > now:
                for old in self._held.replaced_by(found.door):
                    family.doom(old.rules)
                rules = rules_of(found.door, found.expiry, self.settings)
                # Rules that the C daemon made in another shape give way to ours.
                family.doom((Counter(found.rules) - Counter(rules)).elements())
                self._held.put(Held(found.door, rules, found.expiry + offset))

    def _ours(self, saved: Saved) -> Rules:
        chains = ((role, self.settings.chain(role)) for role in Role)
        return Counter(rule for role, chain in chains for rule in saved.rules(role, chain))

    def _planned(self, doors: Iterable[TimedDoor]) -> list[Held]:
        """What opening ``doors`` adds. Raises FirewallError if two contradict."""
        planned = HeldDoors()
        now = self._monotonic()
        for timed in doors:
            door = timed.door
            seconds = _checked(timed.seconds)
            for other in planned.replaced_by(door):
                if other.door != door:
                    raise FirewallError(
                        f"{door.what} of {door.who} can't lead to two targets at once: "
                        "ask for one of them"
                    )
                seconds = max(seconds, other.due - now)
            rules = rules_of(door, int(self._wall() + seconds), self.settings)
            planned.put(Held(door, rules, now + seconds))
        return list(planned)

    def _change(self, family: FamilyRules, removed: list[Held], added: list[Held]) -> None:
        family.change(
            rules_in(removed, family.version),
            rules_in(added, family.version),
            self._wanted(family, {held.door for held in removed}, added),
            self._epoch(),
        )

    def _shut(self, doors: list[Held]) -> None:
        """Close each family's doors by itself: one that fails must not keep the other's open."""
        error = None
        for family in self._families:
            theirs = [held for held in doors if held.version == family.version]
            if theirs or self._is_overdue(family):
                try:
                    self._change(family, theirs, [])
                except FirewallError as refused:
                    error = error or refused
                else:
                    for held in theirs:
                        self._held.drop(held.door)
        if error is not None:
            raise error

    def _is_overdue(self, family: FamilyRules) -> bool:
        end = family.next_end
        return family.has_leftovers or (end is not None and end <= self._wall())

    def _wanted(
        self, family: FamilyRules, without: Collection[Door] = (), also: Iterable[Held] = ()
    ) -> Callable[[], Counter[DoorRule]]:
        """What should be in the kernel, worked out only when asked."""

        def wanted() -> Counter[DoorRule]:
            kept = [held for held in self._held if held.door not in without]
            return Counter(rules_in([*kept, *also], family.version))

        return wanted

    def _epoch(self) -> int:
        return int(self._wall())


def _checked(seconds: float) -> float:
    if not math.isfinite(seconds) or seconds <= 0:
        raise FirewallError(f"a door can't be opened for {seconds} seconds: ask for more than 0")
    return min(seconds, LONGEST_SECONDS)
