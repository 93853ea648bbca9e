"""The least a daemon in Python can do: it opens the door a knock asks for, and checks nothing.

No age, no replay, no rules of a client; nothing is written down and nobody is told. Nobody may
use it for anything. It tells what the interpreter, libpcap, `cryptography` and the kernel take
by themselves, so what of a figure of ours can be ours. Of this project it loads nothing.

Usage: floor.py DEVICE PORT TABLE ACCESS_CONF RULES
"""

from __future__ import annotations

import re
import select
import socket
import struct
import subprocess
import sys
from binascii import a2b_base64, b2a_base64
from hashlib import md5, sha256
from hmac import compare_digest
from pathlib import Path

import pcap
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PREFIX = b"U2FsdGVkX1"
MAC_LENGTH = 43
HEADERS = 42
"""Bytes of Ethernet, IPv4 and UDP before the payload."""

SECONDS = 300
SNAPLEN, RING_BYTES = 944, 2 << 20
NETLINK_NETFILTER = 12
BATCH = b"\0\0\0\x0a"
INET = b"\1\0\0\0"
NESTED = 0x8000


class Keys:
    """A client's keys, with the HMAC's absorbed."""

    def __init__(self, key: bytes, hmac_key: bytes) -> None:
        block = hmac_key.ljust(64, b"\0")
        self.key = key
        self.inner = sha256(bytes(byte ^ 0x36 for byte in block) + PREFIX)
        self.outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def made(self, body: bytes, mac: bytes) -> bool:
        """Is this the MAC of the text?"""
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(body)
        outer.update(inner.digest())
        return compare_digest(b2a_base64(outer.digest(), newline=False).rstrip(b"="), mac)

    def opened(self, body: bytes) -> bytes:
        """The plaintext, padding included."""
        text = PREFIX + body
        data = a2b_base64(text + b"=" * (-len(text) % 4))
        derived = part = b""
        while len(derived) < 48:
            part = md5(part + self.key + data[8:16], usedforsecurity=False).digest()
            derived += part
        cipher = Cipher(algorithms.AES(derived[:32]), modes.CBC(derived[32:])).decryptor()
        return cipher.update(data[16:]) + cipher.finalize()


class Doors:
    """Adds elements to the set of open doors."""

    def __init__(self, table: str) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._names = _attribute(1, table.encode() + b"\0") + _attribute(2, b"open4\0")
        self._sequence = 1

    def open(self, address: str, protocol: str, port: int) -> None:
        """Raises OSError."""
        number = 6 if protocol == "tcp" else 17
        key = socket.inet_aton(address) + struct.pack("!B3xH2x", number, port)
        lifetime = _attribute(4, struct.pack("!Q", SECONDS * 1000))
        value = _attribute(1 | NESTED, _attribute(1, key))
        elements = _attribute(3 | NESTED, _attribute(1 | NESTED, value + lifetime))
        first, self._sequence = self._sequence, self._sequence + 3
        self._socket.send(
            _message(0x10, 1, BATCH, first)
            + _message(0xA0C, 0x405, INET + self._names + elements, first + 1)
            + _message(0x11, 1, BATCH, first + 2)
        )
        (error,) = struct.unpack_from("=i", self._socket.recv(4096), 16)
        if error:
            raise OSError(-error, "the kernel refuses")


def _attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def _message(kind: int, flags: int, content: bytes, sequence: int) -> bytes:
    return struct.pack("=IHHII", 16 + len(content), kind, flags, sequence, 0) + content


def keys_of(text: str) -> list[Keys]:
    """The clients of an access.conf as the benchmark writes it."""
    found = re.findall(r"^KEY_BASE64 (\S+)\nHMAC_KEY_BASE64 (\S+)$", text, re.MULTILINE)
    return [Keys(a2b_base64(key), a2b_base64(hmac_key)) for key, hmac_key in found]


def main(device: str, port: str, table: str, access: str, rules: str) -> None:
    """Open doors for ever."""
    clients = keys_of(Path(access).read_text())
    subprocess.run(["nft", "-f", rules], check=True)
    doors = Doors(table)
    capture = pcap.pcap(
        device, SNAPLEN, False, timeout_ms=100, immediate=True, buffer_size=RING_BYTES
    )
    capture.setfilter(f"udp port {port}")
    capture.setnonblock(True)
    waiting = select.epoll()
    waiting.register(capture.fileno(), select.EPOLLIN)
    frames: list[bytes] = []
    while True:
        waiting.poll()
        capture.dispatch(0, lambda _time, frame: frames.append(frame))
        for frame in frames:
            knock(frame[HEADERS:], clients, doors)
        frames.clear()


def knock(payload: bytes, clients: list[Keys], doors: Doors) -> None:
    """Open what the packet asks for, if a client made it."""
    body, mac = payload[:-MAC_LENGTH], payload[-MAC_LENGTH:]
    for client in clients:
        if client.made(body, mac):
            asked = a2b_base64(client.opened(body).split(b":")[5] + b"==").decode()
            address, _, what = asked.partition(",")
            protocol, _, port = what.partition("/")
            doors.open(address, protocol, int(port))
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
