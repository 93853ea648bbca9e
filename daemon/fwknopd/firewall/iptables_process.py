"""Running iptables-save and iptables-restore, for one address family."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fwknopd.firewall import FirewallBarred, FirewallError
from fwknopd.firewall.process import Answer, find_program, run_program

LOCK_SECONDS = 5
"""How long to wait while another program changes rules: fw3 reloads take about one."""

CLOSING_LOCK_SECONDS = 1
"""The same for a change that is tried again by itself, and again: others wait meanwhile."""

TIME_LIMIT = 15.0
# Tens of thousands of rules, some hundred bytes each.
OUTPUT_LIMIT = 1 << 26
# The exit status alone doesn't tell: with iptables-nft it is that of every kernel's refusal.
_LOCKED = "xtables lock"

_FAILED_LINE = re.compile(r"line:? (\d+)", re.ASCII)
_FORBIDDEN = ("Operation not permitted", "Permission denied", "must be root")
_HINT = re.compile(r"Try `[^\n]*|Error occurred at line: \d+")


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of a family: ``stem`` is iptables or ip6tables, perhaps with -nft or -legacy."""

    stem: str
    passed: Callable[[int], object] = field(default=lambda pid: None, compare=False, repr=False)
    """Told the process number of each program that may have changed something."""

    @property
    def is_installed(self) -> bool:
        """Whether they can be run."""
        return find_program(f"{self.stem}-restore") is not None

    @property
    def are_nft(self) -> bool:
        """Whether their rules are nftables rules: the kernel announces changes of these."""
        program = find_program(f"{self.stem}-restore")
        # Both iptables can be installed, and the name without suffix is a link to one.
        return program is not None and "nft" in Path(program).resolve().name

    def require(self) -> None:
        """Raise FirewallError if they are missing."""
        self._find("restore")

    def save(self) -> str:
        """What all tables hold. Raises FirewallError."""
        # Without -t, so that looking doesn't make a table that isn't there.
        answer = self._run("save", [], "")
        if answer.status:
            raise _failed(self.stem, answer, "", "can't read the rules")
        return answer.output

    def restore(self, script: str, wait: int = LOCK_SECONDS) -> FirewallError | None:
        """Apply commands and leave everything else; why it failed, None if it didn't.

        A table is changed as a whole or not at all. Waits so many seconds for the lock.
        Raises FirewallBarred where trying something else is of no use: nothing is changed.
        """
        answer = self._run("restore", ["-n", "-w", str(wait)], script)
        self.passed(answer.pid)
        if not answer.status:
            return None
        error = _failed(self.stem, answer, script, "refused a change")
        if isinstance(error, FirewallBarred):
            raise error
        return error

    def _run(self, action: str, arguments: list[str], script: str) -> Answer:
        program = self._find(action)
        return run_program(
            program, arguments, script, time_limit=TIME_LIMIT, output_limit=OUTPUT_LIMIT
        )

    def _find(self, action: str) -> str:
        name = f"{self.stem}-{action}"
        program = find_program(name)
        if program is None:
            raise FirewallError(
                f"{name} not found: install the package iptables (OpenWrt: iptables-nft or "
                "iptables-zz-legacy, with ip6tables for IPv6), or use the firewall nftables"
            )
        return program


def _failed(stem: str, answer: Answer, script: str, what: str) -> FirewallError:
    if any(text in answer.errors for text in _FORBIDDEN):
        return FirewallBarred(
            f"not allowed to change {stem}: needs CAP_NET_ADMIN. "
            "Start fwknopd as root, or give its service that capability"
        )
    if _LOCKED in answer.errors:
        return FirewallBarred(
            f"{stem}: another program held the lock and did not let go of it in time. "
            "Is a script changing rules in a loop?"
        )
    return FirewallError(
        f"{stem} {what}: {_complaint(answer)}{_command(answer, script)}. "
        f"Look at the rules with `{stem} -S`; are iptables' modules for comments, NAT "
        "and connection tracking installed?"
    )


def _complaint(answer: Answer) -> str:
    lines = [line.strip() for line in _HINT.sub("", answer.errors).splitlines()]
    return " ".join(filter(None, lines))[:300] or answer.complaint


def _command(answer: Answer, script: str) -> str:
    """The command that a message only numbers."""
    found = _FAILED_LINE.search(answer.errors)
    lines = script.splitlines()
    if found is None or not 0 < int(found[1]) <= len(lines):
        return ""
    return f" at `{lines[int(found[1]) - 1]}`"
