"""A decrypted knock: plaintext to message and back.

A plaintext is fields joined by colons, the last one being the digest of all
before. `parse_plaintext` checks them in libfko's order, so that one flaw gets the
same name here and there. Where libfko is lax (numbers are strtol's, a NUL ends a
field, base64 ends at the first ``=``) we are not; no known client needs it.
"""

import re
from enum import IntEnum
from typing import NamedTuple

from fwknopd.spa import base64, fields
from fwknopd.spa.digest import DigestType, digest_text, verify_digest
from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.request import (
    AccessRequest,
    CommandRequest,
    NatRequest,
    parse_access,
    parse_command,
    parse_nat,
)

PROTOCOL_VERSION = "3.0.0"
MIN_TEXT = 36
MAX_TEXT = 1499

_MIN_COLONS = 6
_MAX_COLONS = 11
_MANDATORY = 6
_RANDOM_START = re.compile(rb"[0-9]{16}:")
_PRINTABLE = re.compile(rb"[ -~]*")


class MessageType(IntEnum):
    """Message types of protocol 3.0.0. The numbers are not ordered by feature."""

    COMMAND = 0
    ACCESS = 1
    NAT_ACCESS = 2
    CLIENT_TIMEOUT_ACCESS = 3
    CLIENT_TIMEOUT_NAT_ACCESS = 4
    LOCAL_NAT_ACCESS = 5
    CLIENT_TIMEOUT_LOCAL_NAT_ACCESS = 6

    @property
    def has_nat(self) -> bool:
        """Carries nat_access."""
        return self in (2, 4, 5, 6)

    @property
    def has_timeout(self) -> bool:
        """Carries the client's timeout."""
        return self in (3, 4, 6)


# To look one up here takes a tenth of the time it takes to ask the class.
_TYPES = {kind.value: kind for kind in MessageType}


class SpaMessage(NamedTuple):
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


def parse_plaintext(text: bytes, *, gpg: bool = False) -> SpaMessage:
    """The message of a decrypted text without its padding. Raises `SpaError`.

    ``gpg``: the text came out of a GPG packet, whose random value need not be digits.
    """
    if not gpg and not _RANDOM_START.match(text):
        # Rubbish looks like this once in 2**82 packets, so it is the test of the key too.
        raise SpaError(
            SpaErrorCode.DECRYPTION_FAILURE, "the text is rubbish: another encryption key or mode"
        )
    visible, nul, _ = text.partition(b"\0")
    *parts, digest = _split(visible, len(text))
    digest_type = verify_digest(visible[: -len(digest) - 1], digest)
    if nul:
        raise SpaError(SpaErrorCode.DIGEST_VERIFICATION_FAILED, "a NUL hides part of the text")
    rand = fields.parse_rand(parts[0])
    user = fields.parse_user(parts[1])
    timestamp = fields.parse_timestamp(parts[2])
    version = fields.parse_version(parts[3])
    message_type = _parse_type(parts[4], len(parts) - _MANDATORY)
    message, request = _parse_message(message_type, parts[5])
    nat_access, nat, rest = _parse_nat_access(message_type, parts[_MANDATORY:])
    server_auth, client_timeout = _parse_rest(message_type, rest)
    return SpaMessage(
        rand=rand,
        user=user,
        timestamp=timestamp,
        version=version,
        message_type=message_type,
        message=message,
        nat_access=nat_access,
        server_auth=server_auth,
        client_timeout=client_timeout,
        digest_type=digest_type,
        digest=digest.decode("ascii"),
        request=request,
        nat=nat,
    )


