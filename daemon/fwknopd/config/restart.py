"""What of a new configuration waits for a restart: a reload must not claim that it is in force."""

from __future__ import annotations

from fwknopd.config.problems import Problem, Severity
from fwknopd.config.settings import ServerSettings
from fwknopd.config.variable import Restart, Status
from fwknopd.config.variables import SERVER_VARIABLES


def awaiting_restart(
    started: ServerSettings, loaded: ServerSettings, file: str, *, iptables: bool
) -> tuple[Problem, ...]:
    """A warning for each variable that differs from what the daemon was ``started`` with.

    ``iptables``: is that the firewall in use? Its variables mean nothing to another.
    """
    waiting = {Restart.YES, Restart.IPTABLES} if iptables else {Restart.YES}
    return tuple(
        Problem(
            Severity.WARNING,
            file,
            None,
            variable.name,
            "it was changed and takes effect at a restart",
            "Restart the daemon; on OpenWrt: /etc/init.d/fwknopd restart",
        )
        for variable in SERVER_VARIABLES
        if variable.restart in waiting
        and variable.status is Status.HONOURED
        and _value(started, variable.name) != _value(loaded, variable.name)
    )


def _value(settings: ServerSettings, name: str) -> object:
    return getattr(settings, name.lower())
