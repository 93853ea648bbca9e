"""A command as it will be run, and how it ended: words for a program, never a line for a shell.

Rules: behaviour notes 9. A text is split at white space and nowhere else; quotes, ``$`` and
``>`` have no meaning. On purpose different from the C daemon: through sudo, no word of a
client's can be taken for one of sudo's options.
"""

from __future__ import annotations

from dataclasses import dataclass

from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import Stanza


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, as whom, and for how long at most.

    - ``words`` are the program's arguments, its own name first; there is one at least
    - ``user`` and ``group`` are names; "" is whoever the daemon runs as
    - ``seconds`` after which it is killed, with its process group
    """

    words: tuple[bytes, ...]
    user: str
    group: str
    seconds: int

    @property
    def text(self) -> str:
        """The words for people, one character for each byte; not safe to print as it is."""
        return b" ".join(self.words).decode("latin-1")

    @property
    def account(self) -> str:
        """Whom it runs as, for people: user/group in the C daemon's manner, or ""."""
        if not self.user and not self.group:
            return ""
        return f"{self.user or 'root'}/{self.group or self.user}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    - ``status`` is its exit status; None when it did not end by itself
    - ``signal`` is what ended it, 0 for none
    - ``late``: it was killed because its time was over
    - ``fault`` says why it could not be run at all; "" when it was
    - ``seconds`` it ran
    """

    status: int | None = None
    signal: int = 0
    late: bool = False
    fault: str = ""
    seconds: float = 0.0

    @property
    def well(self) -> bool:
        """It ran, and says that all went well."""
        return self.status == 0 and not self.fault


def split(text: bytes) -> tuple[bytes, ...]:
    """The words of a command, as the C daemon splits it: at white space of the C locale."""
    return tuple(text.split())


def split_text(text: str) -> tuple[bytes, ...]:
    """The words of a configured command."""
    return split(text.encode("utf-8", "surrogateescape"))


def as_configured(words: tuple[bytes, ...], stanza: Stanza, settings: PolicySettings) -> Command:
    """``words`` run as this client's configuration says, through sudo if it says so."""
    if stanza.enable_cmd_sudo_exec:
        words = (*_sudo(stanza, settings), *words)
    user, group = stanza.cmd_exec_user, stanza.cmd_exec_group
    return Command(words, user, group, settings.cmd_exec_timeout)


def _sudo(stanza: Stanza, settings: PolicySettings) -> tuple[bytes, ...]:
    words = [settings.sudo_exe]
    if stanza.cmd_sudo_exec_user:
        words += ["-u", stanza.cmd_sudo_exec_user]
    if stanza.cmd_sudo_exec_group:
        words += ["-g", stanza.cmd_sudo_exec_group]
    return tuple(word.encode("utf-8", "surrogateescape") for word in words)


def is_for_sudo(word: bytes) -> bool:
    """Would sudo take this first word of a command for itself: an option, or NAME=value?"""
    return word.startswith(b"-") or b"=" in word
