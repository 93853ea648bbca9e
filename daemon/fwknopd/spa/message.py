"""A decrypted knock: its types, and plaintext to message and back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from fwknopd.spa.digest import DigestType
from fwknopd.spa.request import AccessRequest, CommandRequest, NatRequest


class MessageType(IntEnum):
    """Message types of protocol 3.0.0. The numbers are not ordered by feature."""

    COMMAND = 0
    ACCESS = 1
    NAT_ACCESS = 2
    CLIENT_TIMEOUT_ACCESS = 3
    CLIENT_TIMEOUT_NAT_ACCESS = 4
    LOCAL_NAT_ACCESS = 5
    CLIENT_TIMEOUT_LOCAL_NAT_ACCESS = 6


@dataclass(frozen=True, slots=True)
class SpaMessage:
    """Everything a packet said, validated.

    - ``rand``: 16 characters; ``user``: 1..48 printable characters
    - ``timestamp``: seconds since 1970 UTC, by the client's clock
    - ``message``, ``nat_access``, ``server_auth``: the decoded fields as sent
    - ``client_timeout``: seconds, 0 when the client named none
    - ``digest``: base64 text of the unkeyed digest, of type ``digest_type``
    - ``request``, ``nat``: ``message`` and ``nat_access`` as typed values
    """

    rand: str
    user: str
    timestamp: int
    version: str
    message_type: MessageType
    message: bytes
    nat_access: bytes | None
    server_auth: bytes | None
    client_timeout: int
    digest_type: DigestType
    digest: str
    request: AccessRequest | CommandRequest
    nat: NatRequest | None
