"""At which ports a client's knocks let it in from outside: those nobody else should get in at.

What OPEN_PORTS names is that for every kind of access but two: FORWARD_ALL leads to every port
of an inside host, and DISABLE_DNAT to a port of its own network, which no address here has.
"""

from __future__ import annotations

from dataclasses import dataclass

from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import NEVER, Address, Standing, Stanza
from fwknopd.spa.request import PortSpec

NONE: frozenset[PortSpec] = frozenset()


def outside_ports(stanza: Stanza, now: float) -> frozenset[PortSpec]:
    """The ports; none of a client that can't knock, or may ask for any."""
    is_led = stanza.force_nat is not None
    if stanza.standing(now) is not Standing.PRESENT or stanza.old_keys_of:
        return NONE
    if stanza.cmd_cycle_open and not stanza.cmd_cycle_open.startswith(NEVER):
        return NONE
    if stanza.forward_all and (is_led or stanza.force_snat is not None):
        return NONE
    if stanza.disable_dnat and is_led:
        return NONE
    return frozenset(port for port in stanza.open_ports or () if port.port)


@dataclass(frozen=True, slots=True)
class Led:
    """Where strangers get to who are led elsewhere: to a port of the router, if ``here``.

    What can't be told is None.
    """

    address: Address | None
    port: int | None
    here: bool = False


def is_same_place(
    stanza: Stanza, port: PortSpec, led: Led | None, settings: PolicySettings
) -> bool:
    """Whether strangers at ``port`` get to what the client's door leads to. ``led`` None: here.

    Others than the client may well see something else at a port at which it is led to an inside
    host: that is no way around its door.
    """
    target = stanza.force_nat
    if target is None:
        return True
    inside = target.port or port.port
    if led is None:
        return False
    if not settings.enable_ipt_forwarding:
        return led.here and led.port == inside
    return led.address == target.address and led.port == inside
