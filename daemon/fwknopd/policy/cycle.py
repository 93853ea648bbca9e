"""Command cycles: a configured command at each knock, and another when its time is over.

Rules: behaviour notes 10. On purpose different from the C daemon: the port lists and
MAX_FW_TIMEOUT apply, the client's user and group too, and there is always a time, as
``$CLIENT_TIMEOUT`` 0 would mean "for ever" to a firewall.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fwknopd.policy.addresses import plain
from fwknopd.policy.command import Command, as_configured, split_text
from fwknopd.policy.knock import Knock
from fwknopd.policy.stanza import NEVER, Stanza
from fwknopd.policy.verdict import CycleDecision
from fwknopd.spa.request import PortSpec

# The C daemon looks at what follows the $ and takes the first name that fits its beginning;
# no name begins with another. Any other $ vanishes.
_VARIABLE = re.compile(rb"\$(IP|SRC|PKT_SRC|DST|PORT|PROTO|TIMEOUT|CLIENT_TIMEOUT)?")

Values = Mapping[bytes, bytes]


def substituted(template: str, values: Values) -> tuple[bytes, ...]:
    """The words of a configured command with its variables' values.

    A value never becomes more than a part of one word. Words that end up empty are none.
    """
    words = (
        _VARIABLE.sub(lambda found: values.get(found[1], b""), word)
        for word in split_text(template)
    )
    return tuple(word for word in words if word)


def lifetime(stanza: Stanza, client_timeout: int) -> int:
    """Seconds between the two commands, and the most a grant may last at that."""
    wish = client_timeout or stanza.cmd_cycle_timer or stanza.fw_access_timeout
    return max(1, min(wish, stanza.max_fw_timeout))


def decide_cycle(knock: Knock, asked: tuple[PortSpec, ...]) -> CycleDecision:
    """The commands of a knock that may have the ports it asks for; only the first counts."""
    stanza, seconds = knock.stanza, lifetime(knock.stanza, knock.message.client_timeout)
    values = _values(knock, asked[0], seconds)
    closing = None
    if not stanza.cmd_cycle_close.startswith(NEVER):
        closing = _command(knock, stanza.cmd_cycle_close, values)
    timeless = {**values, b"TIMEOUT": b"", b"CLIENT_TIMEOUT": b""}
    return CycleDecision(
        stanza=stanza,
        message=knock.message,
        address=knock.address,
        port=asked[0],
        opening=_command(knock, stanza.cmd_cycle_open, values),
        closing=closing,
        undoes=_command(knock, stanza.cmd_cycle_close, timeless).words if closing else (),
        lifetime=seconds,
        signer=knock.signer,
    )


def _command(knock: Knock, template: str, values: Values) -> Command:
    return as_configured(substituted(template, values), knock.stanza, knock.settings)


def _values(knock: Knock, port: PortSpec, seconds: int) -> dict[bytes, bytes]:
    packet = knock.packet
    values = {
        "IP": knock.address,
        "SRC": knock.address,
        "PKT_SRC": plain(packet.source),
        "DST": plain(packet.destination),
        "PORT": port.port,
        "PROTO": port.protocol.number,
        "TIMEOUT": knock.message.timestamp + seconds,
        "CLIENT_TIMEOUT": seconds,
    }
    return {name.encode(): str(value).encode() for name, value in values.items()}
