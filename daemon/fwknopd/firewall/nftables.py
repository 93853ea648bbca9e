"""The nftables backend: rules by the nft program, doors by raw netlink.

A door costs one small transaction, not a process, and the kernel shuts it in time
even if the daemon is dead by then. Only the first door of its kind runs nft, which adds
the rules that this kind needs.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from math import ceil, isfinite

from fwknopd.firewall import Diagnosis, FirewallError, TimedDoor
from fwknopd.firewall.netlink import Request
from fwknopd.firewall.nfnetlink import (
    Element,
    LoadedElement,
    LoadedSet,
    add_element,
    delete_element,
    get_element,
)
from fwknopd.firewall.nft_commands import add_command
from fwknopd.firewall.nft_diagnosis import diagnosed
from fwknopd.firewall.nft_earlier import earlier_doors, earlier_sets
from fwknopd.firewall.nft_elements import (
    SHORTEST_MS,
    doors_of,
    elements_of,
    elements_to_add,
    lookups_of,
    opposites_of,
    own_elements,
)
from fwknopd.firewall.nft_lookups import BASIC, Chain, Lookup, lookup_named
from fwknopd.firewall.nft_opening import DELETE, Opening, Step
from fwknopd.firewall.nft_ruleset import (
    DEFAULT_MARK,
    DEFAULT_TABLE,
    check_mark,
    replace_script,
    rules_of,
    setup_script,
)
from fwknopd.firewall.nft_table import OwnTable
from fwknopd.grants import Door

# Each turn ends with more known than before, unless doors expire at that very moment.
ATTEMPTS = 6
# Elements looked up one by one; for more than that the whole set is read.
FEW = 32
# ms that may pass between a change and the look at what came of it.
SLACK = 2000
# So much later than asked a door may shut without being set again.
LATE_SECONDS = 0.5
# Elements of those doors, set again at a time: a slow router sets so many well within that time.
AT_ONCE = 64


class NftablesFirewall:
    """Doors in our own table ``inet fwknopd``; fw4 accepts the packets it marks."""

    name = "nftables"
    keeps_doors = False
    closes_late = 0.05  # The kernel counts in ticks, of 10 ms on many, and from when it is told.

    def __init__(
        self,
        mark: int = DEFAULT_MARK,
        table: str = DEFAULT_TABLE,
        *,
        forwards: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.mark, self.forwards = check_mark(mark), forwards
        self.table = f"inet {table}"
        self._table = OwnTable(table)
        self._devices: tuple[str, ...] = ()
        self._diagnosed = False
        self._use(BASIC)
        self._monotonic = monotonic

    def start(self, devices: Sequence[str]) -> None:
        """Make the rules, or renew them for other devices; open doors stay open.

        The table of another version, or one that can't be renewed, is replaced in one
        transaction, with its doors. Raises FirewallError.
        """
        self._table.connect()
        sets = self._table.sets()
        there = {each.name: lookup for each in sets if (lookup := _fitting(each)) is not None}
        lookups = self._lookups.union(there.values())
        if len(there) < len(sets) or self._load(devices, lookups):
            lookups = self._replace(devices, lookups, sets)
        self._devices = tuple(devices)
        self._use(lookups)

    def open(self, doors: Sequence[TimedDoor]) -> None:
        """Open all ``doors`` or none; an open one gets the new time. Raises FirewallError.

        The time of an open door changes in one transaction, so that it isn't shut
        for a moment.
        """
        began = self._monotonic()
        wanted = elements_to_add(doors)
        if not self._sets.issuperset([element.set_name for element in wanted]):
            self._provide(lookup for timed in doors for lookup in lookups_of(timed.door))
        self._set(wanted, (o for timed in doors for o in opposites_of(timed.door, self._lookups)))
        # The kernel counts from when it is told, which nft, thousands of doors, or whoever
        # stopped this process, may have delayed: no door may last longer for that.
        if self._monotonic() - began > LATE_SECONDS:
            items = list(wanted.items())
            for first in range(0, len(items), AT_ONCE):
                self._shorten(dict(items[first : first + AT_ONCE]), began)

    def _shorten(self, wanted: dict[Element, int], began: float) -> None:
        """Have elements gone at the ms counted from ``began``, not from now."""
        for _ in range(ATTEMPTS):
            asked = self._monotonic()
            late = ceil((asked - began) * 1000)
            left = {element: ms - late for element, ms in wanted.items()}
            self._set({e: ms if ms >= SHORTEST_MS else DELETE for e, ms in left.items()})
            if self._monotonic() - asked <= LATE_SECONDS:
                return

    def _set(self, wanted: dict[Element, int], unwanted: Iterable[Element] = ()) -> None:
        """Have all elements so, or none. Raises FirewallError."""
        opening = Opening(wanted, unwanted)
        for _ in range(ATTEMPTS):
            steps = opening.steps()
            errors = self._change(steps, wanted)
            if not any(errors):
                return
            try:
                opening.learn(steps, errors)
            except OSError as error:
                raise self._table.refused(error) from None
        raise FirewallError(
            f"doors in table inet {self._table.name} change faster than we can set them"
        )

    def close(self, doors: Sequence[Door]) -> None:
        """Close ``doors`` at once for new connections. Raises FirewallError."""
        elements = {element for each in self._in_place(doors) for element in each}
        while elements:
            # One that isn't there fails the transaction; then without it.
            steps = [(element, DELETE) for element in elements]
            errors = self._change(steps, dict.fromkeys(elements, DELETE))
            absent = {e for e, code in zip(elements, errors, strict=True) if code == errno.ENOENT}
            for code in errors:
                if code not in (0, errno.ENOENT):
                    raise self._table.refused(OSError(code, ""))
            elements = elements - absent if absent else set()

    def read(self) -> list[TimedDoor]:
        """The doors open now, with the seconds they will be. Raises FirewallError."""
        return doors_of({lookup: self._table.dump(lookup.name) for lookup in self._lookups})

    def next_due(self) -> float | None:
        """None: the kernel closes doors itself."""
        return None

    def expire(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Delete the table, and with it every door. Never raises."""
        self._table.delete()

    def place(self, door: Door) -> str:
        """All doors are in one place, named like the backend."""
        return self.name

    def fileno(self) -> int | None:
        """Descriptor to watch for notices, None before ``start``."""
        return self._table.fileno()

    def rules_lost(self) -> bool:
        """Whether rules of ours were deleted since ``start``. Never blocks, never raises.

        True once per loss; the answer to it is ``start`` and then ``open``.
        """
        return self._table.lost()

    def look_at(self) -> float | None:
        """None: the kernel announces what is lost."""
        return None

    def diagnose(self) -> Diagnosis:
        """Whether all chains that refuse packets accept what our table marks.

        Runs nft once; raises FirewallError.
        """
        forwards = self.forwards or any(look.kind.chain is Chain.FORWARD for look in self._lookups)
        # A second time, and somebody wants to know it again and again.
        apart, self._diagnosed = not self._diagnosed, True
        return diagnosed(self.mark, self._devices, forwards, self.table, apart=apart)

    # Rules

    def _load(self, devices: Sequence[str], lookups: Collection[Lookup]) -> str:
        script = setup_script(self._table.name, devices, self.mark, lookups)
        return self._table.load(script, len(rules_of(devices, self.mark, lookups)))

    def _replace(
        self, devices: Sequence[str], lookups: frozenset[Lookup], sets: Sequence[LoadedSet]
    ) -> frozenset[Lookup]:
        doors = self._rescued(sets)
        lookups = lookups.union(lookup for timed in doors for lookup in lookups_of(timed.door))
        name = self._table.name
        commands = [add_command(name, e, f"{ms}ms") for e, ms in elements_to_add(doors).items()]
        script = replace_script(name, devices, self.mark, lookups, commands)
        complaint = self._table.load(script, len(rules_of(devices, self.mark, lookups)))
        if complaint:
            raise FirewallError(
                f"nft could not make table inet {name}: {complaint}. "
                "Is the kernel's module for nftables installed (OpenWrt: kmod-nft-core)?"
            )
        return lookups

    def _rescued(self, sets: Sequence[LoadedSet]) -> list[TimedDoor]:
        """The doors of a table that is to be replaced."""
        fitting = {each.name: lookup for each in sets if (lookup := _fitting(each)) is not None}
        names = [each.name for each in sets if each.name in fitting or each.name in earlier_sets()]
        dumps = {name: self._table.dump(name) for name in names}
        doors = [
            *doors_of({lookup: dumps[name] for name, lookup in fitting.items()}),
            *earlier_doors(dumps),
        ]
        return [door for door in doors if isfinite(door.seconds) and door.seconds > 0]

    def _provide(self, needed: Iterable[Lookup]) -> None:
        """Add the rules that doors need and no door before needed."""
        lookups = self._lookups.union(needed)
        script = setup_script(self._table.name, self._devices, self.mark, lookups)
        rules = len(rules_of(self._devices, self.mark, lookups))
        if complaint := self._table.extend(script, rules):
            raise FirewallError(
                f"nft could not add what this kind of access needs: {complaint}. "
                "Are the kernel's modules for NAT installed (OpenWrt: kmod-nft-nat)?"
            )
        self._use(lookups)

    def _use(self, lookups: frozenset[Lookup]) -> None:
        """The table has these."""
        self._lookups = lookups
        self._sets = frozenset(lookup.name for lookup in lookups)

    # Elements

    def _change(self, steps: Sequence[Step], wanted: dict[Element, int]) -> list[int]:
        requests = [self._request(*step) for step in steps]
        return self._table.change(requests, lambda: self._holds(wanted))

    def _request(self, element: Element, milliseconds: int) -> Request:
        if milliseconds == DELETE:
            return delete_element(self._table.name, element)
        return add_element(self._table.name, element, milliseconds)

    def _holds(self, wanted: dict[Element, int]) -> bool:
        """Whether the kernel has what was asked of it; all of it, if the first element is so."""
        element, milliseconds = next(iter(wanted.items()))
        found = self._find(element)
        if found is None or milliseconds == DELETE:
            return found is None and milliseconds == DELETE
        return abs((found.remaining or 0) - milliseconds) <= SLACK

    def _in_place(self, doors: Iterable[Door]) -> list[tuple[Element, ...]]:
        """Elements of ``doors``, but of those whose port leads elsewhere only what is their own.

        Closing the rest would shut what took their place.
        """
        known = [door for door in doors if self._lookups.issuperset(lookups_of(door))]
        wanted = [elements_of(door) for door in known]
        held = self._data_of({each[0] for each in wanted if each[0].data})
        return [own_elements(each, held.get(each[0], each[0].data)) for each in wanted]

    def _data_of(self, elements: Collection[Element]) -> dict[Element, bytes]:
        """What the kernel has under the keys of these elements, without those it hasn't."""
        if len(elements) <= FEW:
            found = {element: self._find(element) for element in elements}
        else:
            names = {element.set_name for element in elements}
            dumped = {(name, item.key): item for name in names for item in self._table.dump(name)}
            found = {e: dumped.get((e.set_name, e.key)) for e in elements}
        return {element: item.data for element, item in found.items() if item is not None}

    def _find(self, element: Element) -> LoadedElement | None:
        return self._table.find(get_element(self._table.name, element))


def _fitting(found: LoadedSet) -> Lookup | None:
    """The look-up that a set of the kernel's is; None for one of another version."""
    lookup = lookup_named(found.name)
    if lookup is None:
        return None
    sizes = [sum(map(lookup.size, parts)) for parts in (lookup.kind.key, lookup.kind.data)]
    return lookup if sizes == [found.key_size, found.data_size] else None
