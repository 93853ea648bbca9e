"""Running the programs that make firewall rules.

Without the subprocess module, whose import the daemon would pay for all its life
in memory. A script and the answers pass through memory files, so neither side can
block on a full pipe, and nothing of a script shows in a process list.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import FileIO

from fwknopd.firewall import FirewallError

# A service may have been started with a PATH that leaves these out.
SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
TIME_LIMIT = 10.0
# A memory file can be read to its end, but a listing of fw4's has no business here.
OUTPUT_LIMIT = 1 << 20

watchers: list[Callable[[str], None]] = []
"""Who wants each run as lines of text: `fwknopd -v` shows them to whoever watches."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a run ended: the exit status and the texts the program printed."""

    status: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """The first thing the program had to say, short enough for one line of a log."""
        lines = self.errors.strip().splitlines()
        return lines[0][:300] if lines else f"it exited with status {self.status}"


def find_program(name: str) -> str | None:
    """Absolute path of a program, None if there is none."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    for folder in (*folders, *SYSTEM_FOLDERS):
        # Relative folders in PATH are skipped: root must not run what lies around.
        path = f"{folder}/{name}"
        if folder.startswith("/") and os.access(path, os.X_OK):
            return path
    return None


def run_program(
    program: str,
    arguments: Sequence[str],
    script: str = "",
    *,
    time_limit: float = TIME_LIMIT,
    output_limit: int = OUTPUT_LIMIT,
) -> Answer:
    """Run ``program`` (a path) with ``script`` as its standard input, for seconds at most.

    Of what it prints, ``output_limit`` bytes are read. Raises FirewallError if it can't
    be started or takes too long.
    """
    with _memory(script) as source, _memory() as output, _memory() as errors:
        files = (source.fileno(), output.fileno(), errors.fileno())
        status = _wait(program, _spawn(program, arguments, files), time_limit)
        answer = Answer(status, _text(output, output_limit), _text(errors, OUTPUT_LIMIT))
    for say in watchers:
        _tell(say, [program, *arguments], script, answer)
    return answer


def _tell(say: Callable[[str], None], command: Sequence[str], script: str, answer: Answer) -> None:
    say(f"CMD: '{' '.join(command)}' (res: {answer.status}, err: {answer.errors.strip()})")
    for line in script.splitlines():
        say(f"  {line}")


def _memory(content: str = "") -> closing[FileIO]:
    file = FileIO(os.memfd_create("firewall"), "r+")
    file.write(content.encode())
    file.seek(0)
    return closing(file)


def _text(file: FileIO, limit: int) -> str:
    return os.pread(file.fileno(), limit, 0).decode("utf-8", "replace")


def _spawn(program: str, arguments: Sequence[str], files: Sequence[int]) -> int:
    # Messages in English, because some of them are told apart by their text.
    environment = {"PATH": os.pathsep.join(SYSTEM_FOLDERS), "LC_ALL": "C"}
    try:
        return os.posix_spawn(
            program,
            [program, *arguments],
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, file, number) for number, file in enumerate(files)],
            # The child must not inherit what the daemon blocks or ignores.
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM),
        )
    except OSError as error:
        raise FirewallError(f"can't run {program}: {error.strerror}") from error


def _wait(program: str, pid: int, time_limit: float) -> int:
    process = os.pidfd_open(pid)
    try:
        ended = select.select([process], [], [], time_limit)[0]
        if not ended:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(process)
    if not ended:
        raise FirewallError(
            f"{program.rpartition('/')[2]} did not finish within {time_limit:g} seconds and was "
            "stopped. Is the router overloaded, or another program changing rules in a loop?"
        )
    return os.waitstatus_to_exitcode(status)
