"""What may be said of a variable of the table: its type, range and default in words."""

from __future__ import annotations

from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknopd.config.variable import Default, Kind, Restart, Status, Variable

_KINDS = {
    Kind.BOOLEAN: N_("Y or N"),
    Kind.SWITCH: N_("1 or 0"),
    Kind.INTEGER: N_("whole number"),
    Kind.MARK: N_("firewall mark"),
    Kind.TEXT: N_("text"),
    Kind.CHOICE: N_("one of a list"),
    Kind.PATH: N_("path"),
    Kind.INTERFACE: N_("device"),
    Kind.FILTER: N_("capture filter"),
    Kind.ADDRESS: N_("IP address"),
    Kind.NETWORKS: N_("addresses and networks"),
    Kind.PORTS: N_("list of ports"),
    Kind.KEY_TEXT: N_("key as text"),
    Kind.KEY_BASE64: N_("key in base64"),
    Kind.DATE: N_("date, as month/day/year"),
    Kind.EPOCH: N_("moment"),
    Kind.HOURS: N_("hours of the day"),
    Kind.DAYS: N_("days of the week"),
    Kind.NAT_TARGET: N_("address and port"),
    Kind.NAT_RANGES: N_("addresses, networks and ports"),
    Kind.GPG_IDS: N_("GPG key IDs"),
    Kind.IPT_CHAIN: N_("iptables chain"),
    Kind.ACCOUNT: N_("name of a user or group"),
    Kind.COMMAND: N_("command"),
    Kind.COMMANDS: N_("commands, with ; between them"),
    Kind.DIGEST: N_("SHA-256 digest"),
    Kind.ENDPOINT: N_("address and port of a server"),
}
_NUMBERS = frozenset({Kind.INTEGER, Kind.EPOCH})
_WORDS = {Kind.BOOLEAN: ("N", "Y"), Kind.SWITCH: ("0", "1")}


def kind_text(variable: Variable) -> str:
    """The type of its value."""
    # A type that is newer than this table is better named in English than not at all.
    return _(_KINDS.get(variable.kind, str(variable.kind)))


def choices(variable: Variable) -> tuple[str, ...]:
    """The values of one that is chosen from a list; none for one that is typed."""
    if variable.kind in _WORDS:
        return tuple(reversed(_WORDS[variable.kind]))
    return variable.choices


def default_text(variable: Variable) -> str:
    """What counts while it isn't set, as it would be written; "" for nothing."""
    return written(variable, variable.default)


def written(variable: Variable, value: Default) -> str:
    """A value of the table as a file holds it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _WORDS.get(variable.kind, ("", ""))[value]
    if variable.kind is Kind.MARK and isinstance(value, int):
        return f"{value:#x}"
    return str(value)


def range_text(variable: Variable) -> str:
    """The smallest and largest value, or the greatest length; "" when there is no limit."""
    low, high = written(variable, variable.minimum), written(variable, variable.maximum)
    if low and high:
        text = _("{minimum} to {maximum}").format(minimum=low, maximum=high)
        return f"{text} {_(variable.unit)}".strip()
    if not high or variable.kind in _NUMBERS:
        return ""
    if variable.secret:
        return _("at most {n} bytes").format(n=high)
    return _("at most {n} characters").format(n=high)


def restart_text(variable: Variable) -> str:
    """What must happen so that a change counts; "" when a reload is enough."""
    return {
        Restart.NO: "",
        Restart.YES: _("A change counts after a restart of the daemon."),
        Restart.IPTABLES: _("With iptables, a change counts after a restart of the daemon."),
    }[variable.restart]


def status_word(variable: Variable) -> str:
    """What this daemon does with it, in a word."""
    return {
        Status.HONOURED: _("honoured"),
        Status.IGNORED: _("ignored"),
        Status.LATER: _("not supported yet"),
    }[variable.status]
