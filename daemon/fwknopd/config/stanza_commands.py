"""The commands of one client: who they run as, and what about them a person should know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fwknopd.config.command_values import Accounts
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.settings import Configuration
from fwknopd.config.stanza_keys import Unusable
from fwknopd.config.typed_values import TypedValue
from fwknopd.policy.stanza import Stanza

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
    if not _is_on(values, "ENABLE_CMD_EXEC"):
        return
    if "allowed_commands" not in values:
        whose = _account(values)
        findings.warn(
            values["ENABLE_CMD_EXEC"].place,
            f"whoever has this client's keys can run any command on this router, as {whose}",
            "List what it may run in allowed_commands (an option of UCI), or set CMD_EXEC_USER.",
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
    stanzas = [_without_commands(stanza, file, found) for stanza in configuration.stanzas]
    return replace(
        configuration,
        stanzas=tuple(stanza for stanza in stanzas if stanza is not None),
        problems=(*configuration.problems, *found.problems()),
    )


def _without_commands(stanza: Stanza, file: str, findings: Findings) -> Stanza | None:
    if not stanza.enable_cmd_exec:
        return stanza
    findings.warn(
        Directive("ENABLE_CMD_EXEC", "", file),
        f"client {stanza.label} can run no command, as others than root may write this file: "
        "they would become root by it",
        f"Run `chown root {file}` and `chmod 600 {file}`.",
    )
    return replace(stanza, enable_cmd_exec=False)
