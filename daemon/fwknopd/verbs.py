"""What the control socket's verbs do to the running service."""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from fwknopd.command_queue import Asker
from fwknopd.config.problems import Problem
from fwknopd.control.protocol import VerbError
from fwknopd.cycle_table import OpenCycle
from fwknopd.door_list import DoorLister, last_to_close
from fwknopd.events import FirewallWork
from fwknopd.firewall import FirewallError
from fwknopd.grants import UNKNOWN_CLIENT, Grant
from fwknopd.policy.packet import Packet
from fwknopd.service import Service
from fwknopd.status import client_json, cycle_json, grant_json, origin, problems_json, status

if TYPE_CHECKING:
    from fwknopd.exposed_ports import ExposedPorts
    from fwknopd.gpg_explaining import GpgExplaining
    from fwknopd.packet_watch import PacketWatch

Json = dict[str, Any]

UDP = 17

LISTED = 2000
"""Open doors in an answer to `grants`, unless more are asked for."""


class Verbs:
    """One method per verb. Arguments have been checked against the protocol's table."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._gpg_explaining: GpgExplaining | None = None
        self._lister = DoorLister(service.engine.doors, service.clock)
        self._watch: PacketWatch | None = None
        self._exposed: ExposedPorts | None = None

    def table(self) -> Mapping[str, Callable[[Json], Json]]:
        """The handlers by verb, as the control server wants them."""
        return {
            "status": self.status,
            "grants": self.grants,
            "events": self.events,
            "revoke": self.revoke,
            "reload": self.reload,
            "explain": self.explain,
            "clients": self.clients,
            "rehearse": self.rehearse,
            "watch": self.watch,
            "watched": self.watched,
            "metrics": self.metrics,
            "scrape": self.scrape,
            "exposed": self.exposed,
        }

    def status(self, _: Json) -> Json:
        """The daemon at one glance."""
        return status(self._service)

    def grants(self, arguments: Json) -> Json:
        """Open doors, as the kernel has them, and who is still connected through others.

        Open command cycles stand among the doors. ``open`` is how many there are of both,
        also of doors beyond the limit.
        """
        service, doors = self._service, self._lister.list()
        cycles = service.engine.commands.loaded.cycles.table
        shown = last_to_close(doors.open, arguments.get("limit", LISTED))
        return {
            "now": service.clock.now(),
            "open": len(doors.open) + len(cycles),
            "grants": [
                *(grant_json(service, listed) for listed in shown),
                *(cycle_json(service, cycle) for cycle in cycles),
            ],
            "past": [grant_json(service, listed) for listed in doors.past],
            "unread": doors.unread,
            "uncounted": doors.uncounted,
        }

    def events(self, arguments: Json) -> Json:
        """The newest events, oldest first."""
        log = self._service.events
        limit, after = arguments.get("limit", 100), arguments.get("after", 0)
        recent = log.recent(limit, after, arguments.get("before"))
        return {"events": [event.as_json() for event in recent], "last": log.last_id}

    def revoke(self, arguments: Json) -> Json:
        """Close doors, end command cycles, and cut connections, now. Raises VerbError.

        ``cut`` in the answer is how many; None when it was not asked for.
        """
        select, cut = _selection(arguments), bool(arguments.get("cut"))
        engine = self._service.engine
        cycles = engine.commands.loaded.revoke(select)
        try:
            revoked = engine.doors.revoke(select, cut=cut)
        except FirewallError as error:
            engine.events.firewall_errors[FirewallWork.CLOSE] += 1
            raise VerbError(
                "firewall",
                f"the firewall did not close them: {error}",
                "Look at `fwknopctl grants` for what is still open",
            ) from error
        made = revoked.cut
        return {
            "revoked": cycles + revoked.doors,
            "cut": None if made is None else made.count,
            "spared": made.spared if made else 0,
            "uncut": made.problem if made else "",
        }

    def reload(self, _: Json) -> Json:
        """Read the configuration anew; the old one stays when the new one is faulty.

        ``source`` and ``file`` name what is in force afterwards.
        """
        errors = self._service.reload()
        warnings = () if errors else self._warnings()
        return {
            "reloaded": not errors,
            "problems": problems_json((*errors, *warnings)),
            **origin(self._service),
        }

    def _warnings(self) -> tuple[Problem, ...]:
        """What to say of a configuration in force; above all, that there is none."""
        service = self._service
        if service.configuration is not None:
            return service.configuration.problems
        return (service.reloading.idle,) if service.reloading.idle else ()

    def explain(self, arguments: Json) -> Json:
        """What would become of a packet, and why. Raises VerbError when it can't be read."""
        return self._explained(_packet(arguments))

    def clients(self, _: Json) -> Json:
        """Who there is, to choose from for `rehearse`, and when each knocked last."""
        engine = self._service.engine
        stanzas, last = engine.settings.stanzas, engine.reporting.last_knock
        return {"clients": [client_json(stanza, last(stanza)) for stanza in stanzas]}

    def rehearse(self, arguments: Json) -> Json:
        """Make a knock with a client's keys and explain it. Raises VerbError."""
        from fwknopd.rehearsal import rehearsed

        engine, now = self._service.engine, int(self._service.clock.now())
        packet = rehearsed(engine.settings.stanzas, arguments, now)
        return self._explained(packet)

    def watch(self, arguments: Json) -> Json:
        """Explain the packets of the next seconds; what was watched before is forgotten."""
        from fwknopd.packet_watch import PacketWatch

        service = self._service
        if self._watch is not None:
            self._watch.stop()
        self._watch = PacketWatch(service.engine, service.clock, arguments.get("seconds", 60))
        return self._watch.as_json()

    def watched(self, _: Json) -> Json:
        """What was watched so far; nothing when nobody asked for it."""
        if self._watch is not None:
            return self._watch.as_json()
        now = self._service.clock.now()
        return {"now": now, "until": 0, "packets": [], "more": 0}

    def metrics(self, arguments: Json) -> Json:
        """Everything in numbers: ``text`` is OpenMetrics text."""
        from fwknopd.metrics import metrics_text

        by_client = bool(arguments.get("by_client"))
        return {"text": metrics_text(self._service, by_client=by_client)}

    def scrape(self, arguments: Json) -> Json:
        """The same for who has the token of the configuration. Raises VerbError for others."""
        from fwknopd.metrics import check_token

        check_token(self._service, arguments["token"])
        return self.metrics(arguments)

    def exposed(self, arguments: Json) -> Json:
        """Ports at which anybody gets in without a knock. Raises VerbError."""
        if self._exposed is None:
            from fwknopd.exposed_ports import ExposedPorts

            self._exposed = ExposedPorts(self._service)
        return self._exposed.told(arguments)

    def _explained(self, packet: Packet) -> Json:
        """``pending``: gpg is still at it, ask again."""
        # Loaded with the first question: most of the time nobody asks.
        from fwknopd.policy.explanation import explain

        engine, clock = self._service.engine, self._service.clock
        settings = engine.settings
        made = partial(
            explain,
            packet,
            settings.stanzas,
            settings.policy,
            engine.replay,
            int(clock.now()),
            clock.problem(),
            clock.utc_offset(clock.now()),
        )
        if not any(stanza.gpg for stanza in settings.stanzas):
            return made().as_json()
        explanation, whole = self._explaining().explain(packet, lambda gpg: made(gpg=gpg))
        return explanation.as_json() | ({} if whole else {"pending": True})

    def _explaining(self) -> GpgExplaining:
        if self._gpg_explaining is None:
            from fwknopd.gpg_explaining import GpgExplaining

            self._gpg_explaining = GpgExplaining(self._service.gpg)
        return self._gpg_explaining


