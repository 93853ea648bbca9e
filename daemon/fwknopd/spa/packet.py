"""Wire text to message and back: the only entry to this package for the layers above.

Theory of operation. `classify` decides from public facts alone (size, alphabet)
whether bytes can be a knock. `decode` tries one stanza's keys on it: MAC first,
and only an authenticated body is decrypted. Neither keeps state; replay is the
caller's, who asks `replay_key` for a name of the packet that every re-encoding
of it shares.

Rules: no sockets, files, clocks or randomness in this package. Importing this
module doesn't load the crypto library: people's settings name its types, and the
web interface must not pay for AES.
"""

import hashlib
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import NamedTuple

from fwknopd.spa import base64
from fwknopd.spa.digest import SALTED_PREFIX, Authenticator, DigestType
from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.http import forwarded_for, is_request, unwrap
from fwknopd.spa.message import MessageType, SpaMessage, build_plaintext, parse_plaintext
from fwknopd.spa.mode import EncryptionGuess, EncryptionMode

MIN_PAYLOAD = 140
MAX_PAYLOAD = 1500
GPG_PREFIX = b"hQ"
MIN_TEXT = 36
MAX_TEXT = 1499
MIN_GPG_TEXT = 400
"""From this length on the C daemon takes a packet for GPG, whatever it is."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/=]*")
_PREFIXES = (SALTED_PREFIX, GPG_PREFIX)
_BLOCK = 16


@dataclass(frozen=True, slots=True)
class SpaKeys:
    """One stanza's keys. An empty or missing HMAC key means packets carry no MAC."""

    encryption_key: bytes | None = field(default=None, repr=False)
    hmac_key: bytes | None = field(default=None, repr=False)
    mode: EncryptionMode = EncryptionMode.CBC
    hmac_type: DigestType = DigestType.SHA256

    @property
    def prefix(self) -> bytes:
        """The start of every base64 text of this mode, which isn't sent."""
        return GPG_PREFIX if self.mode is EncryptionMode.ASYMMETRIC else SALTED_PREFIX

    def authenticator(self) -> Authenticator | None:
        """The checker of this stanza's MACs, to be made once; None if packets carry none.

        Raises `SpaError` for a key longer than any client can use.
        """
        if not self.hmac_key:
            return None
        return Authenticator(self.hmac_type, self.hmac_key, self.prefix)


class WireText(NamedTuple):
    """Text that passed `classify`: 140..1500 base64 characters, prefix still missing.

    ``forwarded_for`` is the client address a reverse proxy claimed, only when asked for.
    """

    text: bytes
    forwarded_for: IPv4Address | None = None

    @property
    def reference_digest(self) -> str:
        """The packet's name in the C daemon's replay cache: SHA-256 of the text as base64."""
        return base64.encode(hashlib.sha256(self.text).digest()).decode("ascii")

    @property
    def encryption_guess(self) -> EncryptionGuess:
        """By length alone, MAC included, as the C daemon guesses."""
        if len(self.text) >= MIN_GPG_TEXT:
            return EncryptionGuess.GPG
        return EncryptionGuess.RIJNDAEL if len(self.text) >= MIN_TEXT else EncryptionGuess.UNKNOWN


def classify(
    payload: bytes,
    *,
    http: bool = False,
    allow_any_user_agent: bool = False,
    x_forwarded_for: bool = False,
) -> WireText:
    """The wire text of a payload, UDP data or with ``http`` also a whole GET request.

    Raises `SpaError` with SIZE (the C daemon drops these without a word),
    SPA_MSG_BAD_DATA or SPA_MSG_NOT_SPA_DATA.
    """
    if not MIN_PAYLOAD <= len(payload) <= MAX_PAYLOAD:
        raise SpaError(
            SpaErrorCode.SIZE, f"a packet has {MIN_PAYLOAD} to {MAX_PAYLOAD} bytes of payload"
        )
    source = None
    if http and is_request(payload):
        source = forwarded_for(payload) if x_forwarded_for else None
        payload = unwrap(payload, allow_any_user_agent=allow_any_user_agent)
        if len(payload) < MIN_PAYLOAD:
            raise SpaError(SpaErrorCode.SIZE, "the request's path is too short for a packet")
    _check_prefix(payload)
    if not _BASE64.fullmatch(payload):
        raise SpaError(SpaErrorCode.SPA_MSG_NOT_SPA_DATA, "not base64")
    return WireText(payload, source)


