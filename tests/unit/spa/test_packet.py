"""Wire text: classification, the order of checks in decoding, lengths, replay names."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from ipaddress import IPv4Address
from typing import Any

import pytest

from fwknopd.spa import base64, cipher
from fwknopd.spa.digest import SALTED_PREFIX, Authenticator, DigestType
from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.message import MessageType
from fwknopd.spa.mode import EncryptionGuess, EncryptionMode
from fwknopd.spa.packet import SpaKeys, WireText, classify, decode, encode, replay_key, seal

Code = SpaErrorCode
KEYS = SpaKeys(b"k" * 32, b"h" * 64)
NO_HMAC = SpaKeys(b"k" * 32)
SALT = b"12345678"
RAND = "1234567890123456"


def packet(keys: SpaKeys = KEYS, message: str = "192.0.2.7,tcp/22", **extra: Any) -> bytes:
    fields: dict[str, Any] = {
        "user": "alice",
        "timestamp": 1700000000,
        "rand": RAND,
        "message_type": MessageType.ACCESS,
        "salt": SALT,
    } | extra
    return encode(keys=keys, message=message, **fields)


def refusal(text: bytes, keys: SpaKeys = KEYS, *, any_length: bool = False) -> SpaErrorCode:
    with pytest.raises(SpaError) as caught:
        decode(WireText(text), keys, any_length=any_length)
    return caught.value.code


def classification(payload: bytes, **options: bool) -> SpaErrorCode:
    with pytest.raises(SpaError) as caught:
        classify(payload, **options)
    return caught.value.code


def test_a_packet_arrives() -> None:
    message = decode(classify(packet()), KEYS)
    assert (message.user, message.message) == ("alice", b"192.0.2.7,tcp/22")


def test_a_prepared_authenticator_does_the_same() -> None:
    authenticator = KEYS.authenticator()
    assert authenticator is not None
    assert decode(WireText(packet()), KEYS, authenticator=authenticator).user == "alice"
    other = Authenticator(DigestType.SHA256, b"other")
    with pytest.raises(SpaError):
        decode(WireText(packet()), KEYS, authenticator=other)


def test_an_empty_hmac_key_is_none() -> None:
    assert SpaKeys(b"k", b"").authenticator() is None
    assert decode(WireText(packet(NO_HMAC)), SpaKeys(b"k" * 32, b"")).user == "alice"


def test_gpg_macs_cover_another_prefix() -> None:
    keys = SpaKeys(None, b"h", EncryptionMode.ASYMMETRIC)
    authenticator = keys.authenticator()
    assert authenticator is not None
    assert authenticator.tag(b"x") == Authenticator(DigestType.SHA256, b"h", b"hQ").tag(b"x")


def test_keys_stay_out_of_sight() -> None:
    keys = SpaKeys(b"encryption-canary", b"hmac-canary")
    assert "canary" not in repr(keys) + str(keys) + repr(keys.authenticator())


@pytest.mark.parametrize(
    ("length", "guess"), [(35, "unknown"), (36, "rijndael"), (399, "rijndael")]
)
def test_short_texts_are_taken_for_aes(length: int, guess: str) -> None:
    assert WireText(b"A" * length).encryption_guess is EncryptionGuess(guess)


def test_long_texts_are_taken_for_gpg() -> None:
    assert WireText(b"A" * 400).encryption_guess is EncryptionGuess.GPG


def test_the_reference_digest_is_the_c_daemons() -> None:
    expected = b64encode(sha256(b"A" * 140).digest()).rstrip(b"=").decode()
    assert WireText(b"A" * 140).reference_digest == expected


@pytest.mark.parametrize("length", [0, 1, 139, 1501, 9000])
def test_sizes_dropped(length: int) -> None:
    assert classification(b"A" * length) is Code.SIZE


@pytest.mark.parametrize("length", [140, 1500])
def test_sizes_looked_at(length: int) -> None:
    assert len(classify(b"A" * length).text) == length


@pytest.mark.parametrize(
    "byte", [bytes([value]) for value in (0, 10, 13, 32, 37, 45, 95, 127, 128, 255)]
)
@pytest.mark.parametrize("place", [0, 70, 140])
def test_other_bytes_than_base64_are_dropped(byte: bytes, place: int) -> None:
    payload = b"A" * place + byte + b"A" * (140 - place)
    assert classification(payload) is Code.SPA_MSG_NOT_SPA_DATA


def test_prefixes_that_should_be_gone_are_dropped() -> None:
    assert classification(SALTED_PREFIX + packet()) is Code.SPA_MSG_BAD_DATA
    assert classification(b"hQ" + b"A" * 399) is Code.SPA_MSG_BAD_DATA
    assert classify(b"hQ" + b"A" * 398).encryption_guess is EncryptionGuess.GPG


def request_for(text: bytes, headers: bytes = b"") -> bytes:
    path = text.translate(bytes.maketrans(b"+/", b"-_"))
    return b"GET /" + path + b" HTTP/1.1\r\nUser-Agent: Fwknop/2.6.11\r\n" + headers + b"\r\n"


def test_requests_are_unwrapped_only_when_asked_for() -> None:
    assert classify(request_for(packet()), http=True).text == packet()
    assert classification(request_for(packet())) is Code.SPA_MSG_NOT_SPA_DATA
    # A bare packet still arrives.
    assert classify(packet(), http=True).text == packet()


def test_a_forwarded_address_is_read_only_when_asked_for() -> None:
    request = request_for(packet(), b"X-Forwarded-For: 203.0.113.5\r\n")
    assert classify(request, http=True).forwarded_for is None
    wire = classify(request, http=True, x_forwarded_for=True)
    assert wire.forwarded_for == IPv4Address("203.0.113.5")


def test_any_user_agent_is_let_in_only_when_asked_for() -> None:
    request = request_for(packet()).replace(b"Fwknop", b"curl")
    assert classification(request, http=True) is Code.SPA_MSG_NOT_SPA_DATA
    assert classify(request, http=True, allow_any_user_agent=True).text == packet()


def test_requests_are_held_to_the_same_rules() -> None:
    assert classification(request_for(b"A" * 139), http=True) is Code.SIZE
    assert classification(request_for(b"A" * 140 + b"%20"), http=True) is (
        Code.SPA_MSG_NOT_SPA_DATA
    )
    assert classification(request_for(SALTED_PREFIX + packet()), http=True) is (
        Code.SPA_MSG_BAD_DATA
    )


def test_library_size_limits() -> None:
    assert refusal(b"A" * 35) is Code.FUNCS_NEW_MSGLEN_VALIDFAIL
    assert refusal(b"A" * 1500, any_length=True) is Code.FUNCS_NEW_MSGLEN_VALIDFAIL
    assert refusal(b"A" * (35 + 43)) is Code.HMAC_ENCMSGLEN_VALIDFAIL
    assert refusal(b"A" * (36 + 43)) is Code.HMAC_COMPAREFAIL


def test_a_key_that_no_client_can_have_fails_every_packet() -> None:
    assert refusal(packet(), SpaKeys(b"k" * 32, b"h" * 137)) is Code.INVALID_HMAC_KEY_LEN
    assert refusal(packet(), SpaKeys(b"k" * 33, b"h" * 64)) is Code.INVALID_KEY_LEN
    assert refusal(packet(), SpaKeys(None, b"h" * 64)) is Code.INVALID_KEY_LEN


def test_the_mac_is_looked_at_before_the_keys() -> None:
    assert refusal(packet(), SpaKeys(b"k" * 33, b"other")) is Code.HMAC_COMPAREFAIL


def test_a_wrong_key_is_told_from_a_wrong_mac() -> None:
    assert refusal(packet(), SpaKeys(b"x" * 32, b"h" * 64)) is Code.DECRYPTION_FAILURE
    assert refusal(packet(), SpaKeys(b"k" * 32, b"x" * 64)) is Code.HMAC_COMPAREFAIL


def test_text_that_is_not_base64_is_told_from_a_wrong_mac() -> None:
    text = packet()
    assert refusal(b"*" + text[1:]) is Code.ENCODE_NOTBASE64
    assert refusal(b"*" + packet(NO_HMAC)[1:], NO_HMAC) is Code.ENCODE_NOTBASE64


def test_broken_blocks() -> None:
    assert refusal(packet(NO_HMAC)[:-3], NO_HMAC) is Code.ENCRYPT_CIPHERLEN_VALIDFAIL


def test_gpg_is_refused_by_name() -> None:
    keys = SpaKeys(None, None, EncryptionMode.ASYMMETRIC)
    assert refusal(b"A" * 1000, keys) is Code.UNSUPPORTED_MODE


def respelled(text: bytes) -> list[bytes]:
    """Other texts for the same encrypted bytes, as libfko reads them."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    spare = {2: 4, 3: 2}[(len(SALTED_PREFIX) + len(text)) % 4]
    last = alphabet.index(text[-1:])
    assert last % (1 << spare) == 0
    return [text + b"=", text + b"==", text + b"=junk", text[:-1] + alphabet[last + 1 : last + 2]]


