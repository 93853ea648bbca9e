"""Packets as people have them at hand: pasted text, hexadecimal digits, a capture file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile

from fwknopd.capture import CaptureError
from fwknopd.ctl.errors import CtlError
from fwknopd.policy.packet import Packet
from fwknopd.regular_file import FileError, open_regular, read_limited
from fwknopd.spa.packet import MAX_PAYLOAD, MIN_PAYLOAD

STDIN = "-"
LIMIT = 64 << 20
"""Bytes read at most; a capture file of knocks is far smaller."""

UDP = 17
_BATCH = 1000
_UNKNOWN = IPv4Address(0)
_CAPTURES = (
    b"\xa1\xb2\xc3\xd4",
    b"\xd4\xc3\xb2\xa1",
    b"\xa1\xb2\x3c\x4d",
    b"\x4d\x3c\xb2\xa1",
    b"\x0a\x0d\x0d\x0a",
)
_HEX = re.compile(rb"(?:0x)?(?:[0-9a-f]{2}[\s:]*)+", re.IGNORECASE)
_NOT_HEX = re.compile(rb"^0x|[\s:]", re.IGNORECASE)

Address = IPv4Address | IPv6Address


def read_packets(file: str, source: str | None, destination: str | None) -> list[Packet]:
    """The packets in ``file`` ("-": standard input). Raises CtlError.

    The addresses win over those in a capture file; one that nobody names is 0.0.0.0.
    """
    data = _stdin() if file == STDIN else _file(Path(file))
    if data.startswith(_CAPTURES):
        packets = _captured(data)
    else:
        packets = [Packet(payload_of(data), _UNKNOWN, _UNKNOWN, None, None, UDP, "udp")]
    if source is not None:
        known = _address(source, "--source")
        packets = [packet._replace(source=known) for packet in packets]
    if destination is not None:
        known = _address(destination, "--destination")
        packets = [packet._replace(destination=known) for packet in packets]
    return packets


def payload_of(data: bytes) -> bytes:
    """The payload in pasted text: hexadecimal digits, else the text itself.

    White space around it is no part of it. A packet can't be all hexadecimal by chance.
    """
    text = data.strip()
    if _HEX.fullmatch(text):
        return bytes.fromhex(_NOT_HEX.sub(b"", text).decode("ascii"))
    return text


def plausible(packets: Iterable[Packet]) -> list[Packet]:
    """Those long enough and short enough to be knocks."""
    return [packet for packet in packets if MIN_PAYLOAD <= len(packet.payload) <= MAX_PAYLOAD]


def _address(text: str, option: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise CtlError(f"{option}: {text!r} is no address", "Write it like 192.0.2.7") from None


def _stdin() -> bytes:
    if sys.stdin.isatty():
        print("Paste the packet, then press Enter and Ctrl-D:", file=sys.stderr)
    data = sys.stdin.buffer.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise CtlError(f"more than {LIMIT} bytes came in", "Cut the capture down")
    return data


def _file(path: Path) -> bytes:
    try:
        descriptor = open_regular(path)
        try:
            return read_limited(descriptor, path, LIMIT)
        finally:
            os.close(descriptor)
    except FileError as error:
        raise CtlError(error.message, error.remedy) from None


def _captured(data: bytes) -> list[Packet]:
    """Every packet of a capture; the library reads named files only."""
    from fwknopd.capture.pcap import PcapFileCapture

    with NamedTemporaryFile(prefix="fwknopctl-") as file:
        file.write(data)
        file.flush()
        packets: list[Packet] = []
        try:
            capture = PcapFileCapture(file.name)
            try:
                while not capture.exhausted:
                    packets += capture.read(_BATCH)
            finally:
                capture.close()
        except CaptureError as error:
            raise CtlError(f"the capture can't be read: {error}", "Is the file whole?") from None
        return packets