def build_plaintext(
    *,
    rand: str,
    user: str,
    timestamp: int,
    message_type: MessageType,
    message: bytes,
    nat_access: bytes | None = None,
    server_auth: bytes | None = None,
    client_timeout: int = 0,
    digest_type: DigestType = DigestType.SHA256,
    version: str = PROTOCOL_VERSION,
) -> bytes:
    """The plaintext a client encrypts; the arguments mean what `SpaMessage` says.

    Raises `SpaError` when a server would refuse it, and ValueError when NAT target or
    timeout are given to a type without them.
    """
    if nat_access is not None and not message_type.has_nat:
        raise ValueError(f"a message of type {message_type.name} carries no NAT target")
    if client_timeout and not message_type.has_timeout:
        raise ValueError(f"a message of type {message_type.name} carries no timeout")
    parts = [
        rand.encode(),
        base64.encode(user.encode()),
        b"%d" % timestamp,
        version.encode(),
        b"%d" % message_type,
        base64.encode(message),
        *(base64.encode(field) for field in (nat_access, server_auth) if field is not None),
        *([b"%d" % client_timeout] if message_type.has_timeout else []),
    ]
    text = b":".join(parts)
    text += b":" + digest_text(digest_type, text)
    # The receiver's limits are the tighter ones, and they are all in one place.
    parse_plaintext(text)
    return text


def _split(visible: bytes, length: int) -> list[bytes]:
    """The fields, digest last. ``length`` counts what a NUL may hide."""
    if not MIN_TEXT <= length <= MAX_TEXT:
        raise SpaError(
            SpaErrorCode.DECODE_MSGLEN_VALIDFAIL, f"a text of {length} bytes can't be a message"
        )
    if not _PRINTABLE.fullmatch(visible):
        raise SpaError(
            SpaErrorCode.DECODE_NON_ASCII, "the text has characters that aren't printable ASCII"
        )
    # libfko stops looking for the digest after so many colons.
    parts = visible.split(b":", _MAX_COLONS)
    if len(parts) <= _MIN_COLONS:
        raise SpaError(SpaErrorCode.DECODE_LT_MIN_FIELDS, "the text has too few fields")
    return parts


def _parse_type(text: bytes, extras: int) -> MessageType:
    message_type = _TYPES[fields.parse_type(text)]
    if extras > 1 + message_type.has_nat + message_type.has_timeout:
        raise SpaError(
            SpaErrorCode.DECODE_WRONG_NUM_FIELDS, "the text has more fields than its type allows"
        )
    return message_type


def _parse_message(
    message_type: MessageType, text: bytes
) -> tuple[bytes, AccessRequest | CommandRequest]:
    message = fields.parse_base64(text, "MESSAGE", fields.MAX_MESSAGE_TEXT)
    if message_type is MessageType.COMMAND:
        return message, parse_command(message)
    return message, parse_access(message)


def _parse_nat_access(
    message_type: MessageType, extras: list[bytes]
) -> tuple[bytes | None, NatRequest | None, list[bytes]]:
    """nat_access raw and typed, and the fields behind it."""
    if not message_type.has_nat:
        return None, None, extras
    text, *rest = extras or [b""]
    nat_access = fields.parse_base64(text, "NATACCESS", fields.MAX_MESSAGE_TEXT)
    return nat_access, parse_nat(nat_access), rest


def _parse_rest(message_type: MessageType, rest: list[bytes]) -> tuple[bytes | None, int]:
    """server_auth and client timeout; with a timeout the last field always is the timeout."""
    if len(b":".join(rest)) > fields.MAX_REST_TEXT:
        raise SpaError(
            SpaErrorCode.DECODE_SRVAUTH_MISSING, "the fields behind the message are too long"
        )
    if not message_type.has_timeout:
        return _parse_server_auth(rest, SpaErrorCode.DECODE_SRVAUTH_DECODEFAIL), 0
    *extra, timeout = rest or [b""]
    server_auth = _parse_server_auth(extra, SpaErrorCode.DECODE_EXTRA_DECODEFAIL)
    return server_auth, fields.parse_timeout(timeout)


def _parse_server_auth(rest: list[bytes], code: SpaErrorCode) -> bytes | None:
    # The one field read as leniently as libfko does. Nothing ever uses it, and a client
    # that puts a timeout there, where it doesn't belong, is let in by the C daemon.
    if not rest or not rest[0]:
        return None
    try:
        return base64.decode_lenient(rest[0]).partition(b"\0")[0]
    except ValueError:
        raise SpaError(code, "the server authentication isn't base64") from None
