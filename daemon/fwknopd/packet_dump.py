"""The fields of a decrypted packet, as the C daemon shows them with -v. No keys."""

from __future__ import annotations

from collections.abc import Iterator

from fwknopd.events import printable
from fwknopd.policy.packet import Packet
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Refusal, Verdict
from fwknopd.spa.digest import DigestType
from fwknopd.spa.errors import SpaError
from fwknopd.spa.message import MessageType, SpaMessage, build_plaintext
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys, classify

NULL = "<NULL>"
LONGEST = 3000
"""Characters of a line: more than the longest packet."""

_HEX_ROW = 16
_TYPES = {
    MessageType.COMMAND: "Command",
    MessageType.ACCESS: "Access",
    MessageType.NAT_ACCESS: "NAT access",
    MessageType.CLIENT_TIMEOUT_ACCESS: "Client timeout access",
    MessageType.CLIENT_TIMEOUT_NAT_ACCESS: "Client timeout NAT access",
    MessageType.LOCAL_NAT_ACCESS: "Local NAT access",
    MessageType.CLIENT_TIMEOUT_LOCAL_NAT_ACCESS: "Client timeout local NAT access",
}
# libfko's numbers.
_DIGESTS = {kind: number for number, kind in enumerate(DigestType, start=1)}
_MODES = {
    EncryptionMode.ECB: 1,
    EncryptionMode.CBC: 2,
    EncryptionMode.CFB: 3,
    EncryptionMode.OFB: 5,
    EncryptionMode.CTR: 6,
    EncryptionMode.ASYMMETRIC: 7,
    EncryptionMode.LEGACY: 8,
}


def dump_lines(packet: Packet, verdict: Verdict) -> list[str]:
    """A packet and its fields, or why there are none to show."""
    stanza, message = verdict.stanza, verdict.message
    if stanza is None or message is None:
        if isinstance(verdict, Refusal) and stanza is None:
            return [f"[{packet.source}] SPA packet not used ({verdict.reason}): {verdict.detail}"]
        return []
    text = _wire_text(packet)
    heading = f"[{packet.source}] (stanza {stanza.label}) SPA Decode (res=0):"
    shown = [f"SPA Packet: '{text}'", heading, "SPA Field Values:", "================="]
    fields = _fields(message, stanza, text)
    return [*shown, *(f"{name:>15}: {printable(value, LONGEST)}" for name, value in fields)]


def hex_lines(payload: bytes) -> list[str]:
    """A payload byte by byte, as the C daemon shows it with -vvv; printable ASCII only."""
    rows = range(0, len(payload), _HEX_ROW)
    return [
        "[+] candidate SPA packet payload:",
        *(f"  {start:#06x}:  {_hex_row(payload[start : start + _HEX_ROW])}" for start in rows),
    ]


def _hex_row(row: bytes) -> str:
    halves = (row[: _HEX_ROW // 2].hex(" "), row[_HEX_ROW // 2 :].hex(" "))
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
    return f"{halves[0]:<23}  {halves[1]:<23}  {text}"


def _fields(message: SpaMessage, stanza: Stanza, text: str) -> Iterator[tuple[str, str]]:
    kind, keys = message.message_type, stanza.keys
    body, mac = _parted(text, keys)
    yield "Random Value", message.rand
    yield "Username", message.user
    yield "Timestamp", str(message.timestamp)
    yield "FKO Version", message.version
    yield "Message Type", f"{int(kind)} ({_TYPES[kind]} msg)"
    yield "Message String", _text(message.message)
    yield "Nat Access", _text(message.nat_access)
    yield "Server Auth", _text(message.server_auth)
    yield "Client Timeout", str(message.client_timeout)
    yield "Digest Type", _digest(message.digest_type)
    yield "HMAC Type", _digest(keys.hmac_type) if keys.hmac_key else "0 (None)"
    gpg = keys.mode is EncryptionMode.ASYMMETRIC
    yield "Encryption Type", "2 (GPG)" if gpg else "1 (Rijndael)"
    yield "Encryption Mode", f"{_MODES[keys.mode]} ({keys.mode.value})"
    yield "Encoded Data", _encoded(message)
    yield "SPA Data Digest", message.digest
    yield "HMAC", mac or NULL
    yield "Final SPA Data", body


def _digest(kind: DigestType) -> str:
    return f"{_DIGESTS[kind]} ({kind.value.upper()})"


def _text(field: bytes | None) -> str:
    return NULL if field is None else field.decode("latin-1")


def _wire_text(packet: Packet) -> str:
    try:
        wire = classify(packet.payload, http=True, allow_any_user_agent=True)
    except SpaError:
        return ""
    return wire.text.decode("ascii")


def _parted(text: str, keys: SpaKeys) -> tuple[str, str]:
    if not keys.hmac_key:
        return text, ""
    return text[: -keys.hmac_type.text_length], text[-keys.hmac_type.text_length :]


def _encoded(message: SpaMessage) -> str:
    """The decrypted text without its digest, made again from the fields."""
    try:
        plaintext = build_plaintext(
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
    except (SpaError, ValueError):
        # A packet that no client makes, though its fields can be read.
        return NULL
    return plaintext.rpartition(b":")[0].decode("ascii")
