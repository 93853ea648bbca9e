"""The configuration as it is first installed: no client, nothing switched on."""

from __future__ import annotations

from fwknopd.config.uci_format import UciPackage, parse_uci

_TEXT = """
config global

config network

config access
\toption SOURCE 'ANY'
\toption HMAC_KEY '__CHANGEME__'
\toption KEY '__CHANGEME__'

config config
\toption ENABLE_IPT_FORWARDING 'Y'
\toption ENABLE_NAT_DNS 'Y'
"""


def factory_package() -> UciPackage:
    """What the package's own /etc/config/fwknopd says."""
    return parse_uci(_TEXT, "factory")
