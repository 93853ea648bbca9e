"""A run of the benchmark: who takes part, how thorough it is, and what has been measured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.bench.contestants import Contestant
from tests.bench.errors import BenchError, OutOfTime
from tests.bench.figures import Figure, Results
from tests.bench.trial import Setup, Trial, prepared, running


class Effort(StrEnum):
    """How much is measured: to see that it works at all, to see where one is, to publish."""

    QUICK = "quick"
    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Bench:
    """``say`` tells people what is going on; what has not ``only`` in its title is left out.

    ``folder`` is where the daemons have their files, and ``faults`` what went wrong.
    """

    contestants: tuple[Contestant, ...]
    folder: Path
    c_daemon: Path | None = None
    effort: Effort = Effort.SHORT
    say: Callable[[str], None] = lambda text: None
    only: str = ""
    results: Results = field(default_factory=Results)
    faults: list[str] = field(default_factory=list)

    def take_turns(
        self, title: str, measure: Callable[[Contestant], None], *, short: int = 1, long: int = 3
    ) -> None:
        """Have every contestant measured, round by round, every other round backwards.

        One that fails is left out from then on, and the others go on.
        """
        if self.only not in title:
            return
        failed: set[str] = set()
        for number in range(self.pick(short, long)):
            for contestant in self.contestants[:: -1 if number % 2 else 1]:
                if contestant.name not in failed:
                    self.say(f"{title}: {contestant.label}")
                    if not self._try(title, contestant, measure):
                        failed.add(contestant.name)

    def _try(
        self, title: str, contestant: Contestant, measure: Callable[[Contestant], None]
    ) -> bool:
        try:
            measure(contestant)
        except OutOfTime:
            raise
        except BenchError as error:
            self.faults.append(f"{title}: {error}")
            self.say(str(error))
            return False
        return True

    def pick(self, short: int, long: int) -> int:
        """One of two amounts; a tenth of the smaller one for a quick run."""
        if self.effort is Effort.QUICK:
            return max(1, short // 10)
        return long if self.effort is Effort.LONG else short

    def running(self, contestant: Contestant, setup: Setup | None = None) -> _Trials:
        """A contestant at rest, on a router of its own."""
        return running(contestant, setup or Setup(), self.folder, self.c_daemon)

    def prepared(self, contestant: Contestant, setup: Setup | None = None) -> _Trials:
        """A contestant not started yet."""
        return prepared(contestant, setup or Setup(), self.folder, self.c_daemon)

    def note(
        self, contestant: Contestant, figure: tuple[str, str, str, str], *samples: float
    ) -> None:
        """Samples of (scenario, case, metric, unit)."""
        if samples:
            self.results.add(Figure(*figure), contestant.name, samples)


_Trials = AbstractContextManager[Trial]
