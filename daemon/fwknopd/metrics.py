"""The running daemon in numbers, for those who watch many: what `fwknopctl metrics` prints.

Every label has few values, which the code or the configuration fixes: no packet makes a new
one. Addresses are in none, and names of clients only when they are asked for.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator
from hmac import compare_digest

from fwknopd import __version__
from fwknopd.capture.reopening import CaptureState
from fwknopd.config.problems import Severity
from fwknopd.control.protocol import VerbError
from fwknopd.events import EventKind, FirewallWork, Outlet, printable_name
from fwknopd.keys import token_digest
from fwknopd.openmetrics import Family, Kind, Labels, render
from fwknopd.policy.stanza import Standing, Stanza
from fwknopd.policy.verdict import ACCEPTING, Reason
from fwknopd.reporting import counted_as
from fwknopd.service import Service
from fwknopd.status import diagnosis, is_ready

DIAGNOSED_SECONDS = 60.0
"""A diagnosis of the firewall is believed so long: it costs two runs of nft, and scrapers
ask all day."""

UNUSABLE = "unusable"
"""The state of a client that is left out of the configuration in force, with a warning."""

NO_LABELS: Labels = ()


def metrics_text(service: Service, *, by_client: bool = False) -> str:
    """Everything there is to count, as OpenMetrics text."""
    families = [*_daemon(service), *_knocks(service), *_captures(service), *_firewall(service)]
    if by_client:
        families += _clients(service)
    return render(families)


def check_token(service: Service, token: str) -> None:
    """Raises VerbError unless it is the one whose digest the configuration in force has."""
    configuration = service.configuration
    wanted = configuration.settings.metrics_token_sha256 if configuration else ""
    if not wanted:
        raise VerbError(
            "no-metrics",
            "nobody may read metrics over the network: METRICS_TOKEN_SHA256 is not set",
            "Make a token with: fwknopctl metrics --new-token",
        )
    if not compare_digest(token_digest(token), wanted):
        raise VerbError("wrong-token", "this is not the token", "Make another one")


# The daemon


def _daemon(service: Service) -> Iterator[Family]:
    engine, clock = service.engine, service.clock
    program = (("version", __version__), ("python", platform.python_version()))
    yield Family("fwknopd_build", Kind.INFO, "The program that runs.", {program: 1})
    begun = clock.now() - clock.monotonic() + service.started
    yield _seconds("fwknopd_start_time_seconds", "When it started, in epoch seconds.", begun)
    ready = is_ready(service, DIAGNOSED_SECONDS)
    yield _flag("fwknopd_ready", "Whether a knock would open a door now.", ready)
    yield from _clock(service)
    yield from _configuration(service)
    yield _gauge("fwknopd_replay_entries", "Used packets that are remembered.", len(engine.replay))
    yield Family(
        "fwknopd_events",
        Kind.COUNTER,
        "What happened, by kind of event.",
        {(("event", kind),): engine.events.happened[kind] for kind in EventKind},
    )
    lost = {outlet: losses().count for outlet, losses in engine.events.losing.items()}
    yield Family(
        "fwknopd_events_lost",
        Kind.COUNTER,
        "Events that did not get to where they are told, as far as that is known.",
        {(("outlet", outlet),): lost.get(outlet, 0) for outlet in Outlet},
    )


def _clock(service: Service) -> Iterator[Family]:
    believed = not service.clock.problem()
    waits = service.engine.settings.policy.wait_for_clock
    yield _flag("fwknopd_clock_believed", "Whether the clock can be believed.", believed)
    yield _flag(
        "fwknopd_clock_ok",
        "Whether knocks are judged: the clock can be believed, or need not be.",
        believed or not waits,
    )


def _configuration(service: Service) -> Iterator[Family]:
    configuration, reloading = service.configuration, service.reloading
    yield _flag(
        "fwknopd_configuration_ok",
        "Whether there is a configuration, and the newest one is in force.",
        configuration is not None and not reloading.errors,
    )
    yield _seconds(
        "fwknopd_configuration_loaded_timestamp_seconds",
        "When the configuration in force was read, in epoch seconds.",
        reloading.loaded_at,
    )
    problems = configuration.problems if configuration else ()
    warnings = sum(1 for problem in problems if problem.severity is Severity.WARNING)
    yield _gauge("fwknopd_configuration_problems", "Warnings about it.", warnings)
    unusable = configuration.unusable if configuration else 0
    yield from _counted(service.engine.settings.stanzas, unusable, service.clock.now())


def _counted(stanzas: Iterable[Stanza], unusable: int, now: float) -> Iterator[Family]:
    """Old keys beside a client's new ones are no other client."""
    found = Counter((bool(s.old_keys_of), s.standing(now)) for s in stanzas)
    clients: dict[Labels, float] = {
        (("state", standing),): found[False, standing] for standing in Standing
    }
    clients[(("state", UNUSABLE),)] = unusable
    yield Family("fwknopd_clients", Kind.GAUGE, "Clients, by whether they may knock.", clients)
    old = found[True, Standing.PRESENT]
    yield _gauge("fwknopd_old_keys", "Old keys that still work beside new ones.", old)


