"""One client from its directives, wherever those were read.

Three outcomes: a Stanza; nothing, with a warning, for a client nobody could use (stock
placeholder keys, features to come); an error for a client that says something wrong, because
guessing what a firewall rule was meant to say is worse than refusing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fwknopd.config.command_values import ANY_ACCOUNT, Accounts
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.problems import Severity
from fwknopd.config.settings import ServerSettings
from fwknopd.config.stanza_commands import COMMAND_FIELDS, NoAccount, check_commands
from fwknopd.config.stanza_keys import (
    NoKeys,
    Unusable,
    build_keys,
    split_placeholders,
)
from fwknopd.config.typed_values import TypedValue, typed_values
from fwknopd.config.values import says_off
from fwknopd.config.variable import Scope
from fwknopd.policy.schedule import Schedule
from fwknopd.policy.stanza import SourceNat, Stanza

if TYPE_CHECKING:
    from fwknopd.policy.gpg import GpgAccess

DEFAULT_TIMEOUT = 30
DEFAULT_MAX_TIMEOUT = 300

_PLAIN_FIELDS = {
    "RESTRICT_PORTS": "restrict_ports",
    "OPEN_PORTS": "open_ports",
    "DESTINATION": "destinations",
    "REQUIRE_USERNAME": "require_username",
    "REQUIRE_SOURCE_ADDRESS": "require_source_address",
    "FORCE_NAT": "force_nat",
    "DISABLE_DNAT": "disable_dnat",
    "FORWARD_ALL": "forward_all",
    "nat_targets": "nat_targets",
    "grant_source": "grant_source",
    "widen_ipv4": "widen_ipv4",
    "widen_ipv6": "widen_ipv6",
    "log_only": "log_only",
    "cut_at_expiry": "cut_at_expiry",
    "old_keys_of": "old_keys_of",
    "end_at_first_use": "end_at_first_use",
    **COMMAND_FIELDS,
}


@dataclass(frozen=True, slots=True)
class StanzaText:
    """A stanza as found. ``head`` is its SOURCE line, or the section it should be in.

    ``needs_keys``: a stanza without keys, or with a user that isn't there, is an error, as in
    the classic files, rather than a client that can't knock for now. ``tolerant``: whatever is
    wrong drops only this stanza, as after %include_keys.
    """

    number: int
    head: Directive
    directives: Sequence[Directive]
    name: str = ""
    needs_keys: bool = False
    tolerant: bool = False


def build_stanza(
    text: StanzaText,
    settings: ServerSettings,
    findings: Findings,
    accounts: Accounts = ANY_ACCOUNT,
) -> Stanza | None:
    """The client, or None when it can't be used; the reason is in ``findings``."""
    own = Findings()
    stanza = None
    try:
        stanza = _build(text, settings, own, accounts)
    except (NoKeys, NoAccount) as error:
        severity = Severity.ERROR if text.needs_keys else Severity.WARNING
        own.add(severity, error.place, f"{error.message}: this client can't knock", error.remedy)
    except Unusable as error:
        own.warn(error.place, f"{error.message}: this client can't knock", error.remedy)
    failed = any(problem.severity is Severity.ERROR for problem in own.problems())
    findings.extend(own.problems(), demote=text.tolerant or _is_disabled(text))
    return None if failed else stanza


def _is_disabled(text: StanzaText) -> bool:
    """A client that is switched off may be as unfinished as it likes."""
    return any(item.name == "enabled" and says_off(item.value) for item in text.directives)


def _build(
    text: StanzaText, settings: ServerSettings, findings: Findings, accounts: Accounts
) -> Stanza:
    directives, placeholders = split_placeholders(text.directives)
    values = typed_values(Scope.ACCESS, directives, findings)
    _check_nat(values, settings, findings)
    gpg = _gpg_access(text.head, values, settings, findings)
    keys = build_keys(text.head, values, placeholders, findings, gpg=gpg is not None)
    check_commands(values, accounts, findings)
    chosen: dict[str, Any] = {
        _PLAIN_FIELDS[name]: typed.value for name, typed in values.items() if name in _PLAIN_FIELDS
    }
    chosen.update(_timeouts(values, findings))
    return Stanza(
        number=text.number,
        keys=keys,
        gpg=gpg,
        name=values["name"].value if "name" in values else text.name,
        enabled=values["enabled"].value if "enabled" in values else True,
        sources=values["SOURCE"].value if "SOURCE" in values else (),
        access_expire=_expiry(values, findings),
        force_snat=_source_nat(values),
        schedule=_schedule(values),
        **chosen,
    )


def _gpg_access(
    head: Directive, values: dict[str, TypedValue], settings: ServerSettings, findings: Findings
) -> GpgAccess | None:
    if not any(name.startswith("GPG_") for name in values):
        return None
    # Few clients knock with GPG: loaded with the first.
    from fwknopd.config.gpg_stanza import gpg_access

    return gpg_access(head, values, settings, findings)