def test_other_spellings_of_a_packet_without_hmac_are_refused() -> None:
    text = packet(NO_HMAC, "192.0.2.7,tcp/22,udp/53,tcp/8080")
    for other in respelled(text):
        assert refusal(other, NO_HMAC) is Code.STRICT_BASE64
        assert replay_key(WireText(other), NO_HMAC) == replay_key(WireText(text), NO_HMAC)


def test_other_bits_of_the_magic_are_refused() -> None:
    text = packet(NO_HMAC)
    data = base64.decode_lenient(SALTED_PREFIX + text)
    other = base64.encode(data[:7] + b"P" + data[8:])
    assert other.startswith(SALTED_PREFIX)
    assert refusal(other[len(SALTED_PREFIX) :], NO_HMAC) is Code.DECRYPTION_FAILURE


def test_a_packet_without_its_padding_block_is_refused() -> None:
    # A text of whole blocks has a block of nothing but padding, which can be cut off.
    text = packet(NO_HMAC, "192.0.2.7,tcp/222", user="uuuuuu")
    data = base64.decode_lenient(SALTED_PREFIX + text)
    assert cipher.decrypt(EncryptionMode.CBC, b"k" * 32, data).endswith(b"\x10" * 16)
    cut = base64.encode(data[:-16])[len(SALTED_PREFIX) :]
    assert refusal(cut, NO_HMAC) is Code.STRICT_PADDING


