"""Running commands of knocks, each in a child of the daemon that becomes the command.

The child has nothing of the daemon's (see `workers`), nothing in its environment but a fixed
PATH, the folder / and no terminal. What it prints goes nowhere: nobody would read it, and it
could have no end. It gives up root, if it is to, for good and for the one group alone.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from fwknopd.accounts import group, user_and_group
from fwknopd.children import Outcome
from fwknopd.policy.command import Command, Ended
from fwknopd.spawning import SYSTEM_FOLDERS
from fwknopd.workers import Workers

ENVIRONMENT = {"PATH": os.pathsep.join(SYSTEM_FOLDERS)}

RUNNING_LIMIT = 4
WAITING_LIMIT = 1024
"""More than there ever are: what may wait is decided before (see `command_queue`)."""

_UMASK = 0o022
_SHELL = b"/bin/sh"


class NotRun(Exception):
    """The command can't be run; the text says why."""


class CommandProcesses:
    """Runs commands beside a loop; what closes something never waits for what was asked for.

    A command that runs when the daemon ends goes on: it may be what restarts the daemon.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._asked = workers.lane(RUNNING_LIMIT, WAITING_LIMIT, outlive=True)
        self._closing = workers.lane(RUNNING_LIMIT, WAITING_LIMIT, outlive=True)

    def start(self, command: Command, closing: bool, done: Callable[[Ended], None]) -> None:
        """Run it and tell ``done`` later, once."""
        run(self._closing if closing else self._asked, command, done)

    def wait(self, over: Callable[[], bool], seconds: float) -> None:
        """Let commands run and end until ``over``, for ``seconds`` at most."""
        self._workers.wait(over, seconds)


def run(workers: Workers, command: Command, done: Callable[[Ended], None]) -> None:
    """Run ``command`` beside the loop, and tell ``done`` how it ended, never before this ends."""
    workers.start(lambda: become(command), command.seconds, lambda outcome: done(_ended(outcome)))


def _ended(outcome: Outcome) -> Ended:
    # A command's own output goes nowhere, so what came back is the child's reason.
    fault = outcome.result.decode("utf-8", "replace")
    if outcome.late:
        return Ended(signal=-outcome.status, late=True, seconds=outcome.seconds)
    if fault or not outcome.began:
        return Ended(fault=fault or outcome.fault)
    if outcome.status < 0:
        return Ended(signal=-outcome.status, seconds=outcome.seconds)
    return Ended(outcome.status, seconds=outcome.seconds)


def become(command: Command) -> bytes:
    """Turn this process into the command. Comes back only if that fails, with the reason."""
    report = os.dup(1)
    try:
        os.dup2(0, 1)
        _leave_terminal()
        os.umask(_UMASK)
        os.chdir("/")
        _become_account(command)
        why = _execute(command)
    except Exception as error:
        # Whatever it is, the command did not run.
        why = str(error) or type(error).__name__
    os.dup2(report, 1)
    return why.encode("utf-8", "replace")


def _leave_terminal() -> None:
    """Have no terminal. With one, sudo would run the command where a time limit can't reach."""
    import fcntl
    import termios

    with suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.ioctl(terminal, termios.TIOCNOTTY)
        finally:
            os.close(terminal)


def _become_account(command: Command) -> None:
    """Be the user and group of ``command``, and nobody else any more. Raises NotRun."""
    user, group_id = os.getuid(), os.getgid()
    if command.user:
        user, group_id = user_and_group(command.user)
    if command.group:
        group_id = group(command.group)
    if os.geteuid() == 0:
        _switch(user, group_id, command.account)
    if not _is(user, group_id):
        raise NotRun(f"can't become {command.account}: fwknopd does not run as root")


def _switch(user: int, group_id: int, account: str) -> None:
    """Become another. Raises NotRun."""
    try:
        # A daemon without the right to change groups may still run commands as it is.
        if account or os.getgroups():
            os.setgroups(())
        os.setresgid(group_id, group_id, group_id)
        os.setresuid(user, user, user)
    except OSError as error:
        raise NotRun(f"can't become {account or 'root alone'}: {error.strerror}") from error


def _is(user: int, group_id: int) -> bool:
    """This process is that user, with that group, and can't go back."""
    if os.getresuid() != (user,) * 3 or os.getresgid() != (group_id,) * 3:
        return False
    if user == 0:
        return True
    try:
        os.setresuid(0, 0, 0)
    except PermissionError:
        return True
    return False


def _execute(command: Command) -> str:
    """Replace this process by the program. Comes back only if that fails, with the reason."""
    name = command.words[0]
    why = f"there is no program {_shown(name)} in {ENVIRONMENT['PATH']}"
    for path in _places(name):
        try:
            _replace(path, command.words)
        except (FileNotFoundError, NotADirectoryError):
            if b"/" in name:
                why = f"there is no program {_shown(name)}"
        except OSError as error:
            why = f"{_shown(path)} can't be run: {error.strerror}"
    return why


def _replace(path: bytes, words: tuple[bytes, ...]) -> None:
    try:
        os.execve(path, words, ENVIRONMENT)  # noqa: S606 - no shell, and words are words
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # A script without a first line that says by what: execvp(3) gives it to sh, and people
    # have such scripts.
    os.execve(_SHELL, (_SHELL, path, *words[1:]), ENVIRONMENT)  # noqa: S606


def _places(name: bytes) -> Iterator[bytes]:
    if b"/" in name:
        yield name
        return
    for folder in SYSTEM_FOLDERS:
        yield f"{folder}/".encode() + name


def _shown(name: bytes) -> str:
    return ascii(name.decode("latin-1"))