def _check_nat(values: dict[str, TypedValue], settings: ServerSettings, findings: Findings) -> None:
    nat_allowed = settings.enable_ipt_forwarding or settings.enable_ipt_local_nat
    for name in ("FORCE_NAT", "FORCE_SNAT", "FORCE_MASQUERADE"):
        if _is_set(values, name) and not nat_allowed:
            findings.error(
                values[name].place,
                "forwarding is switched off",
                "Set ENABLE_IPT_FORWARDING to Y in the server settings (fwknopd.conf).",
            )
    _check_forward_all(values, settings, findings)
    forwards = "FORCE_NAT" in values or _is_set(values, "FORWARD_ALL")
    for name in ("FORCE_SNAT", "FORCE_MASQUERADE"):
        if _is_set(values, name) and not forwards:
            findings.error(
                values[name].place,
                "nothing of this client is forwarded for sure",
                "Set FORCE_NAT or FORWARD_ALL as well, or use ENABLE_IPT_SNAT in the server "
                "settings (fwknopd.conf).",
            )


def _check_forward_all(
    values: dict[str, TypedValue], settings: ServerSettings, findings: Findings
) -> None:
    """FORWARD_ALL with a forced source and no target leads wherever the client connects to."""
    masked = _is_set(values, "FORCE_SNAT") or _is_set(values, "FORCE_MASQUERADE")
    if not _is_set(values, "FORWARD_ALL") or not masked or "FORCE_NAT" in values:
        return
    place = values["FORWARD_ALL"].place
    if not settings.enable_ipt_forwarding:
        findings.warn(
            place,
            "forwarding to other hosts is switched off, so this client's knocks are refused",
            "Set ENABLE_IPT_FORWARDING to Y in the server settings (fwknopd.conf).",
        )
    if "nat_targets" in values:
        findings.warn(
            place,
            "it leads everywhere, but nat_targets does not allow that: knocks are refused",
            "Delete nat_targets, or set FORCE_NAT to where this client may go.",
        )


def _is_set(values: dict[str, TypedValue], name: str) -> bool:
    return name in values and values[name].value is not False


def _source_nat(values: dict[str, TypedValue]) -> SourceNat | None:
    """An address wins over masquerading, as in fwknopd."""
    if "FORCE_SNAT" in values:
        return SourceNat(values["FORCE_SNAT"].value)
    return SourceNat() if _is_set(values, "FORCE_MASQUERADE") else None


def _expiry(values: dict[str, TypedValue], findings: Findings) -> int | None:
    """Both directives mean the same; the last one counts. 0 is never, as in fwknopd."""
    found = [
        typed for name, typed in values.items() if name in ("ACCESS_EXPIRE", "ACCESS_EXPIRE_EPOCH")
    ]
    if not found:
        return None
    if found[-1].value == 0:
        findings.warn(
            found[-1].place,
            "0, the first second of 1970, means that this client's access never ends",
            "Delete the line, or write when it ends.",
        )
        return None
    seconds: int = found[-1].value
    return seconds


def _schedule(values: dict[str, TypedValue]) -> Schedule | None:
    hours, days = values.get("allowed_hours"), values.get("allowed_days")
    if hours is None and days is None:
        return None
    return Schedule(hours.value if hours else (), days.value if days else frozenset())


def _timeouts(values: dict[str, TypedValue], findings: Findings) -> dict[str, int]:
    timeout = _seconds(values, "FW_ACCESS_TIMEOUT", DEFAULT_TIMEOUT, findings)
    timer = values["CMD_CYCLE_TIMER"].value if "CMD_CYCLE_TIMER" in values else 0
    # Every lifetime is capped here, not only the client's wish as in fwknopd; so a long
    # FW_ACCESS_TIMEOUT or CMD_CYCLE_TIMER alone must raise the cap that nobody set.
    usual = max(DEFAULT_MAX_TIMEOUT, timeout, timer)
    maximum = _seconds(values, "MAX_FW_TIMEOUT", usual, findings)
    # A client with a cycle has no doors for FW_ACCESS_TIMEOUT to count for.
    name, seconds = ("CMD_CYCLE_TIMER", timer) if timer else ("FW_ACCESS_TIMEOUT", timeout)
    if seconds > maximum:
        findings.warn(
            values["MAX_FW_TIMEOUT"].place,
            f"it is shorter than {name} ({seconds}), so doors close after {maximum} seconds",
            f"Raise it, or lower {name}.",
        )
    return {"fw_access_timeout": timeout, "max_fw_timeout": maximum}


def _seconds(values: dict[str, TypedValue], name: str, default: int, findings: Findings) -> int:
    typed = values.get(name)
    if typed is None:
        return default
    if typed.value == 0:
        findings.warn(typed.place, f"0 means {default} seconds", "Write the time you want.")
        return default
    seconds: int = typed.value
    return seconds
