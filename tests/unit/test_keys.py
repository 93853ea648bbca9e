"""Keys as text: what people paste, scan and copy."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.key_handing import (
    ClientProfile,
    KeyFields,
    android_safe,
    client_command,
    fwknoprc_stanza,
    qr_payload,
    qr_problems,
)
from fwknopd.keys import (
    HMAC_KEY_LENGTHS,
    PLACEHOLDERS,
    KeyTextError,
    decode_key_base64,
    encode_key_base64,
    generate_encryption_key,
    generate_hmac_key,
    is_placeholder,
    weaknesses,
)
from fwknopd.spa.digest import DigestType
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys

KEYS = SpaKeys(b"k" * 32, b"h" * 64)
PROFILE = ClientProfile("phone", "vpn.example.org", KEYS)


def app_reads(payload: str) -> dict[str, str]:
    """What the Fwknop2 app makes of a scanned code: cut at spaces, each piece at colons."""
    found = {}
    for piece in payload.split(" "):
        name, *values = piece.split(":")
        if not values:
            continue
        if name.upper() in ("KEY", "KEY_BASE64"):
            found["key"], found["key is base64"] = values[0], str(name.upper() == "KEY_BASE64")
        if name.upper() in ("HMAC_KEY", "HMAC_KEY_BASE64"):
            found["hmac"] = values[0]
    return found


@pytest.mark.parametrize("kind", DigestType)
def test_new_keys_have_the_lengths_the_c_programs_make(kind: DigestType) -> None:
    assert len(generate_encryption_key()) == 32
    assert len(generate_hmac_key(kind)) == HMAC_KEY_LENGTHS[kind]
    assert HMAC_KEY_LENGTHS[kind] <= 128


def test_new_keys_are_new() -> None:
    made = {generate_encryption_key() for _ in range(50)} | {generate_hmac_key() for _ in range(50)}
    assert len(made) == 100
    assert not any(weaknesses(key, generate_hmac_key()) for key in made)


@pytest.mark.parametrize("text", [*sorted(PLACEHOLDERS), " __CHANGEME__ ", "__changeme__"])
def test_placeholders_are_no_keys(text: str) -> None:
    assert is_placeholder(text)
    with pytest.raises(KeyTextError, match="placeholder"):
        decode_key_base64(text)


@pytest.mark.parametrize("text", ["", "changeme", "__CHANGEME", "CHANGEME2", "{{ a }}"])
def test_other_texts_are_no_placeholders(text: str) -> None:
    assert not is_placeholder(text)


@given(st.binary(min_size=1, max_size=128))
def test_key_text_comes_back(key: bytes) -> None:
    text = encode_key_base64(key)
    assert decode_key_base64(text) == key
    assert decode_key_base64(text.rstrip("=")) == key
    assert decode_key_base64(text.rstrip("=") + "===") == key


@pytest.mark.parametrize(
    "text",
    ["", "=", "A", "YWJj ZGVm", "YWJj\n", "YQ=YQ", "YQ==YQ==", "Y*==", "caf\u00e9", "YW-_"],
)
def test_other_text_is_refused_with_a_remedy_and_never_quoted(text: str) -> None:
    with pytest.raises(KeyTextError) as caught:
        decode_key_base64(text)
    assert caught.value.remedy.endswith(".")
    assert caught.value.message
    assert len(text) < 4 or text not in str(caught.value)


def test_good_keys_have_no_weakness() -> None:
    assert weaknesses(bytes(range(32)), bytes(range(64))) == ()


@pytest.mark.parametrize(
    ("encryption", "hmac", "word"),
    [
        (b"a" * 32, b"ab", "encryption key is one character"),
        (b"ab", b"\0" * 64, "HMAC key is one character"),
        (b"same keys", b"same keys", "Both keys are the same"),
        (b"ab", None, "no HMAC key"),
        (b"ab", b"", "no HMAC key"),
    ],
)
def test_bad_keys_are_told(encryption: bytes, hmac: bytes | None, word: str) -> None:
    (sentence,) = weaknesses(encryption, hmac)
    assert word in sentence


def test_the_qr_code_of_generated_keys_is_what_luci_makes() -> None:
    fields = KeyFields(
        key_base64=encode_key_base64(b"\0" * 32), hmac_key_base64=encode_key_base64(b"\1" * 64)
    )
    payload = qr_payload(fields)
    assert payload == f"KEY_BASE64:{'A' * 43}= HMAC_KEY_BASE64:{'AQEB' * 21}AQ=="
    assert len(payload) == 160
    assert qr_problems(fields) == ()


def test_qr_tokens_have_one_order_and_no_empty_values() -> None:
    fields = KeyFields(key_base64="a", key="b", hmac_key_base64="c", hmac_key="d")
    assert qr_payload(fields) == "KEY_BASE64:a KEY:b HMAC_KEY_BASE64:c HMAC_KEY:d"
    assert qr_payload(KeyFields(hmac_key="d")) == "HMAC_KEY:d"
    assert qr_payload(KeyFields()) == ""


@given(st.text(min_size=1), st.binary(min_size=1, max_size=64))
def test_what_is_called_safe_is_read_right_by_the_app(passphrase: str, hmac: bytes) -> None:
    text = encode_key_base64(hmac)
    read = app_reads(qr_payload(KeyFields(key=passphrase, hmac_key_base64=text)))
    assert android_safe(text, base64=True) is None
    assert (android_safe(passphrase) is None) == (read.get("key") == passphrase)
    if android_safe(passphrase) is None:
        assert read == {"key": passphrase, "key is base64": "False", "hmac": text}


@pytest.mark.parametrize("text", ["YQ", "YQ=", "YQ===", "YQ==YQ==", "YW-_", "YQ==\n", "===="])
def test_base64_the_app_refuses(text: str) -> None:
    assert "padding" in str(android_safe(text, base64=True))


@pytest.mark.parametrize(("text", "word"), [("pass word", "space"), ("pass:word", "colon")])
def test_problems_say_what_the_app_does(text: str, word: str) -> None:
    (problem,) = qr_problems(KeyFields(key=text))
    assert problem.startswith("KEY: ")
    assert word in problem
    assert text not in problem


def test_the_app_uses_the_last_of_two_keys() -> None:
    fields = KeyFields(key_base64="YWJj", key="abc")
    assert app_reads(qr_payload(fields))["key"] == "abc"
    assert qr_problems(fields) == ("The code holds KEY_BASE64 and KEY: phones use the last.",)


def test_what_the_code_cannot_say_is_told() -> None:
    fields = KeyFields(key="abc", hmac_key="def")
    problems = qr_problems(fields, DigestType.SHA512, EncryptionMode.CTR)
    assert len(problems) == 2
    assert "SHA512" in problems[0]
    assert "CTR" in problems[1]
    assert qr_problems(KeyFields(key="abc"), DigestType.SHA512) == ()


def test_the_stanza_has_a_line_for_each_thing() -> None:
    profile = replace(
        PROFILE, access="tcp/22,udp/53", port=40000, fw_timeout=60, allow_ip="1.2.3.4"
    )
    assert fwknoprc_stanza(profile).splitlines() == [
        "[phone]",
        "SPA_SERVER          vpn.example.org",
        "SPA_SERVER_PORT     40000",
        "ACCESS              tcp/22,udp/53",
        "FW_TIMEOUT          60",
        "ALLOW_IP            1.2.3.4",
        f"KEY_BASE64          {encode_key_base64(b'k' * 32)}",
        "USE_HMAC            Y",
        f"HMAC_KEY_BASE64     {encode_key_base64(b'h' * 64)}",
        "HMAC_DIGEST_TYPE    SHA256",
    ]


def test_the_stanza_leaves_out_what_is_usual() -> None:
    profile = replace(PROFILE, keys=SpaKeys(b"k", mode=EncryptionMode.LEGACY))
    names = [line.split()[0] for line in fwknoprc_stanza(profile).splitlines()]
    assert names == ["[phone]", "SPA_SERVER", "ALLOW_IP", "KEY_BASE64", "ENCRYPTION_MODE"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": "a b"},
        {"server": "a\nKEY x"},
        {"server": ""},
        {"access": "tcp/22\nKEY x"},
        {"access": "22"},
        {"allow_ip": "resolve\n"},
        {"allow_ip": "home"},
    ],
)
def test_nothing_can_put_a_line_into_the_stanza(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(PROFILE, **wrong)


@given(st.text())
def test_labels_make_names_without_quoting(label: str) -> None:
    profile = replace(PROFILE, label=label)
    name = profile.stanza_name
    assert name
    assert shlex.split(client_command(profile)) == ["fwknop", "-n", name]
    assert client_command(profile) == f"fwknop -n {name}"
    assert not name.startswith("-")
    assert fwknoprc_stanza(profile).count("\n[") == 0


def test_the_command_names_a_file_safely_and_holds_no_key() -> None:
    command = client_command(PROFILE, "/tmp/my keys;rm")
    assert shlex.split(command) == ["fwknop", "--rc-file", "/tmp/my keys;rm", "-n", "phone"]


def test_keys_stay_out_of_sight() -> None:
    canary = KeyFields("canary", "canary", "canary", "canary")
    profile = replace(PROFILE, keys=SpaKeys(b"canary", b"canary"))
    assert "canary" not in repr(canary) + repr(profile)
