"""Knocks for property tests: keys, fields a client may send, and ways to damage a packet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fwknopd.spa.digest import DigestType
from fwknopd.spa.message import MessageType
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys, encode

SYMMETRIC = [mode for mode in EncryptionMode if mode is not EncryptionMode.ASYMMETRIC]
USER_CHARACTERS = st.characters(
    min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"/\\[]:;|=,+*?<>'
)
HOST_CHARACTERS = st.characters(min_codepoint=1, max_codepoint=0xFF, exclude_characters=" ,/?\"'\\")

hmac_keys = st.none() | st.binary(min_size=1, max_size=136)
keys = st.builds(
    SpaKeys,
    encryption_key=st.binary(max_size=32),
    hmac_key=hmac_keys,
    mode=st.sampled_from(SYMMETRIC),
    hmac_type=st.sampled_from(DigestType),
)
any_keys = keys | st.builds(
    SpaKeys,
    encryption_key=st.none() | st.binary(max_size=40),
    hmac_key=st.none() | st.binary(max_size=140),
    mode=st.sampled_from(EncryptionMode),
    hmac_type=st.sampled_from(DigestType),
)

addresses = st.ip_addresses(v=4).map(str)
ports = st.builds("{}/{}".format, st.sampled_from(["tcp", "udp"]), st.integers(1, 65535))
access_texts = st.builds(
    lambda address, some: ",".join([address, *some]).encode(),
    addresses,
    st.lists(ports, min_size=1, max_size=6),
)
commands = st.binary(min_size=1, max_size=60).filter(lambda command: b"\0" not in command)
command_texts = st.builds(
    lambda address, command: address.encode() + b"," + command, addresses, commands
)
nat_texts = st.builds(
    lambda host, port: host.encode("latin-1") + b",%d" % port,
    st.text(HOST_CHARACTERS, max_size=20),
    st.integers(1, 65535),
)


@st.composite
def knocks(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of `encode` without the keys."""
    kind = draw(st.sampled_from(MessageType))
    return {
        "rand": draw(st.from_regex(r"[0-9]{16}", fullmatch=True)),
        "user": draw(st.text(USER_CHARACTERS, min_size=1, max_size=20)),
        "timestamp": draw(st.integers(0, 2**32 - 1)),
        "message_type": kind,
        "message": draw(command_texts if kind is MessageType.COMMAND else access_texts),
        "nat_access": draw(nat_texts) if kind.has_nat else None,
        # A NUL ends the field, and an empty field is none.
        "server_auth": draw(st.none() | st.binary(min_size=1, max_size=20).filter(_no_nul)),
        "client_timeout": draw(st.integers(0, 65536)) if kind.has_timeout else 0,
        "digest_type": draw(st.sampled_from(DigestType)),
        "salt": draw(st.binary(min_size=8, max_size=8)),
    }


def _no_nul(data: bytes) -> bool:
    return b"\0" not in data


@st.composite
def packets(draw: st.DrawFn) -> tuple[bytes, SpaKeys]:
    """A valid wire text and its keys."""
    chosen = draw(keys)
    return encode(keys=chosen, **draw(knocks())), chosen


@st.composite
def damaged(draw: st.DrawFn, text: bytes) -> bytes:
    """``text`` with one to three edits: bytes replaced, put in or taken out, or a tail added."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        gone = draw(st.integers(0, 3))
        new = draw(st.binary(max_size=3) | st.sampled_from([b"", b"=", b"==", b"A", b"/", b"\0"]))
        text = text[:start] + new + text[start + gone :]
    return text
