"""Plaintext to message: limits and the order of checks.

The recorded packets cover what libfko does; here is each limit from both sides.
"""

from __future__ import annotations

import pytest

from fwknopd.spa import base64
from fwknopd.spa.digest import DigestType, digest_text
from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.message import MessageType, parse_plaintext

Code = SpaErrorCode
ACCESS, NAT = base64.encode(b"192.0.2.7,tcp/22"), base64.encode(b"10.0.0.5,22")
RAND = b"1234567890123456"


def plaintext(
    *extra: bytes,
    rand: bytes = RAND,
    user: bytes = b"YWxpY2U",
    timestamp: bytes = b"1700000000",
    version: bytes = b"3.0.0",
    kind: bytes = b"1",
    message: bytes = ACCESS,
) -> bytes:
    text = b":".join([rand, user, timestamp, version, kind, message, *extra])
    return text + b":" + digest_text(DigestType.SHA256, text)


def refusal(text: bytes, *, gpg: bool = False) -> SpaErrorCode:
    with pytest.raises(SpaError) as caught:
        parse_plaintext(text, gpg=gpg)
    return caught.value.code


def test_every_field_arrives() -> None:
    text = plaintext(NAT, b"c2E", b"60", kind=b"6")
    message = parse_plaintext(text)
    assert message.message_type is MessageType.CLIENT_TIMEOUT_LOCAL_NAT_ACCESS
    assert (message.rand, message.user, message.version) == (RAND.decode(), "alice", "3.0.0")
    assert (message.timestamp, message.client_timeout) == (1700000000, 60)
    assert (message.message, message.nat_access) == (b"192.0.2.7,tcp/22", b"10.0.0.5,22")
    assert message.server_auth == b"sa"
    assert message.nat is not None
    assert message.nat.host == "10.0.0.5"
    assert message.digest_type is DigestType.SHA256


@pytest.mark.parametrize(
    ("kind", "nat", "timeout"),
    [
        (MessageType.COMMAND, False, False),
        (MessageType.ACCESS, False, False),
        (MessageType.NAT_ACCESS, True, False),
        (MessageType.CLIENT_TIMEOUT_ACCESS, False, True),
        (MessageType.CLIENT_TIMEOUT_NAT_ACCESS, True, True),
        (MessageType.LOCAL_NAT_ACCESS, True, False),
        (MessageType.CLIENT_TIMEOUT_LOCAL_NAT_ACCESS, True, True),
    ],
)
def test_types_know_their_fields(kind: MessageType, nat: bool, timeout: bool) -> None:
    assert (kind.has_nat, kind.has_timeout) == (nat, timeout)


@pytest.mark.parametrize("length", [0, 16, 17, 35, 1500])
def test_texts_of_impossible_length(length: int) -> None:
    text = (RAND + b":" + b"A" * 1500)[:length]
    expected = Code.DECRYPTION_FAILURE if length < 17 else Code.DECODE_MSGLEN_VALIDFAIL
    assert refusal(text) is expected


@pytest.mark.parametrize("rand", [b"1" * 15, b"1" * 17, b"1" * 15 + b"a", b"", b"-" + b"1" * 15])
def test_without_sixteen_digits_it_was_the_wrong_key(rand: bytes) -> None:
    assert refusal(plaintext(rand=rand)) is Code.DECRYPTION_FAILURE


@pytest.mark.parametrize("rand", [b"Z" * 16, b"Z" * 40])
def test_gpg_packets_have_any_random_text(rand: bytes) -> None:
    assert parse_plaintext(plaintext(rand=rand), gpg=True).rand == "Z" * 16


def test_gpg_packets_have_sixteen_random_characters_at_least() -> None:
    assert refusal(plaintext(rand=b"Z" * 15), gpg=True) is Code.DECODE_RAND_MISSING


@pytest.mark.parametrize("byte", [b"\t", b"\n", b"\r", b"\x1f", b"\x7f", b"\x80", b"\xff"])
def test_unprintable_bytes_are_refused_anywhere(byte: bytes) -> None:
    assert refusal(plaintext(version=b"3" + byte)) is Code.DECODE_NON_ASCII
    assert refusal(plaintext() + byte) is Code.DECODE_NON_ASCII


def test_a_nul_hides_nothing() -> None:
    assert refusal(plaintext() + b"\0") is Code.DIGEST_VERIFICATION_FAILED
    assert refusal(plaintext() + b"\0:hidden\n") is Code.DIGEST_VERIFICATION_FAILED
    assert refusal(plaintext(version=b"3\0")) is Code.DECODE_LT_MIN_FIELDS


