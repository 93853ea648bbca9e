"""The daemon's explanations of packets, as the page Diagnostics shows them."""

from __future__ import annotations

from dataclasses import dataclass

from fwknop_webui.displayable import one_line
from fwknop_webui.event_log import verdict_of
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.reasons import Explanation, explain, explain_in_theory
from fwknop_webui.untyped import Json, child, children, number, text

CHECKS = {
    "addresses": N_("addresses"),
    "size": N_("size"),
    "http": N_("HTTP request"),
    "prefix": N_("beginning"),
    "alphabet": N_("alphabet"),
    "type": N_("type of packet"),
    "source": N_("source"),
    "destination": N_("destination"),
    "enabled": N_("switched on"),
    "expiry": N_("end of access"),
    "hmac": N_("HMAC"),
    "decrypt": N_("decryption"),
    "signature": N_("signature"),
    "signer": N_("signer"),
    "clock": N_("clock"),
    "replay": N_("replay"),
    "age": N_("age"),
    "hours": N_("hours"),
    "address": N_("address"),
    "source-address": N_("source address"),
    "user": N_("user"),
    "nat": N_("NAT"),
    "command": N_("command"),
    "ports": N_("ports"),
    "cycle": N_("command cycle"),
    "nat-target": N_("NAT target"),
    "lifetime": N_("lifetime"),
    "log-only": N_("log only"),
}
"""What the daemon calls the steps of an explanation, for people."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing looked at; ``outcome`` is passed, failed or noted."""

    check: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class ClientSteps:
    """What one client said. ``outcome`` is accept, refuse, or foreign: not its packet."""

    label: str
    outcome: str
    steps: tuple[Step, ...]
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """One packet: verdict, and every step that led to it. ``left_out`` clients aren't listed."""

    verdict: str
    client: str
    explanation: Explanation
    detail: str
    steps: tuple[Step, ...]
    clients: tuple[ClientSteps, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Caught:
    """A packet that came. ``count``: how many alike. ``time`` is epoch seconds."""

    time: float
    source: str
    port: str
    via: str
    size: int
    count: int
    explained: Explained


@dataclass(frozen=True, slots=True)
class Watched:
    """The packets since the watch began, newest first. ``until`` is epoch seconds."""

    now: float
    until: float
    packets: tuple[Caught, ...]
    more: int

    @property
    def is_on(self) -> bool:
        """It still watches."""
        return self.now < self.until


def explained_of(data: Json) -> Explained:
    """An answer to ``rehearse``."""
    return _explained(data, explain_in_theory(text(child(data, "verdict"), "reason")))


def _explained(data: Json, words: Explanation) -> Explained:
    verdict = child(data, "verdict")
    told = {"verdict": text(verdict, "outcome"), "reason": text(verdict, "reason")}
    return Explained(
        verdict=verdict_of(told),
        client=one_line(text(verdict, "client")),
        explanation=Explanation(one_line(words.title), words.remedy),
        detail=one_line(text(verdict, "detail")),
        steps=_steps(data, "packet"),
        clients=tuple(map(_client, children(data, "clients"))),
        left_out=int(number(data, "clients_left_out")),
    )


def watched_of(data: Json) -> Watched:
    """An answer to ``watched``."""
    return Watched(
        now=number(data, "now"),
        until=number(data, "until"),
        packets=tuple(map(_caught, children(data, "packets"))),
        more=int(number(data, "more")),
    )


def _caught(data: Json) -> Caught:
    return Caught(
        time=number(data, "time"),
        source=one_line(text(data, "source")),
        port=one_line(text(data, "port")),
        via=one_line(text(data, "via")),
        size=int(number(data, "bytes")),
        count=max(1, int(number(data, "count"))),
        explained=_explained(data, explain(text(child(data, "verdict"), "reason"))),
    )


def _client(data: Json) -> ClientSteps:
    fields = child(data, "fields")
    return ClientSteps(
        label=one_line(text(data, "client")),
        outcome=text(data, "outcome"),
        steps=_steps(data, "steps"),
        fields=tuple((one_line(name), one_line(text(fields, name))) for name in fields),
    )


def _steps(data: Json, key: str) -> tuple[Step, ...]:
    return tuple(
        Step(_named(text(s, "check")), text(s, "outcome"), one_line(text(s, "detail")))
        for s in children(data, key)
    )


def _named(check: str) -> str:
    return _(CHECKS[check]) if check in CHECKS else one_line(check)
