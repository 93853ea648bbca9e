"""The verbs of the control socket, loaded with the first request: few routers are often asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fwknopd.control.server import Handler

if TYPE_CHECKING:
    from fwknopd.service import Service


class LateVerbs:
    """Handlers for a `ControlServer`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._table: Mapping[str, Handler] | None = None

    def get(self, verb: str, /) -> Handler | None:
        """Who answers this verb."""
        if self._table is None:
            # What answering takes is loaded here too, where the server has a descriptor for it.
            import fwknopd.firewall.conntrack
            import fwknopd.knock_commands  # noqa: F401
            from fwknopd.verbs import Verbs

            self._table = Verbs(self._service).table()
        return self._table.get(verb)