def test_too_few_and_too_many_fields() -> None:
    short = RAND + b":YWxpY2U:1700000000:3.0.0:1"
    assert refusal(short + b":" + digest_text(DigestType.SHA256, short)) is (
        Code.DECODE_LT_MIN_FIELDS
    )
    assert refusal(plaintext(b"a", b"b")) is Code.DECODE_WRONG_NUM_FIELDS
    # Five extra fields are counted, with six the digest isn't found any more.
    assert refusal(plaintext(*[b"a"] * 5)) is Code.DECODE_WRONG_NUM_FIELDS
    assert refusal(plaintext(*[b"a"] * 6)) is Code.INVALID_DIGEST_TYPE


@pytest.mark.parametrize(
    ("kind", "most"),
    [(b"0", 1), (b"1", 1), (b"2", 2), (b"3", 2), (b"4", 3), (b"5", 2), (b"6", 3)],
)
def test_each_type_allows_so_many_extra_fields(kind: bytes, most: int) -> None:
    extras = [NAT, b"1", b"1", b"1"][: most + 1] if kind in b"2456" else [b"1"] * (most + 1)
    assert refusal(plaintext(*extras, kind=kind)) is Code.DECODE_WRONG_NUM_FIELDS
    assert parse_plaintext(plaintext(*extras[:most], kind=kind)).message_type == int(kind)


def test_a_wrong_digest_hides_all_later_errors() -> None:
    text = plaintext(user=b"", timestamp=b"x", kind=b"9")
    assert refusal(text[:-1] + b"x") is Code.DIGEST_VERIFICATION_FAILED


@pytest.mark.parametrize(
    ("user", "code"),
    [
        (b"", Code.DECODE_USERNAME_MISSING),
        (base64.encode(b"u" * 49), Code.DECODE_USERNAME_TOOBIG),
        (b"A" * 65, Code.DECODE_USERNAME_TOOBIG),
        (b"YWxp*2U", Code.DECODE_USERNAME_DECODEFAIL),
        (b"YWxpY2U=zzz", Code.DECODE_USERNAME_DECODEFAIL),
        (b"YWxpY2V", Code.DECODE_USERNAME_DECODEFAIL),
        (base64.encode(b"a\0b"), Code.DECODE_USERNAME_VALIDFAIL),
        (base64.encode(b"caf\xe9"), Code.DECODE_USERNAME_VALIDFAIL),
        *(
            (base64.encode(b"a%cb" % character), Code.DECODE_USERNAME_VALIDFAIL)
            for character in b'"/\\[]:;|=,+*?<>\x1f\x7f'
        ),
    ],
)
def test_users_refused(user: bytes, code: SpaErrorCode) -> None:
    assert refusal(plaintext(user=user)) is code


@pytest.mark.parametrize("user", [b"u" * 48, b" .-_@!#$%&'()^`{}~", b"0"])
def test_users_accepted(user: bytes) -> None:
    assert parse_plaintext(plaintext(user=base64.encode(user))).user == user.decode()


def test_padded_base64_is_read() -> None:
    assert parse_plaintext(plaintext(user=b"YWxpY2U=")).user == "alice"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", Code.DECODE_TIMESTAMP_MISSING),
        (b"1" * 13, Code.DECODE_TIMESTAMP_TOOBIG),
        (b"4294967296", Code.DECODE_TIMESTAMP_DECODEFAIL),
        *(
            (bad, Code.DECODE_TIMESTAMP_DECODEFAIL)
            for bad in (b"-1", b"+1", b" 1", b"1 ", b"1x", b"0x1", b"1.5", b"1_0", b"x")
        ),
    ],
)
def test_timestamps_refused(text: bytes, code: SpaErrorCode) -> None:
    assert refusal(plaintext(timestamp=text)) is code


@pytest.mark.parametrize("text", [b"0", b"000000000001", b"2147483648", b"4294967295"])
def test_timestamps_accepted_until_2106(text: bytes) -> None:
    assert parse_plaintext(plaintext(timestamp=text)).timestamp == int(text)


