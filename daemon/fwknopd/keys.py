"""Key text: making keys, reading them, and handing them to clients.

Keys appear here as bytes and as the four options of a stanza (KEY, KEY_BASE64,
HMAC_KEY, HMAC_KEY_BASE64). Nothing here is logged or shown in a repr.
"""

from __future__ import annotations

import re
import shlex
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Address

from fwknopd.spa.digest import DigestType
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys

PLACEHOLDERS = frozenset({"__CHANGEME__", "CHANGEME"})
"""What stock configurations hold where a key belongs; known to the whole world."""

ENCRYPTION_KEY_LENGTH = 32
MAX_ENCRYPTION_KEY_LENGTH = 32
HMAC_KEY_LENGTHS = {
    DigestType.MD5: 16,
    DigestType.SHA1: 20,
    DigestType.SHA256: 64,
    DigestType.SHA384: 128,
    DigestType.SHA512: 128,
    DigestType.SHA3_256: 64,
    DigestType.SHA3_512: 64,
}
"""Bytes of a new HMAC key: what ``fwknopd --key-gen`` makes, which has no default for SHA-3."""

DEFAULT_SPA_PORT = 62201

_QR_NAMES = ("KEY_BASE64", "KEY", "HMAC_KEY_BASE64", "HMAC_KEY")
_ANDROID_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_ACCESS = re.compile(r"(?:tcp|udp)/[0-9]{1,5}(?:,(?:tcp|udp)/[0-9]{1,5})*")


class KeyTextError(ValueError):
    """Text isn't a key: ``message`` says why, ``remedy`` what to do. Neither quotes the text."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}")
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class KeyFields:
    """The four key options of a stanza as text, empty where unset."""

    key_base64: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    hmac_key_base64: str = field(default="", repr=False)
    hmac_key: str = field(default="", repr=False)


def generate_encryption_key() -> bytes:
    """32 fresh random bytes, as many as AES packets can use."""
    # Loaded for this alone: it brings half a MiB with it that no daemon needs.
    import secrets

    return secrets.token_bytes(ENCRYPTION_KEY_LENGTH)


def generate_token() -> str:
    """What a scraper of metrics shows: 32 random bytes as text."""
    import secrets

    return secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """What the configuration has of a token. It is random, so this gives nothing of it away."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def generate_hmac_key(hmac_type: DigestType = DigestType.SHA256) -> bytes:
    """Fresh random bytes, as many as the C programs make for this type."""
    import secrets

    return secrets.token_bytes(HMAC_KEY_LENGTHS[hmac_type])


def is_placeholder(text: str) -> bool:
    """True for what stands in stock configurations where a key belongs."""
    return text.strip() in PLACEHOLDERS


def encode_key_base64(key: bytes) -> str:
    """The key as KEY_BASE64 or HMAC_KEY_BASE64 holds it."""
    return b64encode(key).decode("ascii")


def decode_key_base64(text: str) -> bytes:
    """The bytes of a KEY_BASE64 or HMAC_KEY_BASE64 value, padded or not.

    Raises `KeyTextError` for an empty value, a placeholder, and all that isn't
    standard base64.
    """
    _check_key_text(text)
    unpadded = text.rstrip("=")
    wrong_padding = unpadded != text and len(text) % 4
    try:
        data = unpadded.encode("ascii") + b"=" * (-len(unpadded) % 4)
        key = a2b_base64(data, strict_mode=True)
    except (Base64Error, UnicodeEncodeError):
        key = b""
    if not key or wrong_padding:
        raise KeyTextError(
            "The key is not base64: a character is wrong, or the value was cut",
            "Copy it again in full, or generate a new one; a passphrase belongs in KEY or"
            " HMAC_KEY instead.",
        )
    return key


def weaknesses(encryption_key: bytes, hmac_key: bytes | None) -> tuple[str, ...]:
    """Why people should not use these keys, one sentence each; empty when they may."""
    found = []
    for name, key in (("encryption", encryption_key), ("HMAC", hmac_key)):
        if key and len(set(key)) == 1:
            found.append(f"The {name} key is one character repeated. Generate a new one.")
    if hmac_key and hmac_key == encryption_key:
        found.append("Both keys are the same, so one gives away the other. Generate new ones.")
    if not hmac_key:
        found.append(
            "There is no HMAC key: packets are decrypted before anything shows who made them."
        )
    return tuple(found)


def qr_payload(fields: KeyFields) -> str:
    """What clients read from the QR code: ``NAME:value`` of the keys set, one space between."""
    return " ".join(f"{name}:{value}" for name, value in _qr_tokens(fields))


def android_safe(text: str, *, base64: bool = False) -> str | None:
    """What the Fwknop2 app would make of one key from a QR code; None when it reads it right.

    The app cuts the code at every space and every colon, without a word. It takes
    only padded base64.
    """
    for character, name in ((" ", "space"), (":", "colon")):
        if character in text:
            return f"The Android app reads this key only up to its first {name}."
    if base64 and (len(text) % 4 or not _ANDROID_BASE64.fullmatch(text)):
        return "The Android app takes base64 only with its padding: 4, 8, 12 ... characters."
    return None


def android_fields(fields: KeyFields) -> tuple[KeyFields, tuple[str, ...]]:
    """The same keys as the Fwknop2 app reads them right, and the options written another way.

    A passphrase it would cut, or whose letters a scanner may take for others, becomes base64;
    base64 gets its padding. Raises KeyTextError for base64 that is none.
    """
    written = {name: getattr(fields, name.lower()) for name in _QR_NAMES}
    for name, value in list(written.items()):
        is_base64 = name.endswith("_BASE64")
        if not value or not (android_safe(value, base64=is_base64) or _is_ambiguous(value)):
            continue
        key = decode_key_base64(value) if is_base64 else value.encode("utf-8", "surrogateescape")
        written[name] = ""
        written[name if is_base64 else f"{name}_BASE64"] = encode_key_base64(key)
    changed = tuple(n for n in _QR_NAMES if getattr(fields, n.lower()) not in ("", written[n]))
    return KeyFields(**{name.lower(): value for name, value in written.items()}), changed