def is_wire_text(payload: bytes) -> bool:
    """Does `classify` take a payload as it is, whatever the settings?

    False says nothing: then `classify` has to look, and to give the reason.
    """
    return (
        MIN_PAYLOAD <= len(payload) <= MAX_PAYLOAD
        and not payload.startswith(_PREFIXES)
        and _BASE64.fullmatch(payload) is not None
    )


def decode(
    wire: WireText,
    keys: SpaKeys,
    *,
    authenticator: Authenticator | None = None,
    any_length: bool = False,
) -> SpaMessage:
    """The message, if these keys made the packet. Raises `SpaError` and nothing else.

    ``authenticator`` is what ``keys.authenticator()`` made, given to save making it
    again. ``any_length``: the stanza has ENABLE_CMD_EXEC, which in the C daemon also
    lets its packets be tried beyond 399 characters.
    """
    return decode_with_key(wire, keys, authenticator, any_length=any_length)[0]


def decode_with_key(
    wire: WireText, keys: SpaKeys, authenticator: Authenticator | None, *, any_length: bool
) -> tuple[SpaMessage, bytes]:
    """What `decode` and `replay_key` say of a packet, in one go. Raises `SpaError`."""
    _check_encryption_type(wire, keys, any_length)
    full = authentic_text(wire, keys, authenticator)
    _check_body_length(counted_length(full, keys))
    data = _cipher_bytes(full)
    # Loaded with the first authentic packet; from then on this line costs next to nothing.
    from fwknopd.spa.cipher import decrypt, unpad

    if keys.encryption_key is None:
        raise SpaError(SpaErrorCode.INVALID_KEY_LEN, "the stanza has no encryption key")
    text, well_formed = unpad(decrypt(keys.mode, keys.encryption_key, data))
    message = parse_plaintext(text)
    if not well_formed:
        # libfko takes it. A packet padded with a whole block could be sent again
        # without that block, if there is no HMAC to notice.
        raise SpaError(SpaErrorCode.STRICT_PADDING, "the encrypted text isn't padded")
    return message, hashlib.sha256(data).digest()


def replay_key(wire: WireText, keys: SpaKeys) -> bytes:
    """32 bytes that name the packet: the same for every text `decode` may take for it.

    It is a digest of the encrypted bytes, so however their base64 is spelled.
    """
    text = wire.text[: -keys.hmac_type.text_length] if keys.hmac_key else wire.text
    try:
        return hashlib.sha256(base64.decode_lenient(keys.prefix + text)).digest()
    except ValueError:
        return hashlib.sha256(text).digest()


def encode(
    *,
    user: str,
    timestamp: int,
    rand: str,
    message_type: MessageType,
    message: str | bytes,
    nat_access: str | bytes | None = None,
    server_auth: bytes | None = None,
    client_timeout: int = 0,
    keys: SpaKeys,
    digest_type: DigestType = DigestType.SHA256,
    salt: bytes,
) -> bytes:
    """The wire text of a new packet. ``rand`` (16 digits) and ``salt`` (8 bytes) must be fresh.

    Raises `SpaError` when a server would refuse the fields, ValueError for fields the
    type doesn't carry. The result may be too long for a server: `MIN_GPG_TEXT`.
    """
    plaintext = build_plaintext(
        rand=rand,
        user=user,
        timestamp=timestamp,
        message_type=message_type,
        message=message.encode() if isinstance(message, str) else message,
        nat_access=nat_access.encode() if isinstance(nat_access, str) else nat_access,
        server_auth=server_auth,
        client_timeout=client_timeout,
        digest_type=digest_type,
    )
    return seal(plaintext, keys, salt)


