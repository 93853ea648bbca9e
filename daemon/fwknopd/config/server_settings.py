"""The settings of the server from its directives, wherever those were read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from fwknopd.config.directive import Directive, Findings
from fwknopd.config.settings import ServerSettings
from fwknopd.config.typed_values import TypedValue, typed_values
from fwknopd.config.variable import Scope

_FIELDS = frozenset(item.name for item in fields(ServerSettings))


def build_settings(directives: Iterable[Directive], findings: Findings) -> ServerSettings:
    """Typed settings; problems go to ``findings``, unreadable values keep their default."""
    values = typed_values(Scope.SERVER, directives, findings)
    _check_together(values, findings)
    settings = {
        name.lower(): typed.value for name, typed in values.items() if name.lower() in _FIELDS
    }
    if settings.get("pcap_file") and "enable_spa_packet_aging" not in settings:
        # A recorded knock is old by nature; fwknopd's default changes in the same way.
        settings["enable_spa_packet_aging"] = False
    return ServerSettings(**settings)


def _check_together(values: dict[str, TypedValue], findings: Findings) -> None:
    persistence = values.get("ENABLE_DIGEST_PERSISTENCE")
    if persistence is not None and not persistence.value:
        findings.warn(
            persistence.place,
            "anybody who recorded a knock can repeat it",
            "Set it to Y or delete the line.",
        )
    aging = values.get("ENABLE_SPA_PACKET_AGING")
    if aging is not None and not aging.value and "PCAP_FILE" not in values:
        findings.warn(
            aging.place,
            "knocks of any age are accepted",
            "Set it to Y or delete the line, and set the router's clock by NTP.",
        )