def _is_ambiguous(text: str) -> bool:
    """Scanners guess the encoding of what is no ASCII."""
    return not (text.isascii() and text.isprintable())


def qr_problems(
    fields: KeyFields,
    hmac_type: DigestType = DigestType.SHA256,
    mode: EncryptionMode = EncryptionMode.CBC,
) -> tuple[str, ...]:
    """What goes wrong, or is still to be done by hand, when this QR code is scanned."""
    found = []
    for name, value in _qr_tokens(fields):
        if problem := android_safe(value, base64=name.endswith("_BASE64")):
            found.append(f"{name}: {problem}")
    for one, other in (("key_base64", "key"), ("hmac_key_base64", "hmac_key")):
        if getattr(fields, one) and getattr(fields, other):
            found.append(f"The code holds {one.upper()} and {other.upper()}: phones use the last.")
    if hmac_type is not DigestType.SHA256 and (fields.hmac_key or fields.hmac_key_base64):
        found.append(f"The code can't say the HMAC type: choose {hmac_type.upper()} in the app.")
    if mode is not EncryptionMode.CBC:
        found.append(f"The code can't say the encryption mode, which is {mode} here.")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """What the command line client must know to knock.

    - ``label``: any text; `stanza_name` makes the stanza's name of it
    - ``server``: host name or IPv4 address as the client reaches it
    - ``access``: ``tcp/22,udp/53``, or empty to leave it to the command line
    - ``allow_ip``: ``resolve``, ``source`` or an IPv4 address
    - ``fw_timeout``: seconds to ask for, None to leave it to the server
    - ``gpg_recipient``: for a client without an encryption key, the server's GPG key
    """

    label: str
    server: str
    keys: SpaKeys = field(repr=False)
    access: str = ""
    allow_ip: str = "resolve"
    port: int = DEFAULT_SPA_PORT
    fw_timeout: int | None = None
    gpg_recipient: str = ""

    def __post_init__(self) -> None:
        # Everything below becomes a line of a file, so nothing may bring its own newline.
        if not _HOST.fullmatch(self.server):
            raise ValueError(f"server {self.server!r} is neither a host name nor an IPv4 address")
        if self.access and not _ACCESS.fullmatch(self.access):
            raise ValueError(f"access {self.access!r} is not a list such as tcp/22,udp/53")
        if self.allow_ip not in ("resolve", "source"):
            IPv4Address(self.allow_ip)

    @property
    def stanza_name(self) -> str:
        """The label as a name that needs no quoting anywhere."""
        return re.sub(r"[^A-Za-z0-9._]+", "-", self.label).strip("-.") or "fwknop"


def fwknoprc_stanza(profile: ClientProfile) -> str:
    """The profile as a stanza for ``~/.fwknoprc``, ending in a newline. It holds the keys."""
    lines = [("SPA_SERVER", profile.server), *_optional_lines(profile)]
    lines += [("ALLOW_IP", profile.allow_ip), *_key_lines(profile)]
    return "".join(
        [f"[{profile.stanza_name}]\n", *(f"{name:<19} {value}\n" for name, value in lines)]
    )


def client_command(profile: ClientProfile, rc_file: str | None = None) -> str:
    """The command line that knocks with the stanza; keys are in the file, never in it."""
    words = ["fwknop", *(["--rc-file", rc_file] if rc_file else []), "-n", profile.stanza_name]
    return shlex.join(words)


def _check_key_text(text: str) -> None:
    if not text:
        raise KeyTextError("The key is empty", "Generate one.")
    if is_placeholder(text):
        raise KeyTextError(
            "The key is the placeholder of the stock configuration", "Generate a real one."
        )


def _qr_tokens(fields: KeyFields) -> list[tuple[str, str]]:
    values = (getattr(fields, name.lower()) for name in _QR_NAMES)
    return [(name, value) for name, value in zip(_QR_NAMES, values, strict=True) if value]


def _optional_lines(profile: ClientProfile) -> list[tuple[str, str]]:
    lines = []
    if profile.port != DEFAULT_SPA_PORT:
        lines.append(("SPA_SERVER_PORT", str(profile.port)))
    if profile.access:
        lines.append(("ACCESS", profile.access))
    if profile.fw_timeout is not None:
        lines.append(("FW_TIMEOUT", str(profile.fw_timeout)))
    return lines


def _key_lines(profile: ClientProfile) -> list[tuple[str, str]]:
    keys = profile.keys
    if keys.encryption_key is None:
        lines = [("USE_GPG", "Y")]
        if re.fullmatch(r"[\w@.+-]+", profile.gpg_recipient):
            lines.append(("GPG_RECIPIENT", profile.gpg_recipient))
    else:
        # Always base64: a passphrase with a space, `#` or `;` would be cut by the client.
        lines = [("KEY_BASE64", encode_key_base64(keys.encryption_key))]
    if keys.encryption_key is not None and keys.mode is not EncryptionMode.CBC:
        lines.append(("ENCRYPTION_MODE", keys.mode.value))
    if keys.hmac_key:
        lines.append(("USE_HMAC", "Y"))
        lines.append(("HMAC_KEY_BASE64", encode_key_base64(keys.hmac_key)))
        lines.append(("HMAC_DIGEST_TYPE", keys.hmac_type.upper()))
    return lines