def test_replay_names_never_fail() -> None:
    for text in (b"", b"*" * 200, b"\xff" * 50, b"=" * 100):
        assert len(replay_key(WireText(text), KEYS)) == 32
        assert len(replay_key(WireText(text), NO_HMAC)) == 32


# Where a packet gets too long. A text of p bytes makes 161, 182, 204 ... characters.
def of_length(wanted: int, keys: SpaKeys) -> bytes:
    """A command packet of this length on the wire."""
    for size in range(1, 183):
        text = packet(keys, "192.0.2.7," + "c" * size, message_type=MessageType.COMMAND)
        if len(text) == wanted:
            return text
    raise AssertionError(f"no packet has {wanted} characters")


def test_without_hmac_399_characters_are_the_limit() -> None:
    for any_length in (False, True):
        text = of_length(396, NO_HMAC)
        assert decode(WireText(text), NO_HMAC, any_length=any_length).user == "alice"
    assert refusal(of_length(417, NO_HMAC), NO_HMAC) is Code.NO_ENCRYPTION_TYPE_MATCH
    assert refusal(of_length(417, NO_HMAC), NO_HMAC, any_length=True) is Code.ENCRYPT_TYPE_UNKNOWN


def test_with_hmac_the_limit_is_the_stanzas() -> None:
    keys = SpaKeys(b"k" * 32, b"h", hmac_type=DigestType.SHA512)
    assert decode(WireText(of_length(396, keys)), keys).user == "alice"
    beyond = of_length(374 + 86, keys)
    assert refusal(beyond, keys) is Code.NO_ENCRYPTION_TYPE_MATCH
    assert decode(WireText(beyond), keys, any_length=True).user == "alice"
    # The prefix counts: 396 characters without it are 406 with it.
    assert refusal(of_length(396 + 86, keys), keys, any_length=True) is Code.ENCRYPT_TYPE_UNKNOWN


def test_encoding_takes_text_or_bytes() -> None:
    as_text, as_bytes = (
        packet(message_type=MessageType.NAT_ACCESS, nat_access=nat)
        for nat in ("10.0.0.5,22", b"10.0.0.5,22")
    )
    assert as_text == as_bytes


def test_nothing_is_sealed_without_a_key() -> None:
    with pytest.raises(SpaError) as caught:
        seal(b"text", SpaKeys(), SALT)
    assert caught.value.code is Code.INVALID_KEY_LEN


def test_the_types_load_no_crypto_library() -> None:
    script = "import sys, fwknopd.spa.packet; print('cryptography' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