# Knocks and doors


def _knocks(service: Service) -> Iterator[Family]:
    engine = service.engine
    counted = engine.events.counters
    yield Family(
        "fwknopd_knocks",
        Kind.COUNTER,
        "Packets judged, by verdict and reason.",
        {_verdict(reason): counted[reason] for reason in Reason},
    )
    doors, cycles = engine.doors.table, engine.commands.loaded.cycles.table
    yield _gauge("fwknopd_open_doors", "Doors that are open.", len(doors))
    yield _gauge("fwknopd_open_cycles", "Command cycles that are open.", len(cycles))


def _verdict(reason: Reason) -> Labels:
    return (("verdict", "accept" if reason in ACCEPTING else "refuse"), ("reason", reason))


def _clients(service: Service) -> Iterator[Family]:
    """By name. What old keys are used for counts as their client's; equal names count as one."""
    engine, reporting = service.engine, service.engine.reporting
    stanzas = engine.settings.stanzas
    knocks: Counter[Labels] = Counter()
    for stanza in {counted_as(s): s for s in reversed(stanzas)}.values():
        for reason, count in reporting.knocks_of(stanza).items():
            knocks[_client(stanza) + _verdict(reason)] += count
    last: dict[Labels, float] = {}
    # Several clients may have the same keys, and then it is the first that knocks.
    for stanza in {s.identity: s for s in reversed(stanzas)}.values():
        knocked = reporting.last_knock(stanza)
        if knocked is not None:
            last[_client(stanza)] = max(last.get(_client(stanza), 0), knocked.time)
    names = {stanza.label: _client(stanza) for stanza in stanzas}
    doors = Counter(dict.fromkeys(names.values(), 0))
    doors.update(names.get(g.client, _named(g.client)) for g in engine.doors.table)
    yield Family(
        "fwknopd_client_knocks",
        Kind.COUNTER,
        "Packets made with a client's keys, by verdict and reason; none that never came.",
        knocks,
    )
    yield Family("fwknopd_client_open_doors", Kind.GAUGE, "A client's open doors.", doors)
    yield Family(
        "fwknopd_client_last_knock_timestamp_seconds",
        Kind.GAUGE,
        "When a client knocked last since the start, in epoch seconds.",
        last,
        "seconds",
    )


def _client(stanza: Stanza) -> Labels:
    return _named(stanza.old_keys_of or stanza.label)


def _named(client: str) -> Labels:
    return (("client", printable_name(client)),)


# Edges


def _captures(service: Service) -> Iterator[Family]:
    up: dict[Labels, float] = {}
    received: Counter[Labels] = Counter()
    dropped: Counter[Labels] = Counter()
    for capture in service.intake.captures:
        labels, stats = _capture(capture.device or capture.name, capture.kind), capture.stats()
        up[labels] = max(up.get(labels, 0), capture.state is CaptureState.CAPTURING)
        received[labels] += stats.received
        dropped[labels] += stats.dropped
    kind = "pcap" if service.intake.request.how else "udp"
    for network in service.intake.waiting_networks():
        up[_capture(f"network {network.name}", kind)] = 0
    yield Family("fwknopd_capture_up", Kind.GAUGE, "Whether packets are taken here.", up)
    yield Family(
        "fwknopd_capture_received_packets", Kind.COUNTER, "Packets taken in.", received, "packets"
    )
    yield Family(
        "fwknopd_capture_dropped_packets",
        Kind.COUNTER,
        "Packets the kernel dropped because they were not taken in time.",
        dropped,
        "packets",
    )


def _capture(name: str, kind: str) -> Labels:
    return (("capture", name), ("kind", kind))


def _firewall(service: Service) -> Iterator[Family]:
    engine = service.engine
    found = diagnosis(service, DIAGNOSED_SECONDS)
    backend: Labels = (("backend", engine.firewall.name),)
    yield Family(
        "fwknopd_firewall_ready",
        Kind.GAUGE,
        "Whether doors let somebody in.",
        {backend: found.ready},
    )
    yield _gauge(
        "fwknopd_firewall_warnings",
        "Rules of others that would refuse what a door lets in, and the like.",
        len(found.warnings),
    )
    failed = engine.events.firewall_errors
    yield Family(
        "fwknopd_firewall_errors",
        Kind.COUNTER,
        "What the firewall failed to do, each try.",
        {(("work", work),): failed[work] for work in FirewallWork},
    )


def _gauge(name: str, help: str, value: float) -> Family:
    return Family(name, Kind.GAUGE, help, {NO_LABELS: value})


def _seconds(name: str, help: str, value: float) -> Family:
    return Family(name, Kind.GAUGE, help, {NO_LABELS: value}, "seconds")


def _flag(name: str, help: str, value: bool) -> Family:
    return _gauge(name, f"{help} 1: yes.", value)