def test_versions_are_any_eight_characters() -> None:
    assert parse_plaintext(plaintext(version=b"12.34.56")).version == "12.34.56"
    assert refusal(plaintext(version=b"")) is Code.DECODE_VERSION_MISSING
    assert refusal(plaintext(version=b"12.34.567")) is Code.DECODE_VERSION_TOOBIG


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (b"", Code.DECODE_MSGTYPE_MISSING),
        (b"001", Code.DECODE_MSGTYPE_TOOBIG),
        (b"7", Code.DECODE_MSGTYPE_DECODEFAIL),
        (b"-1", Code.DECODE_MSGTYPE_DECODEFAIL),
        (b"1x", Code.DECODE_MSGTYPE_DECODEFAIL),
        (b"x", Code.DECODE_MSGTYPE_DECODEFAIL),
    ],
)
def test_types_refused(kind: bytes, code: SpaErrorCode) -> None:
    assert refusal(plaintext(kind=kind)) is code


@pytest.mark.parametrize(
    ("kind", "message", "code"),
    [
        (b"1", b"", Code.DECODE_MESSAGE_MISSING),
        (b"1", b"A" * 257, Code.DECODE_MESSAGE_TOOBIG),
        (b"1", b"A" * 255 + b"*", Code.DECODE_MESSAGE_DECODEFAIL),
        (b"1", base64.encode(b"192.0.2.7,id"), Code.DECODE_ACCESS_VALIDFAIL),
        (b"0", base64.encode(b"192.0.2.7"), Code.DECODE_MESSAGE_VALIDFAIL),
    ],
)
def test_messages_refused(kind: bytes, message: bytes, code: SpaErrorCode) -> None:
    assert refusal(plaintext(kind=kind, message=message)) is code


def test_messages_have_192_bytes_at_most() -> None:
    command = b"192.0.2.7," + b"c" * 182
    message = parse_plaintext(plaintext(kind=b"0", message=base64.encode(command)))
    assert message.message == command


@pytest.mark.parametrize(
    ("extras", "code"),
    [
        ([], Code.DECODE_NATACCESS_MISSING),
        ([b""], Code.DECODE_NATACCESS_MISSING),
        ([b"A" * 257], Code.DECODE_NATACCESS_TOOBIG),
        ([b"@"], Code.DECODE_NATACCESS_DECODEFAIL),
        ([base64.encode(b"10.0.0.5")], Code.DECODE_NATACCESS_VALIDFAIL),
        ([NAT, b"@"], Code.DECODE_SRVAUTH_DECODEFAIL),
        ([NAT, b"A" * 257], Code.DECODE_SRVAUTH_MISSING),
    ],
)
def test_nat_fields_refused(extras: list[bytes], code: SpaErrorCode) -> None:
    assert refusal(plaintext(*extras, kind=b"2")) is code


@pytest.mark.parametrize(
    ("extras", "code"),
    [
        ([], Code.DECODE_TIMEOUT_MISSING),
        ([b""], Code.DECODE_TIMEOUT_MISSING),
        ([b"c2E", b""], Code.DECODE_TIMEOUT_MISSING),
        ([b"c2E"], Code.DECODE_TIMEOUT_VALIDFAIL),
        ([b"-1"], Code.DECODE_TIMEOUT_VALIDFAIL),
        ([b"65537"], Code.DECODE_TIMEOUT_DECODEFAIL),
        ([b"4294967356"], Code.DECODE_TIMEOUT_DECODEFAIL),
        ([b"@", b"60"], Code.DECODE_EXTRA_DECODEFAIL),
        ([b"0" * 257], Code.DECODE_SRVAUTH_MISSING),
        ([b"c" * 254, b"60"], Code.DECODE_SRVAUTH_MISSING),
    ],
)
def test_timeouts_refused(extras: list[bytes], code: SpaErrorCode) -> None:
    assert refusal(plaintext(*extras, kind=b"3")) is code


@pytest.mark.parametrize(
    ("extras", "server_auth", "timeout"),
    [
        ([b"0"], None, 0),
        ([b"65536"], None, 65536),
        ([b"0" * 256], None, 0),
        ([b"", b"60"], None, 60),
        ([b"c2E", b"60"], b"sa", 60),
        ([b"YQBi", b"60"], b"a", 60),
        ([b"60", b"60"], b"\xeb", 60),
    ],
)
def test_timeouts_accepted(extras: list[bytes], server_auth: bytes | None, timeout: int) -> None:
    message = parse_plaintext(plaintext(*extras, kind=b"3"))
    assert (message.server_auth, message.client_timeout) == (server_auth, timeout)
