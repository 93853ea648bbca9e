"""Handing keys to clients: QR codes for phones, stanzas for the command line client.

Keys appear here as the four options of a stanza (KEY, KEY_BASE64, HMAC_KEY,
HMAC_KEY_BASE64). Nothing here is logged or shown in a repr. No daemon loads it.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from fwknopd.keys import decode_key_base64, encode_key_base64
from fwknopd.spa.digest import DigestType
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys

DEFAULT_SPA_PORT = 62201

_QR_NAMES = ("KEY_BASE64", "KEY", "HMAC_KEY_BASE64", "HMAC_KEY")
_ANDROID_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_ACCESS = re.compile(r"(?:tcp|udp)/[0-9]{1,5}(?:,(?:tcp|udp)/[0-9]{1,5})*")


@dataclass(frozen=True, slots=True)
class KeyFields:
    """The four key options of a stanza as text, empty where unset."""

    key_base64: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    hmac_key_base64: str = field(default="", repr=False)
    hmac_key: str = field(default="", repr=False)


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
