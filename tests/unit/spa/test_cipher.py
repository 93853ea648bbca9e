"""AES: what the recorded packets can't show."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fwknopd.spa import cipher
from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.mode import EncryptionMode

KEY, SALT = b"k" * 32, b"12345678"
TEXT = b"1234567890123456:a text of some blocks and a bit"
SYMMETRIC = [mode for mode in EncryptionMode if mode is not EncryptionMode.ASYMMETRIC]


@pytest.mark.parametrize("mode", SYMMETRIC)
@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 48])
def test_decrypting_undoes_encrypting(mode: EncryptionMode, length: int) -> None:
    data = cipher.encrypt(mode, KEY, SALT, b"x" * length)
    assert data[:16] == b"Salted__" + SALT
    assert cipher.unpad(cipher.decrypt(mode, KEY, data)) == (b"x" * length, True)


def test_every_mode_makes_other_bytes() -> None:
    sealed = {mode: cipher.encrypt(mode, b"short", SALT, TEXT) for mode in SYMMETRIC}
    assert len(set(sealed.values())) == len(SYMMETRIC)


def test_legacy_differs_from_cbc_only_for_keys_below_16_bytes() -> None:
    for length, same in ((0, False), (15, False), (16, True), (32, True)):
        key = b"k" * length
        legacy = cipher.encrypt(EncryptionMode.LEGACY, key, SALT, TEXT)
        assert (legacy == cipher.encrypt(EncryptionMode.CBC, key, SALT, TEXT)) is same


def test_legacy_fills_keys_up_with_the_digit_zero() -> None:
    legacy = cipher.encrypt(EncryptionMode.LEGACY, b"short", SALT, TEXT)
    assert legacy == cipher.encrypt(EncryptionMode.CBC, b"short" + b"0" * 11, SALT, TEXT)


def test_ctr_counts_on_beyond_the_last_iv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cipher, "_derive", lambda *_: (KEY, b"\xff" * 16))
    block = Cipher(algorithms.AES(KEY), modes.ECB()).encryptor()  # noqa: S305
    stream = block.update(b"\xff" * 16) + block.update(bytes(16)) + block.update(bytes(15) + b"\1")
    sealed = cipher.encrypt(EncryptionMode.CTR, KEY, SALT, bytes(32))[16:]
    assert sealed[:32] == stream[:32]
    assert sealed[32:] == bytes(a ^ 16 for a in stream[32:])


@pytest.mark.parametrize("length", [33, 64])
def test_longer_keys_than_aes_takes_are_refused(length: int) -> None:
    with pytest.raises(SpaError) as caught:
        cipher.encrypt(EncryptionMode.CBC, b"k" * length, SALT, TEXT)
    assert caught.value.code is SpaErrorCode.INVALID_KEY_LEN


@pytest.mark.parametrize("data", [b"", b"Salted__1234567", b"Salted_X12345678", b"\0" * 32])
def test_data_without_magic_or_salt_is_refused(data: bytes) -> None:
    with pytest.raises(SpaError) as caught:
        cipher.decrypt(EncryptionMode.CBC, KEY, data)
    assert caught.value.code is SpaErrorCode.DECRYPTION_FAILURE


def test_gpg_is_not_aes() -> None:
    with pytest.raises(SpaError) as caught:
        cipher.encrypt(EncryptionMode.ASYMMETRIC, KEY, SALT, TEXT)
    assert caught.value.code is SpaErrorCode.UNSUPPORTED_MODE


@pytest.mark.parametrize(
    "text",
    [b"", b"abc\0", b"abc\x11", b"abc\2", b"\3\3", b"\1\2\3\4", b"x" * 16, b"\x10" * 15],
)
def test_malformed_padding_stays_on(text: bytes) -> None:
    assert cipher.unpad(text) == (text, False)


@pytest.mark.parametrize("count", [1, 2, 16])
def test_well_formed_padding_goes(count: int) -> None:
    assert cipher.unpad(b"abc" + bytes([count]) * count) == (b"abc", True)
