"""A table of connections for tests of those who count and cut them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from fwknopd.connections import Counted, Cut
from fwknopd.grants import Door


@dataclass
class Table:
    """Connections by door, as the kernel would have them."""

    by_door: dict[Door, int] = field(default_factory=dict)
    spared: int = 0
    fault: str = ""
    counts: list[set[Door]] = field(default_factory=list)
    cuts: list[tuple[set[Door], set[Door]]] = field(default_factory=list)
    let_in: list[Door] = field(default_factory=list)
    doors_then: list[str] = field(default_factory=list)
    look: Callable[[], list[str]] = list
    """What is open, told whenever something is cut."""

    def count(self, doors: Collection[Door]) -> Counted:
        self.counts.append(set(doors))
        return Counted({d: self.by_door.get(d, 0) for d in doors}, self.fault)

    def cut(self, closed: Collection[Door], still_open: Collection[Door]) -> Cut:
        self.cuts.append((set(closed), set(still_open)))
        self.doors_then = self.look()
        if self.fault:
            return Cut(problem=self.fault)
        gone = {d: self.by_door.pop(d) for d in closed if d in self.by_door}
        return Cut(gone, self.spared)

    def opened(self, doors: Collection[Door]) -> None:
        self.let_in += doors

    def problem(self) -> str:
        return self.fault
