"""Recorded packets that the C daemon and our policy judge differently, and why.

Differences that arise before policy, in reading the packet, are in `deviations.py`.
The vector tests fail for a difference not listed, and for one listed that is none.
"""

from __future__ import annotations

from dataclasses import dataclass

from fwknopd.policy.verdict import Reason

_NAMES = "what is neither an address nor a host name leads nowhere; the C daemon finds out later"
_FAMILY = "an IPv4 client can't be led to an IPv6 host"
_SETS = "a port list is a set; the C daemon counts matches, so a port listed twice miscounts"


@dataclass(frozen=True, slots=True)
class PolicyDeviation:
    """What we answer instead."""

    ours: Reason
    why: str


POLICY_DEVIATIONS: dict[str, PolicyDeviation] = {
    # Accepted by the C daemon, refused here.
    "pol-open-dup-trick": PolicyDeviation(Reason.PORT_NOT_ALLOWED, _SETS),
    "forge-nat-bad-ip": PolicyDeviation(Reason.NAT_TARGET_INVALID, _NAMES),
    "forge-nat-empty-host": PolicyDeviation(Reason.NAT_TARGET_INVALID, _NAMES),
    "forge-nat-semicolon": PolicyDeviation(Reason.NAT_TARGET_INVALID, _NAMES),
    "forge-nat-v6": PolicyDeviation(Reason.NAT_TARGET_INVALID, _FAMILY),
    "forge-nat-long": PolicyDeviation(Reason.NAT_TARGET_INVALID, _NAMES),
    "forge-nat-newline": PolicyDeviation(Reason.NAT_TARGET_INVALID, _NAMES),
    "gpgforge-nat-host-70": PolicyDeviation(Reason.NAT_TARGET_INVALID, _NAMES),
    "nat-host-64": PolicyDeviation(Reason.NAT_TARGET_INVALID, _NAMES),
    # Refused by the C daemon, accepted here.
    "pol-open-dup-in-stanza": PolicyDeviation(Reason.ACCEPTED, _SETS),
}
