"""Message to plaintext: a client can build only what a server takes."""

from __future__ import annotations

from typing import Any

import pytest

from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.message import MessageType, SpaMessage, build_plaintext, parse_plaintext

Code = SpaErrorCode
RAND = b"1234567890123456"


def build(kind: MessageType, **extra: Any) -> SpaMessage:
    fields: dict[str, Any] = {
        "rand": RAND.decode(),
        "user": "alice",
        "timestamp": 1,
        "message": b"1.2.3.4,tcp/22",
    }
    return parse_plaintext(build_plaintext(**(fields | {"message_type": kind} | extra)))


def test_building_leaves_out_what_is_not_given() -> None:
    message = build(MessageType.ACCESS)
    assert (message.nat_access, message.server_auth, message.client_timeout) == (None, None, 0)


def test_building_refuses_fields_the_type_has_no_place_for() -> None:
    with pytest.raises(ValueError, match="NAT"):
        build(MessageType.ACCESS, nat_access=b"10.0.0.5,22")
    with pytest.raises(ValueError, match="timeout"):
        build(MessageType.NAT_ACCESS, nat_access=b"10.0.0.5,22", client_timeout=60)


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({"user": "u" * 49}, Code.DECODE_USERNAME_TOOBIG),
        ({"user": "caf\u00e9"}, Code.DECODE_USERNAME_VALIDFAIL),
        ({"timestamp": -1}, Code.DECODE_TIMESTAMP_DECODEFAIL),
        ({"rand": "123"}, Code.DECRYPTION_FAILURE),
        ({"version": "3:x"}, Code.DECODE_MSGTYPE_DECODEFAIL),
    ],
)
def test_building_refuses_what_a_server_would(extra: dict[str, Any], code: SpaErrorCode) -> None:
    with pytest.raises(SpaError) as caught:
        build(MessageType.ACCESS, **extra)
    assert caught.value.code is code