def seal(plaintext: bytes, keys: SpaKeys, salt: bytes) -> bytes:
    """``plaintext`` encrypted and authenticated, as it goes on the wire. Raises `SpaError`."""
    from fwknopd.spa import cipher

    if keys.encryption_key is None:
        raise SpaError(SpaErrorCode.INVALID_KEY_LEN, "there is no encryption key")
    data = cipher.encrypt(keys.mode, keys.encryption_key, salt, plaintext)
    body = base64.encode(data)[len(SALTED_PREFIX) :]
    authenticator = keys.authenticator()
    return body + (authenticator.tag(body) if authenticator else b"")


def _check_prefix(payload: bytes) -> None:
    # libfko only adds the prefix where it is missing, so a captured packet with its
    # prefix put back would pass for a new one.
    if payload.startswith(SALTED_PREFIX) or (
        payload.startswith(GPG_PREFIX) and len(payload) > MIN_GPG_TEXT
    ):
        raise SpaError(SpaErrorCode.SPA_MSG_BAD_DATA, "the packet still has its constant prefix")


def _check_encryption_type(wire: WireText, keys: SpaKeys, any_length: bool) -> None:
    if keys.mode is EncryptionMode.ASYMMETRIC:
        raise SpaError(SpaErrorCode.UNSUPPORTED_MODE, "GPG packets are not supported")
    if wire.encryption_guess is EncryptionGuess.GPG and not any_length:
        raise SpaError(
            SpaErrorCode.NO_ENCRYPTION_TYPE_MATCH,
            f"{len(wire.text)} characters are too many: AES packets have less than {MIN_GPG_TEXT}",
        )


def authentic_text(wire: WireText, keys: SpaKeys, authenticator: Authenticator | None) -> bytes:
    """The full base64 text, prefix put back, once its MAC (if the stanza has one) is right.

    Raises `SpaError`.
    """
    text = wire.text
    if not MIN_TEXT <= len(text) <= MAX_TEXT:
        raise SpaError(
            SpaErrorCode.FUNCS_NEW_MSGLEN_VALIDFAIL, f"no packet has {len(text)} characters"
        )
    authenticator = authenticator or keys.authenticator()
    if authenticator is None:
        return keys.prefix + text
    body, mac = text[: -authenticator.mac_length], text[-authenticator.mac_length :]
    if len(body) < MIN_TEXT:
        raise SpaError(SpaErrorCode.HMAC_ENCMSGLEN_VALIDFAIL, "too short to hold packet and MAC")
    if not authenticator.verify(body, mac):
        if not _BASE64.fullmatch(body):
            raise SpaError(SpaErrorCode.ENCODE_NOTBASE64, "not base64")
        raise SpaError(
            SpaErrorCode.HMAC_COMPAREFAIL, "wrong MAC: another key, HMAC type or client, or none"
        )
    return keys.prefix + body


def counted_length(full: bytes, keys: SpaKeys) -> int:
    """The length by which libfko guesses AES or GPG once more.

    Yes, with the prefix where there is a MAC and without where there is none.
    """
    return len(full) if keys.hmac_key else len(full) - len(keys.prefix)


def _check_body_length(length: int) -> None:
    if length >= MIN_GPG_TEXT:
        raise SpaError(
            SpaErrorCode.ENCRYPT_TYPE_UNKNOWN,
            f"{length} characters without MAC are too many: AES packets have less than"
            f" {MIN_GPG_TEXT}",
        )


def _cipher_bytes(body: bytes) -> bytes:
    try:
        data = base64.decode_lenient(body)
    except ValueError:
        raise SpaError(SpaErrorCode.ENCODE_NOTBASE64, "not base64") from None
    if len(data) % _BLOCK:
        raise SpaError(
            SpaErrorCode.ENCRYPT_CIPHERLEN_VALIDFAIL, "the encrypted data isn't whole blocks"
        )
    if base64.encode(data) != body:
        raise SpaError(
            SpaErrorCode.STRICT_BASE64, "the packet's base64 isn't the one a client makes"
        )
    return data
