"""Packets of the real programs: our answer must be theirs, or a listed deviation."""

from __future__ import annotations

from dataclasses import fields

import pytest

from fwknopd.spa import base64
from fwknopd.spa.digest import SALTED_PREFIX
from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.message import SpaMessage, build_plaintext, parse_plaintext
from fwknopd.spa.mode import EncryptionGuess
from fwknopd.spa.packet import SpaKeys, WireText, classify, decode, replay_key, seal
from tests.interop.deviations import DECODING
from tests.interop.spa_vectors import Decoded, SpaVector, load_vectors, rijndael_vectors

SUCCESS = "FKO_SUCCESS"

# What a client never makes, so what can't be made again from its plaintext.
NOT_CANONICAL = {name for name, deviation in DECODING.items() if "BASE64" in str(deviation.ours)}
NOT_CANONICAL |= {"forge-pad-absent", "prefix-salted-kept", "prefix-salted-kept-nohmac"}


def by_name(vectors: list[SpaVector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=[vector.name for vector in vectors])


def as_c_string(text: bytes) -> bytes:
    """libfko was given a C string, which ends at the first NUL."""
    return text.partition(b"\0")[0]


def our_answer(vector: SpaVector) -> SpaMessage | SpaErrorCode:
    wire = WireText(as_c_string(vector.library_input))
    try:
        return decode(wire, vector.keys, any_length=True)
    except SpaError as error:
        return error.code


def decoded_fields(message: SpaMessage) -> Decoded:
    values = {each.name: getattr(message, each.name) for each in fields(Decoded)}
    text = {name: value.encode() for name, value in values.items() if type(value) is str}
    return Decoded(**(values | text))


def library_name(answer: SpaMessage | SpaErrorCode) -> str | None:
    return answer.libfko_name if isinstance(answer, SpaErrorCode) else SUCCESS


@by_name([vector for vector in rijndael_vectors() if vector.name not in DECODING])
def test_decoding_agrees_with_libfko(vector: SpaVector) -> None:
    answer = our_answer(vector)
    assert library_name(answer) == vector.library_verdict
    if isinstance(answer, SpaMessage):
        assert decoded_fields(answer) == vector.decoded


@by_name([vector for vector in rijndael_vectors() if vector.name in DECODING])
def test_each_listed_deviation_is_one(vector: SpaVector) -> None:
    answer = our_answer(vector)
    assert library_name(answer) != vector.library_verdict
    expected = DECODING[vector.name].ours
    assert (None if isinstance(answer, SpaMessage) else answer) == expected


def test_no_deviation_names_an_unknown_vector() -> None:
    assert DECODING.keys() <= {vector.name for vector in rijndael_vectors()}


def expected_drop(vector: SpaVector) -> SpaErrorCode | None:
    """What the daemon must answer before it looks at any key; None when it goes on."""
    if vector.daemon_verdict == "silently-dropped":
        return SpaErrorCode.SIZE
    kind, _, code = vector.daemon_verdict.partition(":")
    return SpaErrorCode(code) if kind == "preprocess" else None


# The C daemon drops these by the size of their frame, which is the capture's business.
FRAME_TOO_LARGE = {"oversize-1473", "oversize-1499", "oversize-1500"}


@by_name([vector for vector in load_vectors() if vector.name not in FRAME_TOO_LARGE])
def test_classification_agrees_with_the_daemon(vector: SpaVector) -> None:
    http = vector.server_conf.get("ENABLE_SPA_OVER_HTTP", "Y") == "Y"
    try:
        wire = classify(vector.packet, http=http, x_forwarded_for=True)
    except SpaError as error:
        assert error.code == expected_drop(vector)
    else:
        assert expected_drop(vector) is None
        assert wire.text == vector.library_input
        assert str(wire.forwarded_for) == {"http-xff": "203.0.113.5"}.get(vector.name, "None")


@by_name([v for v in load_vectors() if v.daemon_verdict.startswith("no-encryption-type-match")])
def test_the_length_guess_agrees_with_the_daemon(vector: SpaVector) -> None:
    guess = classify(vector.packet).encryption_guess
    assert guess is (EncryptionGuess.RIJNDAEL if vector.gpg else EncryptionGuess.GPG)
    if not vector.gpg:
        with pytest.raises(SpaError) as caught:
            decode(classify(vector.packet), vector.keys)
        assert caught.value.code is SpaErrorCode.NO_ENCRYPTION_TYPE_MATCH


def accepted(vector: SpaVector) -> bool:
    return vector.decoded is not None and vector.name not in NOT_CANONICAL


@by_name([v for v in rijndael_vectors() if accepted(v) and v.plaintext])
def test_sealing_makes_the_same_packet(vector: SpaVector) -> None:
    wire = as_c_string(vector.library_input)
    assert vector.plaintext is not None
    assert seal(vector.plaintext, vector.keys, salt_of(wire)) == wire


def salt_of(wire: bytes) -> bytes:
    return base64.decode_lenient((SALTED_PREFIX + wire)[:24])[8:16]


@by_name([v for v in rijndael_vectors() if v.decoded and v.plaintext and v.group != "forged"])
def test_building_makes_the_same_plaintext(vector: SpaVector) -> None:
    message = parse_plaintext(vector.plaintext or b"")
    assert (
        build_plaintext(
            rand=message.rand,
            user=message.user,
            timestamp=message.timestamp,
            message_type=message.message_type,
            message=message.message,
            nat_access=message.nat_access,
            server_auth=message.server_auth,
            client_timeout=message.client_timeout,
            digest_type=message.digest_type,
            version=message.version,
        )
        == vector.plaintext
    )


@by_name([vector for vector in load_vectors() if vector.gpg and vector.plaintext])
def test_the_text_in_a_gpg_packet_is_judged_as_libfko_does(vector: SpaVector) -> None:
    try:
        name = library_name(parse_plaintext(vector.plaintext or b"", gpg=True))
    except SpaError as error:
        name = error.code.libfko_name
    refused_earlier = vector.library_verdict.startswith("FKO_ERROR_GPGME") or (
        "CIPHERLEN" in vector.library_verdict
    )
    assert name == (SUCCESS if refused_earlier else vector.library_verdict)


def test_replay_keys_tell_packets_apart() -> None:
    made = [v for v in rijndael_vectors() if v.decoded and v.name not in NOT_CANONICAL]
    keys = {replay_key(WireText(as_c_string(v.library_input)), v.keys): v.name for v in made}
    texts = {as_c_string(vector.library_input) for vector in made}
    assert len(keys) == len(texts)


def test_the_worked_example() -> None:
    keys = SpaKeys(b"worked-example", b"hmac-key-for-the-example")
    plaintext = (
        b"4071836258190274:YWxpY2U:1700000000:3.0.0:1:MTkyLjAuMi43LHRjcC8yMg:"
        b"F8frMeKCqD/VBcpQWauB2WCtY7VmFBMRYS2VHiC8UHY"
    )
    assert seal(plaintext, keys, bytes.fromhex("088587550def4a1f")) == (
        b"8IhYdVDe9KH/Edunk6I+YtrNn5xjaBlIk/Xqwb7guJkDZwSi8POsPC1qU8DsWFRlmwM5SUPc7Sr9SI8AMiYc"
        b"FwBufXXqmC7Nwf+nyAwbnFmIPk+bS3cyHD0oAe2iYXdi69moBQ9T0OVM3rQSax+QABeCOUU9jS1BwJjLoOUK"
        b"zNRW2oFrJo2IUraou1lrsnI3QLspJ2J7RgkA"
    )
