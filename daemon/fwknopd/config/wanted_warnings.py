"""What somebody may not have meant who wrote what is wanted of clients. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fwknopd.config import old_key_sections as old_keys
from fwknopd.config.problems import Problem, Severity
from fwknopd.config.stanza_keys import HMAC_NAMES
from fwknopd.config.uci_model import UciPackage, UciSection
from fwknopd.config.wanted import State, Wanted, WantedClient

PORTS = "OPEN_PORTS"


def wanted_warnings(old: UciPackage, new: UciPackage, wanted: Wanted) -> tuple[Problem, ...]:
    """Warnings of each client that is wanted, where ``old`` became ``new``.

    Nothing of it is a fault. But what is empty may have lost its value on the way, and a client
    without OPEN_PORTS may ask for every port; and nobody looks for who is revoked already. That
    something is empty is told by the run that makes it so, and not by each one after it.
    """
    before, after = _by_name(old), _by_name(new)
    return tuple(
        problem
        for client in wanted.clients
        for problem in _of_client(client, before.get(client.name), after.get(client.name))
    )


def _by_name(package: UciPackage) -> dict[str, UciSection]:
    sections = package.of_type(old_keys.ACCESS)
    return {old_keys.name_of(s): s for s in sections if not s.get(old_keys.OWNER)}


def _of_client(
    client: WantedClient, before: UciSection | None, after: UciSection | None
) -> Iterator[Problem]:
    if client.state is State.REVOKED:
        if before is None:
            message = f"there is no client {client.name} here: nothing to revoke"
            yield _warning(client, "", message, "Look at the name: fwknopctl client list")
        return
    if after is None:
        return
    if PORTS in client.emptied and not after.get(PORTS) and (not before or before.get(PORTS)):
        message = f"client {client.name} may open every port, as {PORTS} is given without a value"
        yield _warning(client, PORTS, message, "Write its ports, such as tcp/22.")
    emptied = [name for name in HMAC_NAMES if name in client.emptied]
    had_one = before is None or any(map(before.get, HMAC_NAMES))
    if emptied and had_one and not any(map(after.get, HMAC_NAMES)):
        message = f"client {client.name} has no HMAC key, as {emptied[0]} is given without a value"
        yield _warning(client, emptied[0], message, "Give it one, such as fwknopctl keygen makes.")


def _warning(client: WantedClient, option: str, message: str, remedy: str) -> Problem:
    file, line = client.origin or ("", None)
    return Problem(Severity.WARNING, file, line, option, message, remedy)
