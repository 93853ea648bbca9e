"""AES as fwknop uses it: OpenSSL's salted format, every mode padded to blocks.

The one module that loads the crypto library, which costs megabytes: `packet`
imports it when the first authentic packet arrives.

Only the library's ECB, CBC and CTR are used. It is moving CFB and OFB out to a
corner for obsolete ciphers, in another place from one release to the next, and
both are one line on top of the two others.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.mode import EncryptionMode

BLOCK = 16
SALT_LENGTH = 8
MAX_KEY_LENGTH = 32
MAGIC = b"Salted__"
_HEADER = len(MAGIC) + SALT_LENGTH
_LEGACY_KEY_LENGTH = 16
# To copy a state takes a tenth of the time OpenSSL takes to find the hash by its name.
_MD5 = hashlib.md5(usedforsecurity=False)


def encrypt(mode: EncryptionMode, passphrase: bytes, salt: bytes, text: bytes) -> bytes:
    """``text`` padded and encrypted, behind the magic and the salt (8 bytes). Raises `SpaError`."""
    key, iv = _derive(mode, passphrase, salt)
    return MAGIC + salt + _run(mode, key, iv, pad(text), encrypting=True)


def decrypt(mode: EncryptionMode, passphrase: bytes, data: bytes) -> bytes:
    """The text with its padding still on. Raises `SpaError`; a wrong key gives rubbish instead.

    ``data`` is magic, salt and whole blocks.
    """
    if not data.startswith(MAGIC) or len(data) < _HEADER:
        # libfko doesn't look at the magic. Its last bits are on the wire, so without
        # an HMAC the same knock could be sent again with other bits there.
        raise SpaError(SpaErrorCode.DECRYPTION_FAILURE, "the packet has no salt")
    key, iv = _derive(mode, passphrase, data[len(MAGIC) : _HEADER])
    return _run(mode, key, iv, data[_HEADER:], encrypting=False)


def pad(text: bytes) -> bytes:
    """PKCS#7: 1 to 16 bytes, each saying how many there are."""
    count = BLOCK - len(text) % BLOCK
    return text + bytes([count]) * count


def unpad(text: bytes) -> tuple[bytes, bool]:
    """The text without its padding, and whether the padding was well formed.

    Malformed padding stays on, as with libfko: with a wrong key everything is
    malformed, and what is wrong then is better said by the checks of the text.
    """
    count = text[-1] if text else 0
    if 1 <= count <= BLOCK and text.endswith(bytes([count]) * count):
        return text[:-count], True
    return text, False


def _derive(mode: EncryptionMode, passphrase: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """AES key and IV: OpenSSL's EVP_BytesToKey with MD5, one round."""
    if len(passphrase) > MAX_KEY_LENGTH:
        raise SpaError(
            SpaErrorCode.INVALID_KEY_LEN,
            f"an encryption key may have {MAX_KEY_LENGTH} bytes, this one has {len(passphrase)}",
        )
    if mode is EncryptionMode.LEGACY:
        passphrase = passphrase.ljust(_LEGACY_KEY_LENGTH, b"0")
    secret = passphrase + salt
    first = _md5(secret)
    second = _md5(first + secret)
    return first + second, _md5(second + secret)


def _md5(data: bytes) -> bytes:
    state = _MD5.copy()
    state.update(data)
    return state.digest()


def _run(mode: EncryptionMode, key: bytes, iv: bytes, data: bytes, *, encrypting: bool) -> bytes:
    match mode:
        # What nearly everybody has comes first.
        case EncryptionMode.CBC | EncryptionMode.LEGACY:
            return _aes(key, modes.CBC(iv), data, encrypting)
        case EncryptionMode.ECB:
            return _aes(key, modes.ECB(), data, encrypting)  # noqa: S305 (the protocol's choice)
        case EncryptionMode.CTR:
            return _aes(key, modes.CTR(iv), data, encrypting)
        case EncryptionMode.OFB:
            # E(0 ^ previous) is OFB's key stream, so CBC over zeros makes it.
            return _xor(data, _aes(key, modes.CBC(iv), bytes(len(data)), True))
        case EncryptionMode.CFB:
            return _cfb_encrypt(key, iv, data) if encrypting else _cfb_decrypt(key, iv, data)
    raise SpaError(SpaErrorCode.UNSUPPORTED_MODE, "GPG packets aren't AES")


def _aes(
    key: bytes, mode: modes.ECB | modes.CBC | modes.CTR, data: bytes, encrypting: bool
) -> bytes:
    cipher = Cipher(algorithms.AES(key), mode)
    context = cipher.encryptor() if encrypting else cipher.decryptor()
    return context.update(data) + context.finalize()


def _cfb_encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    sealed, previous = bytearray(), iv
    for start in range(0, len(data), BLOCK):
        previous = _xor(data[start : start + BLOCK], block.update(previous))
        sealed += previous
    return bytes(sealed)


def _cfb_decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    stream = _aes(key, modes.ECB(), (iv + data)[: len(data)], True)  # noqa: S305
    return _xor(data, stream)


def _xor(left: bytes, right: bytes) -> bytes:
    mixed = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return mixed.to_bytes(len(left), "big")
