"""Doors of each kind, to make seeds of."""

from __future__ import annotations

from ipaddress import ip_address

from fwknopd.grants import Door
from fwknopd.policy.stanza import NatTarget, SourceNat
from fwknopd.spa.request import PortSpec, Protocol

_SSH, _DNS = PortSpec(Protocol.TCP, 22), PortSpec(Protocol.UDP, 53)
_PHONE, _PHONE6 = ip_address("198.51.100.7"), ip_address("2001:db8:1::7")
_HOST, _HOST6 = (NatTarget(ip_address(text), 22) for text in ("192.168.1.5", "2001:db8:2::5"))
_NET, _AT = ip_address("198.51.100.0"), ip_address("203.0.113.1")

DOORS = (
    Door(_PHONE, _SSH),
    Door(_PHONE6, _DNS),
    Door(_NET, _SSH, prefix=24),
    Door(_PHONE, _SSH, _HOST),
    Door(_PHONE6, _SSH, _HOST6),
    Door(_PHONE, _SSH, _HOST, local=True),
    Door(_PHONE, _SSH, _HOST, translate=False),
    Door(_PHONE, _SSH, _HOST, source_nat=SourceNat(ip_address("192.168.1.1"))),
    Door(_PHONE, _SSH, _HOST, source_nat=SourceNat(None)),
    Door(_PHONE, None, _HOST),
    Door(_PHONE, None),
    Door(_PHONE, _SSH, destination=_AT),
    Door(_PHONE, _SSH, _HOST, destination=_AT),
)
