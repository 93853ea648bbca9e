from __future__ import annotations

import pytest

from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.openpgp import ANYBODY, parse_message, was_cut
from tests.interop.openpgp_packets import (
    long_packet,
    new_packet,
    number,
    parted_packet,
    session_packet,
)

KEY = "287DD901FE89BD70"
OTHER = "0123456789ABCDEF"
SEALED = b"\x01" + bytes(range(256)) * 3
DATA = 18
RSA = session_packet(KEY, number(1 << 2047))


def refusal(data: bytes) -> str:
    with pytest.raises(SpaError) as caught:
        parse_message(data)
    assert caught.value.code is SpaErrorCode.GPGME_DECRYPT_FAILED
    return caught.value.detail


def test_a_message_is_taken_apart() -> None:
    data = RSA + new_packet(DATA, SEALED)
    envelope = parse_message(data)
    assert envelope.recipients == (KEY,)
    assert envelope.sealed == SEALED
    assert envelope.data == data


@pytest.mark.parametrize(
    "data",
    [
        RSA + long_packet(DATA, SEALED),
        RSA + parted_packet(DATA, SEALED),
        RSA + parted_packet(DATA, SEALED, first=0),
        RSA + session_packet(OTHER, number(5)) + new_packet(DATA, SEALED),
        session_packet(ANYBODY, number(1 << 2047)) + new_packet(DATA, SEALED),
        new_packet(1, RSA[3:]) + new_packet(DATA, SEALED),
    ],
)
def test_framing_is_no_part_of_what_is_sealed(data: bytes) -> None:
    assert parse_message(data).sealed == SEALED


def test_every_recipient_is_named() -> None:
    data = RSA + session_packet(OTHER, number(7), algorithm=18) + new_packet(20, SEALED)
    assert parse_message(data).recipients == (KEY, OTHER)


def test_an_elgamal_session_key_is_two_numbers() -> None:
    two = number(1 << 2000) + number(3)
    data = session_packet(KEY, two, algorithm=16) + new_packet(DATA, SEALED)
    assert parse_message(data).recipients == (KEY,)
    cut = session_packet(KEY, number(9), algorithm=16) + new_packet(DATA, SEALED)
    assert "cut off" in refusal(cut)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut off"),
        (b"\x00abc", "no OpenPGP"),
        (new_packet(DATA, SEALED), "isn't encrypted to a key"),
        (RSA, "cut off"),
        (RSA + new_packet(DATA, SEALED) + b"\xca\x03PGP", "behind"),
        (RSA + b"\xca\x03PGP" + new_packet(DATA, SEALED), "no encrypted data"),
        (RSA + new_packet(DATA, b"\x02" + SEALED[1:]), "no encrypted data"),
        (RSA + new_packet(DATA, SEALED[:40]), "no encrypted data"),
        (RSA + new_packet(9, SEALED), "no encrypted data"),
        (RSA + b"\xa7" + SEALED, "how long"),
        (RSA + new_packet(DATA, SEALED)[:-1], "cut off"),
        (session_packet(KEY, number(5) + b"x") + new_packet(DATA, SEALED), "longer"),
        (session_packet(KEY, b"\0\0") + new_packet(DATA, SEALED), "cut off"),
        (b"\x85\x00\x04\x04abc" + new_packet(DATA, SEALED), "version 3"),
    ],
)
def test_anything_else_is_refused(data: bytes, why: str) -> None:
    assert why in refusal(data)


def test_a_key_whose_packets_lose_their_beginning_is_recognised() -> None:
    # cv25519: old format, one length byte. The first twelve bits are lost and put back wrongly.
    whole = b"\x84\x5e\x03" + bytes.fromhex(KEY) + b"\x12" + bytes(84) + new_packet(DATA, SEALED)
    cut = b"\x85\x0e" + whole[2:]
    refusal(cut)
    assert was_cut(cut)
    assert not was_cut(b"\x85\x01" + b"\x04" * 40)
    assert not was_cut(b"\x85")
