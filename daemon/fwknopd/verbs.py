"""What the control socket's verbs do to the running service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from fwknopd.control.protocol import VerbError
from fwknopd.firewall import FirewallError
from fwknopd.grants import Grant
from fwknopd.service import Service
from fwknopd.status import grant_json, problems_json, status

Json = dict[str, Any]


class Verbs:
    """One method per verb. Arguments have been checked against the protocol's table."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def table(self) -> Mapping[str, Callable[[Json], Json]]:
        """The handlers by verb, as the control server wants them."""
        return {
            "status": self.status,
            "grants": self.grants,
            "events": self.events,
            "revoke": self.revoke,
            "reload": self.reload,
        }

    def status(self, _: Json) -> Json:
        """The daemon at one glance."""
        return status(self._service)

    def grants(self, _: Json) -> Json:
        """Every open door."""
        service = self._service
        return {
            "now": service.clock.now(),
            "grants": [grant_json(service, grant) for grant in service.engine.grants],
        }

    def events(self, arguments: Json) -> Json:
        """The newest events, oldest first."""
        log = self._service.events
        recent = log.recent(arguments.get("limit", 100), arguments.get("after", 0))
        return {"events": [event.as_json() for event in recent], "last": log.last_id}

    def revoke(self, arguments: Json) -> Json:
        """Close doors now. Raises VerbError when the firewall refuses."""
        try:
            return {"revoked": self._service.engine.revoke(self._named(arguments))}
        except FirewallError as error:
            raise VerbError("firewall", f"the doors are still open: {error}", "") from error

    def _named(self, arguments: Json) -> list[Grant]:
        table = self._service.engine.grants
        if arguments.get("all"):
            return table.revoke_all()
        if "id" in arguments:
            return table.revoke_id(arguments["id"])
        if "client" in arguments:
            return table.revoke_client(arguments["client"])
        try:
            return table.revoke_address(ip_address(arguments.get("address", "")))
        except ValueError:
            raise VerbError(
                "bad-argument",
                "revoke needs an id, a client, an address or all",
                "Look at `fwknopctl grants` for what is open",
            ) from None

    def reload(self, _: Json) -> Json:
        """Read the configuration anew; the old one stays when the new one is faulty."""
        errors = self._service.reload()
        configuration = self._service.configuration
        warnings = configuration.problems if configuration and not errors else ()
        return {"reloaded": not errors, "problems": problems_json((*errors, *warnings))}
