"""The settings of the server from its directives, wherever those were read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields

from fwknopd.config.addresses import parse_host
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.settings import ServerSettings
from fwknopd.config.typed_values import TypedValue, typed_values
from fwknopd.config.unset_variables import REMEDY, missing_value
from fwknopd.config.variable import Scope, Status
from fwknopd.config.variables import lookup

_ONLY_UDP = re.compile(r"udp( (dst )?port [0-9]+)?")
_ADD_LISTENER = "Set ENABLE_TCP_SERVER to Y."
_FIELDS = frozenset(item.name for item in fields(ServerSettings))


def build_settings(directives: Iterable[Directive], findings: Findings) -> ServerSettings:
    """Typed settings; problems go to ``findings``, unreadable values keep their default."""
    used = _without_variables(_without_unused(directives, findings), findings)
    values = typed_values(Scope.SERVER, used, findings)
    _check_together(values, findings)
    chosen = {
        name.lower(): typed.value for name, typed in values.items() if name.lower() in _FIELDS
    }
    if chosen.get("pcap_file") and "enable_spa_packet_aging" not in chosen:
        # A recorded knock is old by nature; fwknopd's default changes in the same way.
        chosen["enable_spa_packet_aging"] = False
    settings = ServerSettings(**chosen)
    _check_web_knocks(values, settings, findings)
    return settings


def _without_unused(directives: Iterable[Directive], findings: Findings) -> Iterator[Directive]:
    """SNAT_TRANSLATE_IP only where it is used: as in fwknopd, elsewhere it may say anything."""
    places = list(directives)
    snat = [place.value for place in places if place.name == "ENABLE_IPT_SNAT"]
    used = bool(snat) and snat[-1].strip()[:1] in ("Y", "y")
    for place in places:
        if place.name != "SNAT_TRANSLATE_IP" or used or parse_host(place.value.strip()):
            yield place
        else:
            findings.note(
                place, "ignored: ENABLE_IPT_SNAT is off", "Write an address before you set that."
            )


def _without_variables(directives: Iterable[Directive], findings: Findings) -> Iterator[Directive]:
    """In UCI no setting can be what OpenWISP left as it was, not even one that may be any text."""
    for place in directives:
        missing = missing_value(place.name, [place.value]) if place.section else ""
        variable = lookup(Scope.SERVER, place.name)
        if missing and variable is not None and variable.status is Status.HONOURED:
            findings.error(place, missing, REMEDY)
        else:
            yield place


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


def _check_web_knocks(
    values: dict[str, TypedValue], settings: ServerSettings, findings: Findings
) -> None:
    """Settings for web knocks that nobody will ever hear."""
    for name in ("ENABLE_X_FORWARDED_FOR", "ALLOW_ANY_USER_AGENT"):
        found = values.get(name)
        if found is not None and found.value and not settings.enable_spa_over_http:
            findings.warn(
                found.place,
                "it has no effect while web knocks are off",
                "Set ENABLE_SPA_OVER_HTTP to Y, or delete the line.",
            )
    web = values.get("ENABLE_SPA_OVER_HTTP")
    if web is None or not web.value or settings.enable_tcp_server or settings.pcap_file:
        return
    if settings.enable_udp_server:
        findings.warn(web.place, "a UDP socket hears no web knock", _ADD_LISTENER)
    elif _ONLY_UDP.fullmatch(settings.pcap_filter):
        why = f"no web knock is heard: PCAP_FILTER is {settings.pcap_filter}"
        remedy = f"{_ADD_LISTENER[:-1]}, or add to PCAP_FILTER, for example: or tcp port 80"
        findings.warn(web.place, why, remedy)
