"""Digests and MACs against the standard library's own HMAC."""

from __future__ import annotations

import ast
import hashlib
import hmac
from base64 import b64encode
from pathlib import Path

import pytest

import fwknopd.spa
from fwknopd.spa.digest import (
    MAX_HMAC_KEY_LENGTH,
    SALTED_PREFIX,
    Authenticator,
    DigestType,
    digest_text,
    verify_digest,
)
from fwknopd.spa.errors import SpaError, SpaErrorCode

LENGTHS = {
    DigestType.MD5: 22,
    DigestType.SHA1: 27,
    DigestType.SHA256: 43,
    DigestType.SHA384: 64,
    DigestType.SHA512: 86,
    DigestType.SHA3_256: 43,
    DigestType.SHA3_512: 86,
}
BODY = b"x" * 161


def expected_mac(kind: DigestType, key: bytes, text: bytes) -> bytes:
    return b64encode(hmac.digest(key, text, kind.value)).rstrip(b"=")


@pytest.mark.parametrize("kind", DigestType)
def test_text_lengths(kind: DigestType) -> None:
    assert kind.text_length == LENGTHS[kind]
    assert len(digest_text(kind, b"")) == LENGTHS[kind]


@pytest.mark.parametrize("kind", DigestType)
def test_a_digest_tells_its_type(kind: DigestType) -> None:
    text = b64encode(hashlib.new(kind, b"data").digest()).rstrip(b"=")
    assert verify_digest(b"data", text) is kind


@pytest.mark.parametrize("kind", DigestType)
def test_a_digest_of_other_data_is_refused(kind: DigestType) -> None:
    with pytest.raises(SpaError) as caught:
        verify_digest(b"other", digest_text(kind, b"data"))
    assert caught.value.code is SpaErrorCode.DIGEST_VERIFICATION_FAILED


@pytest.mark.parametrize("length", [0, 21, 23, 42, 44, 65, 87, 1000])
def test_a_digest_of_no_length_known_is_refused(length: int) -> None:
    with pytest.raises(SpaError) as caught:
        verify_digest(b"", b"A" * length)
    assert caught.value.code is SpaErrorCode.INVALID_DIGEST_TYPE


# Around every block size: 64, 72, 128 and 136 bytes.
@pytest.mark.parametrize("length", [1, 16, 63, 64, 65, 71, 72, 73, 127, 128, 129, 135, 136])
@pytest.mark.parametrize("kind", DigestType)
def test_macs_are_hmacs_over_prefix_and_body(kind: DigestType, length: int) -> None:
    key = bytes(range(1, length + 1))
    authenticator = Authenticator(kind, key)
    assert authenticator.tag(BODY) == expected_mac(kind, key, SALTED_PREFIX + BODY)
    assert authenticator.tag(b"") == expected_mac(kind, key, SALTED_PREFIX)


def test_the_prefix_can_be_the_one_of_gpg() -> None:
    tag = Authenticator(DigestType.SHA256, b"key", b"hQ").tag(BODY)
    assert tag == expected_mac(DigestType.SHA256, b"key", b"hQ" + BODY)


@pytest.mark.parametrize("kind", DigestType)
def test_only_the_very_mac_is_right(kind: DigestType) -> None:
    authenticator = Authenticator(kind, b"key")
    mac = authenticator.tag(BODY)
    assert authenticator.verify(BODY, mac)
    assert authenticator.matches(BODY + mac)
    for wrong in (mac[:-1], mac + b"A", mac[::-1], b"", mac.swapcase(), b"\xff" * len(mac)):
        assert not authenticator.verify(BODY, wrong)
        assert not authenticator.matches(BODY + wrong)
    assert not authenticator.matches(b"")


def test_a_longer_key_than_any_client_has_is_refused() -> None:
    with pytest.raises(SpaError) as caught:
        Authenticator(DigestType.SHA256, b"k" * (MAX_HMAC_KEY_LENGTH + 1))
    assert caught.value.code is SpaErrorCode.INVALID_HMAC_KEY_LEN


SECRET_WORDS = ("mac", "tag", "digest", "key")


def compared_secrets(source: str) -> list[str]:
    """Comparisons for equality in ``source`` with an operand that sounds secret."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare)]
    plain = [n for n in nodes if any(isinstance(op, ast.Eq | ast.NotEq) for op in n.ops)]
    texts = [ast.unparse(node) for node in plain]
    return [text for text in texts if any(word in text.lower() for word in SECRET_WORDS)]


def test_nothing_secret_is_compared_with_an_operator() -> None:
    assert compared_secrets("mac == own") == ["mac == own"]
    folder = Path(fwknopd.spa.__file__).parent
    sources = {path.name: path.read_text() for path in folder.glob("*.py")}
    assert "digest.py" in sources
    assert {name: found for name in sources if (found := compared_secrets(sources[name]))} == {}
