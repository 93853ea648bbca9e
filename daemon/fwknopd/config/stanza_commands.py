"""The commands of one client: who they run as, and what about them a person should know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fwknopd.config.command_values import Accounts
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.problems import shell_word
from fwknopd.config.settings import Configuration
from fwknopd.config.stanza_keys import Unusable
from fwknopd.config.typed_values import TypedValue
from fwknopd.policy.stanza import NEVER, Stanza

Values = Mapping[str, TypedValue]

COMMAND_FIELDS = {
    name: name.lower()
    for name in (
        "ENABLE_CMD_EXEC",
        "CMD_EXEC_USER",
        "CMD_EXEC_GROUP",
        "ENABLE_CMD_SUDO_EXEC",
        "CMD_SUDO_EXEC_USER",
        "CMD_SUDO_EXEC_GROUP",
        "CMD_CYCLE_OPEN",
        "CMD_CYCLE_CLOSE",
        "CMD_CYCLE_TIMER",
        "allowed_commands",
    )
}
"""The directives with their fields of a Stanza."""

_USERS = ("CMD_EXEC_USER", "CMD_SUDO_EXEC_USER")
_GROUPS = ("CMD_EXEC_GROUP", "CMD_SUDO_EXEC_GROUP")


class NoAccount(Unusable):
    """A user or group this machine doesn't have."""


def check_commands(values: Values, accounts: Accounts, findings: Findings) -> None:
    """Report what is wrong or dangerous. Raises NoAccount."""
    _check_accounts(values, accounts)
    _check_cycle(values, findings)
    if not _is_on(values, "ENABLE_CMD_EXEC"):
        return
    if "CMD_CYCLE_OPEN" in values:
        findings.warn(
            values["ENABLE_CMD_EXEC"].place,
            "it has no effect: this client's knocks run CMD_CYCLE_OPEN, and no command of theirs",
            "Delete it, or make a second client for commands.",
        )
    elif "allowed_commands" not in values:
        whose = _account(values)
        findings.warn(
            values["ENABLE_CMD_EXEC"].place,
            f"whoever has this client's keys can run any command on this router, as {whose}",
            "In UCI, list what it may run in allowed_commands"
            + ("; or set CMD_EXEC_USER." if whose == "root" else "."),
        )


def _check_cycle(values: Values, findings: Findings) -> None:
    """What the C daemon demands, and who the commands run as, which is different here."""
    opening, closing = values.get("CMD_CYCLE_OPEN"), values.get("CMD_CYCLE_CLOSE")
    if opening is None and closing is None:
        return
    if opening is None or closing is None:
        _one_alone(opening, closing, findings)
        return
    for typed in (opening, closing):
        if not typed.value.replace("$", "").split():
            findings.error(typed.place, "it names no program", "Write a command.")
    if not closing.value.startswith(NEVER) and "CMD_CYCLE_TIMER" not in values:
        findings.error(
            opening.place,
            "CMD_CYCLE_TIMER is missing: when is CMD_CYCLE_CLOSE to run?",
            "Set it to a number of seconds.",
        )
    for name in ("CMD_EXEC_USER", "CMD_EXEC_GROUP"):
        if name in values:
            findings.note(
                values[name].place,
                "the commands of the cycle run so too; the C daemon runs them as root",
                "Delete it if they need root.",
            )


def _one_alone(opening: TypedValue | None, closing: TypedValue | None, findings: Findings) -> None:
    if opening is not None:
        findings.error(
            opening.place,
            "CMD_CYCLE_CLOSE is missing: what undoes this?",
            "Write the command that does, or NONE if none has to.",
        )
    elif closing is not None:
        findings.error(
            closing.place,
            "CMD_CYCLE_OPEN is missing: what does this undo?",
            "Write the command that a knock is to run, or delete this one.",
        )


def _check_accounts(values: Values, accounts: Accounts) -> None:
    for name in _USERS:
        if name in values and not accounts.has_user(values[name].value):
            raise _unknown(values[name], "user")
    for name in _GROUPS:
        # The C daemon takes the name of a user here, and means that user's group.
        group = values[name].value if name in values else ""
        if group and not (accounts.has_user(group) or accounts.has_group(group)):
            raise _unknown(values[name], "group")


def _unknown(typed: TypedValue, what: str) -> NoAccount:
    return NoAccount(
        typed.place,
        f"this machine has no {what} {typed.value}",
        f"Add it, or write one of those in /etc/{'passwd' if what == 'user' else 'group'}.",
    )


def _account(values: Values) -> str:
    if _is_on(values, "ENABLE_CMD_SUDO_EXEC"):
        return str(values["CMD_SUDO_EXEC_USER"].value) if "CMD_SUDO_EXEC_USER" in values else "root"
    return str(values["CMD_EXEC_USER"].value) if "CMD_EXEC_USER" in values else "root"


def _is_on(values: Values, name: str) -> bool:
    return name in values and bool(values[name].value)


def without_commands(configuration: Configuration, file: str) -> Configuration:
    """The configuration for when others than root may write ``file``.

    Whoever may must not become root by asking for a command in it. A client whose knocks
    would only run commands is left out.
    """
    found = Findings()
    tried = [_without_commands(stanza, file, found) for stanza in configuration.stanzas]
    stanzas = tuple(stanza for stanza in tried if stanza is not None)
    return replace(
        configuration,
        stanzas=stanzas,
        problems=(*configuration.problems, *found.problems()),
        unusable=configuration.unusable + len(tried) - len(stanzas),
    )


def _without_commands(stanza: Stanza, file: str, findings: Findings) -> Stanza | None:
    if not stanza.enable_cmd_exec and not stanza.cmd_cycle_open:
        return stanza
    findings.warn(
        Directive("CMD_CYCLE_OPEN" if stanza.cmd_cycle_open else "ENABLE_CMD_EXEC", "", file),
        f"client {stanza.label} can run no command, as others than root may write this file: "
        "they would become root by it",
        f"Run `chown root {shell_word(file)}` and `chmod 600 {shell_word(file)}`.",
    )
    # Opening doors instead of what it was to run would be a surprise.
    return None if stanza.cmd_cycle_open else replace(stanza, enable_cmd_exec=False)
