"""An authenticated message, where it came from, and by whose rules it is judged."""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from fwknopd.policy.addresses import granted_address, plain
from fwknopd.policy.packet import Packet
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Reason, Refusal
from fwknopd.spa.message import MessageType, SpaMessage

FORWARDED = frozenset({MessageType.NAT_ACCESS, MessageType.CLIENT_TIMEOUT_NAT_ACCESS})
LOCAL = frozenset({MessageType.LOCAL_NAT_ACCESS, MessageType.CLIENT_TIMEOUT_LOCAL_NAT_ACCESS})


class Knock(NamedTuple):
    """An authenticated message and where it came from. ``now`` is epoch seconds.

    ``utc_offset`` is how many seconds the router's wall clock is ahead of UTC.
    ``signer`` is the GPG key that signed it, None where nobody asks for a signature.
    """

    stanza: Stanza
    message: SpaMessage
    packet: Packet
    forwarded_for: IPv4Address | None
    settings: PolicySettings
    now: int
    utc_offset: int = 0
    signer: str | None = None

    @property
    def address(self) -> IPv4Address | IPv6Address:
        """Who is to be let in."""
        return granted_address(self.message.request.address, self.packet, self.forwarded_for)

    @property
    def addresses(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """`address`, and where the packet came from if this client gets that too.

        Behind carrier NAT the two differ, and only the second is what connections come from.
        """
        source = plain(self.packet.source)
        if not self.stanza.grant_source or source.is_unspecified:
            return (self.address,)
        return tuple(dict.fromkeys((self.address, source)))

    def refuse(self, reason: Reason, detail: str, **facts: int) -> Refusal:
        """A refusal that names this client and message."""
        return Refusal(reason, detail, self.stanza, self.message, tuple(facts.items()))
