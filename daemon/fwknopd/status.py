"""The running daemon as JSON: what `fwknopctl status` and the Overview page show."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from fwknopd import __version__
from fwknopd.capture.reopening import CaptureState, ReopeningCapture
from fwknopd.config.problems import Problem
from fwknopd.cycle_table import OpenCycle
from fwknopd.door_list import Listed
from fwknopd.events import Losses, Outlet, printable, printable_name
from fwknopd.firewall import Diagnosis
from fwknopd.firewall_guard import DIAGNOSIS_SECONDS
from fwknopd.intake import WaitingNetwork
from fwknopd.policy.stanza import Stanza, clients_in
from fwknopd.policy.verdict import Reason
from fwknopd.reporting import LastKnock
from fwknopd.service import Service

Json = dict[str, Any]

NO_DEVICE = (
    "No device is covered yet, so no door would let anybody in. Look at the captures for "
    "what is waited for, or set PCAP_INTF."
)

LOSS_WARNING_SECONDS = 86400.0
"""Events that were lost are worth a warning for so long; a router that boots has no network yet."""

NO_ROOM = "there was no room for all of it"


def status(service: Service) -> Json:
    """Everything at one glance; times are epoch seconds, ``uptime`` is seconds."""
    engine, clock = service.engine, service.clock
    firewall = diagnosis(service)
    return {
        "version": __version__,
        "pid": os.getpid(),
        "uptime": round(clock.monotonic() - service.started, 1),
        "time": clock.now(),
        "configuration": _configuration(service),
        "captures": [
            *(_capture(service, capture) for capture in service.intake.captures),
            *(_waiting(service, network) for network in service.intake.waiting_networks()),
        ],
        "firewall": {
            "backend": engine.firewall.name,
            "ready": firewall.ready,
            "devices": list(service.guard.devices),
            "detail": firewall.detail,
            "warnings": list(firewall.warnings),
        },
        "connections": _connections(service),
        "log": _log(service),
        "clients": clients_in(engine.settings.stanzas),
        "replay": _replay(service),
        "counters": dict(engine.events.counters),
        "knocked_before": service.first_knock.was_before(
            accepted=engine.events.counters[Reason.ACCEPTED] > 0
        ),
        "grants": len(engine.doors.table) + engine.commands.open_cycles,
        "clock": _clock(service),
        "test": service.options.test,
        "ready": is_ready(service),
    }


def _replay(service: Service) -> Json:
    memory, now = service.engine.replay, int(service.clock.now())
    full = not memory.has_room(now)
    return {"entries": len(memory), "limit": memory.limit, "full": full}


def is_ready(service: Service, believed: float = DIAGNOSIS_SECONDS) -> bool:
    """Whether a knock would open a door now; ``believed`` as for `diagnosis`.

    One capture of several will do: a network may well be down.
    """
    states = [capture.state for capture in service.intake.captures]
    return (
        service.configuration is not None
        and CaptureState.CAPTURING in states
        and diagnosis(service, believed).ready
        and bool(_clock(service)["ok"])
        and not service.options.test
    )


def origin(service: Service) -> Json:
    """Where the configuration in force comes from: ``source`` uci, files or none, and ``file``."""
    configuration, options = service.configuration, service.options
    if configuration is None:
        return {"source": "none", "file": options.uci or ""}
    if configuration.source == "uci":
        return {"source": "uci", "file": options.uci or ""}
    return {"source": "files", "file": options.config_file}


def _clock(service: Service) -> Json:
    problem = service.clock.problem()
    waits = service.engine.settings.policy.wait_for_clock
    heeded = "" if waits or not problem else "; knocks are judged by it all the same"
    return {"ok": not problem or not waits, "detail": f"{problem}{heeded}"}


def _configuration(service: Service) -> Json:
    configuration = service.configuration
    problems = (*configuration.problems, *service.gpg.problems) if configuration else ()
    used = origin(service)
    return {
        **used,
        "enabled": used["source"] == "uci",
        "loaded_at": service.reloading.loaded_at,
        "outdated": service.reloading.is_outdated(),
        "problems": problems_json(problems),
        "last_error": "\n".join(map(str, service.reloading.errors)) or None,
        "detail": str(service.reloading.idle or ""),
    }


def problems_json(problems: Iterable[Problem]) -> list[Json]:
    """Problems as the control protocol gives them."""
    return [
        {
            "severity": str(problem.severity),
            "file": problem.file,
            "line": problem.line,
            "section": problem.section,
            "option": problem.option,
            "message": problem.message,
            "remedy": problem.remedy,
        }
        for problem in problems
    ]


def diagnosis(service: Service, believed: float = DIAGNOSIS_SECONDS) -> Diagnosis:
    """Whether doors let people in, as found within the last ``believed`` seconds."""
    if service.configuration is not None and not service.guard.devices:
        return Diagnosis(False, NO_DEVICE)
    return service.guard.diagnosis(believed)


def _connections(service: Service) -> Json:
    problem = service.engine.doors.endings.connections.problem()
    return {"known": not problem, "detail": problem}


def _log(service: Service) -> Json:
    """Events lost on their way out, and what to do about those of the last day."""
    found = {outlet: losses() for outlet, losses in service.events.losing.items()}
    recent = service.clock.now() - LOSS_WARNING_SECONDS
    return {
        "lost": [
            {
                "outlet": str(outlet),
                "place": printable(losses.place),
                "count": losses.count,
                "newest": losses.newest,
                "why": losses.why,
            }
            for outlet, losses in found.items()
            if losses.count
        ],
        "warnings": [
            _loss_warning(outlet, losses)
            for outlet, losses in found.items()
            if losses.count and losses.newest >= recent
        ],
    }


def _loss_warning(outlet: Outlet, losses: Losses) -> str:
    count, strerror = losses.count, losses.why or NO_ROOM
    if outlet is Outlet.LOG_SERVER:
        address = losses.place
        return (
            f"Events that did not reach the log server {address}: at least {count} ({strerror}). "
            "See that it runs there and takes syslog over UDP, or set SYSLOG_SERVER to where "
            "it does."
        )
    path = printable(losses.place)
    return (
        f"Events that could not be written to --events {path}: {count} ({strerror}). Make room "
        "there, or see that who reads there does, or name another file."
    )


def _waiting(service: Service, network: WaitingNetwork) -> Json:
    return {
        "name": f"network {network.name}",
        "kind": "pcap" if service.intake.request.how else "udp",
        "state": str(CaptureState.WAITING),
        "detail": network.detail,
        "received": 0,
        "dropped": 0,
        "since": service.engine.reporting.epoch(network.since),
    }


def _capture(service: Service, capture: ReopeningCapture) -> Json:
    stats = capture.stats()
    return {
        "name": capture.device or capture.name,
        "kind": capture.kind,
        "state": str(capture.state),
        "detail": capture.limits(),
        "received": stats.received,
        "dropped": stats.dropped,
        "since": service.engine.reporting.epoch(capture.since),
    }


def grant_json(service: Service, listed: Listed) -> Json:
    """One door; ``opened`` and ``expires`` are epoch seconds.

    ``connections`` is None when they can't be told.
    """
    grant, door = listed.grant, listed.grant.door
    return {
        "id": grant.id,
        "client": grant.client,
        "address": door.who,
        "port": door.what,
        "nat": None if door.nat is None else str(door.nat),
        "local": door.local,
        "destination": None if door.destination is None else str(door.destination),
        "source_nat": None if door.source_nat is None else str(door.source_nat),
        "opened": service.engine.reporting.epoch(grant.opened),
        "expires": service.engine.reporting.epoch(listed.ends),
        "connections": listed.connections,
    }


def client_json(stanza: Stanza, last: LastKnock | None) -> Json:
    """One client; ``last_knock`` is None when there was none since the start."""
    return {
        "number": stanza.number,
        "label": printable_name(stanza.label),
        "enabled": stanza.enabled,
        "last_knock": last.time if last else None,
        "last_accepted": bool(last and last.accepted),
        "ended": bool(stanza.old_keys_of) and stanza.access_expire == 0,
        "ends": stanza.access_expire,
        "old_keys_of": printable_name(stanza.old_keys_of) if stanza.old_keys_of else "",
    }


def cycle_json(service: Service, cycle: OpenCycle) -> Json:
    """One open command cycle, like a door; ``command`` is what will close it."""
    epoch = service.engine.reporting.epoch
    return {
        "id": cycle.id,
        "client": cycle.client,
        "address": str(cycle.address),
        "port": cycle.port,
        "nat": None,
        "local": False,
        "destination": None,
        "source_nat": None,
        "opened": epoch(cycle.opened),
        "expires": epoch(cycle.expires),
        "connections": None,
        "command": printable(cycle.closing.text),
    }