def _packet(arguments: Json) -> Packet:
    """The packet to be explained; an address nobody named is 0.0.0.0."""
    try:
        payload = a2b_base64(arguments["payload"], strict_mode=True)
        source, destination = (
            ip_address(arguments.get(name, "0.0.0.0"))  # noqa: S104 - "unknown", nothing binds
            for name in ("source", "destination")
        )
    except ValueError as error:
        raise VerbError(
            "bad-argument",
            f"this is no packet: {error}",
            "Give its payload in base64, and plain addresses",
        ) from None
    return Packet(payload, source, destination, None, None, UDP, "udp")


def _selection(arguments: Json) -> Callable[[Grant | OpenCycle | Asker], bool]:
    """Which grants and cycles the arguments of `revoke` mean. Raises VerbError."""
    if arguments.get("all"):
        return lambda grant: True
    if "id" in arguments:
        return lambda grant: grant.id == arguments["id"]
    if "client" in arguments:
        return lambda grant: grant.client in _labels(arguments["client"])
    try:
        address = ip_address(arguments.get("address", ""))
    except ValueError:
        raise VerbError(
            "bad-argument",
            "revoke needs an id, a client, an address or all",
            "Look at `fwknopctl grants` for what is open",
        ) from None
    return lambda grant: _address(grant) == address


def _labels(name: str) -> tuple[str, ...]:
    """What the doors of a client may be called.

    `#1` is a comment to a shell, so the number alone will do. Doors whose owner nobody knows
    may be this client's, so they are closed with its own.
    """
    number = (f"#{name}",) if name.isascii() and name.isdigit() else ()
    return (name, *number, UNKNOWN_CLIENT)


def _address(grant: Grant | OpenCycle | Asker) -> object:
    return grant.door.address if isinstance(grant, Grant) else grant.address
