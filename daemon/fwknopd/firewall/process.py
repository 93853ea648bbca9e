"""Running the programs that make firewall rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from fwknopd.firewall import FirewallBarred, FirewallError, FirewallStuck
from fwknopd.spawning import Child, ChildLost, find_program, memory_file, text_of

__all__ = ["FW4", "TIME_LIMIT", "Answer", "find_program", "run_anew", "run_program", "watchers"]

FW4 = Path("/sbin/fw4")
"""Where a router whose firewall is fw4 has it; platform notes 5."""

TIME_LIMIT = 10.0
# A memory file can be read to its end, but a listing of fw4's has no business here.
OUTPUT_LIMIT = 1 << 20

watchers: list[Callable[[str], None]] = []
"""Who wants each run as lines of text: `fwknopd -v` shows them to whoever watches."""


@dataclass(slots=True)
class Bar:
    """Until when no program is run, for one did not finish (monotonic seconds); what was said.

    ``owed`` are seconds that others have waited for something beside it.
    """

    until: float = 0.0
    why: str = ""
    owed: float = 0.0


_bar = Bar()
"""One for all: iptables is four programs, which wait for the same lock and the same kernel."""

_looks = Bar()
"""For looks at others' rules: because of one that can't be had, no door is to stay shut."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a run ended: the exit status, the texts the program printed, its process number."""

    status: int
    output: str
    errors: str
    pid: int = 0

    @property
    def complaint(self) -> str:
        """The first thing the program had to say, short enough for one line of a log."""
        lines = self.errors.strip().splitlines()
        return lines[0][:300] if lines else f"it exited with status {self.status}"


def run_program(
    program: str,
    arguments: Sequence[str],
    script: str = "",
    *,
    time_limit: float = TIME_LIMIT,
    output_limit: int = OUTPUT_LIMIT,
    only_looks: bool = False,
) -> Answer:
    """Run ``program`` (a path) with ``script`` as its standard input, for seconds at most.

    Of what it prints, ``output_limit`` bytes are read. Raises FirewallError if it can't
    be started or takes too long. After one that took too long none is run for as long as it
    took: everybody waits for it, and half of the time is to be theirs. Where it ``only_looks``
    at others' rules, it keeps the next look away alone.
    """
    for bar in (_bar, _looks) if only_looks else (_bar,):
        if monotonic() < bar.until:
            raise FirewallBarred(bar.why)
    began = monotonic()
    try:
        answer = _answer(program, arguments, script, time_limit, output_limit)
    except FirewallStuck as error:
        _rest(monotonic() - began, str(error), only_looks=only_looks)
        raise
    except ChildLost as error:
        raise FirewallStuck(f"can't tell what became of {program}: {error.strerror}") from error
    except OSError as error:
        # Out of descriptors or memory, perhaps: that passes, and must not end the daemon.
        raise FirewallError(f"can't run {program}: {error.strerror}") from error
    for say in watchers:
        _tell(say, [program, *arguments], script, answer)
    return answer


def _rest(took: float, why: str, *, only_looks: bool) -> None:
    now = monotonic()
    if only_looks:
        _looks.until, _looks.why = now + took, why
        _bar.owed = took
    else:
        _bar.until, _bar.why = now + took + _bar.owed, why
        _bar.owed = 0.0


def _tell(say: Callable[[str], None], command: Sequence[str], script: str, answer: Answer) -> None:
    say(f"CMD: '{' '.join(command)}' (res: {answer.status}, err: {answer.errors.strip()})")
    for line in script.splitlines():
        say(f"  {line}")


def _answer(
    program: str, arguments: Sequence[str], script: str, time_limit: float, output_limit: int
) -> Answer:
    with memory_file(script) as source, memory_file() as output, memory_file() as errors:
        child = Child(program, arguments, (source.fileno(), output.fileno(), errors.fileno()))
        try:
            status = _status(program, child, time_limit)
            texts = (text_of(output, output_limit), text_of(errors, OUTPUT_LIMIT))
        except OSError as error:
            raise ChildLost(error.errno, error.strerror) from error
    return Answer(status, *texts, child.pid)


def _status(program: str, child: Child, time_limit: float) -> int:
    ended = False
    try:
        ended = child.has_ended(time_limit)
    finally:
        if not ended:
            child.kill()
        status = child.reap()
    if not ended:
        raise FirewallStuck(
            f"{program.rpartition('/')[2]} did not finish within {time_limit:g} seconds and was "
            f"stopped; for as long it is not tried again. Is the router overloaded, or another "
            "program changing rules in a loop?"
        )
    return status


def run_anew() -> None:
    """Run programs again, for there will be no later time for it."""
    _bar.until = _looks.until = _bar.owed = 0.0
