"""The doors that rules in the kernel make: ours, an earlier daemon's, or those of somebody
who made them in our chains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from fwknopd.firewall import TimedDoor
from fwknopd.firewall.iptables_family import FamilyRules
from fwknopd.firewall.iptables_held import Held, HeldDoors
from fwknopd.firewall.iptables_reading import doors_of
from fwknopd.firewall.iptables_rules import Rules, rules_of
from fwknopd.firewall.iptables_saved import Saved
from fwknopd.grants import Door


def adopt(saved: Saved, family: FamilyRules, held: HeldDoors, now: float, epoch: float) -> None:
    """Hold the doors that an earlier daemon left, each until the latest of its ends."""
    settings = family.settings
    left = doors_of(saved.ours(settings).elements())
    for found in sorted(left, key=lambda item: item.expiry):
        if found.expiry > epoch:
            for old in held.replaced_by(found.door):
                family.doom(old.rules)
            rules = rules_of(found.door, found.expiry, settings)
            # Rules that the C daemon made in another shape give way to ours.
            family.doom((Counter(found.rules) - Counter(rules)).elements())
            held.put(Held(found.door, rules, found.expiry - epoch + now))


def open_doors(
    rules: Rules, family: FamilyRules, held: HeldDoors, now: float, epoch: float
) -> Iterator[TimedDoor]:
    """Our doors whose rules are all among ``rules``, and what the other rules make."""
    there, _ = held.parted(rules, family.version)
    for each in there:
        yield TimedDoor(each.door, max(each.due - now, 0.0))
    for found in doors_of(rules.elements()):
        if held.get(found.door) is None:
            family.expect_end(found.expiry)
        yield TimedDoor(found.door, max(found.expiry - epoch, 0.0))


def doom_strangers(family: FamilyRules, held: HeldDoors, doors: Collection[Door]) -> None:
    """Have the rules of doors that others made in our chains taken away."""
    rules = family.read().ours(family.settings)
    held.parted(rules, family.version)
    for found in doors_of(rules.elements()):
        if found.door in doors:
            family.doom(found.rules)


def forget_closed(
    saved: Saved, family: FamilyRules, held: HeldDoors, spared: Collection[Door]
) -> None:
    """Hold no more the doors whose rules somebody took away, but for those ``spared``."""
    _, closed = held.parted(saved.ours(family.settings), family.version, spared)
    for each in closed:
        held.drop(each.door)
        family.doom(each.rules)
