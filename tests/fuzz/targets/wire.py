"""What comes in on the wire, before any key has been tried: frames, HTTP, base64, OpenPGP."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_address
from random import Random
from select import EPOLLIN

from fwknopd.capture import tcp_server
from fwknopd.capture.link_layer import MAX_FRAME, parse_frame
from fwknopd.spa.digest import DigestType
from fwknopd.spa.errors import SpaError
from fwknopd.spa.gpg_packet import gpg_keys, open_wire, sealed_key
from fwknopd.spa.http import forwarded_for, is_request, names_a_client
from fwknopd.spa.openpgp import parse_message, was_cut
from fwknopd.spa.packet import GPG_PREFIX, SpaKeys, WireText, classify, decode, is_wire_text
from fwknopd.spa.packet import replay_key as key_of
from tests.fuzz.mutators import behind_first_byte, blind, parts
from tests.fuzz.target import Target
from tests.interop.spa_vectors import load_vectors
from tests.unit.capture.frames import ethernet, icmp, ipv4, ipv6, pppoe, tcp, udp

DATALINKS = (0, 1, 9, 12, 50, 51, 101, 108, 113, 228, 229, 276, 147)

# Frames: the first byte chooses the link type.


def check_frame(data: bytes) -> None:
    """A packet or None; its payload is in the frame, and padding behind changes nothing."""
    datalink = DATALINKS[data[0] % len(DATALINKS)] if data else 1
    frame = data[1:]
    packet = parse_frame(datalink, frame, "eth1")
    if packet is None:
        return
    assert packet.payload
    assert packet.payload in frame
    if len(frame) < MAX_FRAME:
        assert parse_frame(datalink, frame + b"\0", "eth1") == packet
    cut = parse_frame(datalink, frame[:-1], "eth1")
    assert cut is None or cut == packet, "half a packet was taken for a whole one"


def frame_seeds() -> list[bytes]:
    payload = load_vectors()[0].packet
    packet = ipv4(udp(payload))
    cooked = b"\0\0\0\1\0\6" + b"\2" * 6 + b"\0\0\x08\0"
    return [
        b"\x01" + ethernet(packet),
        b"\x01" + ethernet(ipv4(tcp(payload, options=b"\1" * 8), protocol=6)),
        b"\x01" + ethernet(ipv4(icmp(payload), protocol=1, options=b"\1" * 4)),
        b"\x01" + ethernet(ipv6(udp(payload)), 0x86DD),
        b"\x01" + ethernet(ipv6(b"\x11\0" + b"\0" * 6 + udp(payload), 60), 0x86DD),
        b"\x01" + ethernet(packet, tags=[(0x88A8, 7), (0x8100, 9)]),
        b"\x01" + ethernet(pppoe(packet), 0x8864),
        b"\x00" + b"\2\0\0\0" + packet,
        b"\x02" + b"\xff\x03\x00\x21" + packet,
        b"\x03" + packet,
        b"\x08" + cooked + packet,
        b"\x0b" + b"\x08\0\0\0" + b"\0" * 16 + packet,
    ]


# Texts: the first byte chooses the settings.


@cache
def receivers() -> tuple[SpaKeys, ...]:
    """Keys of receivers, of every mode and MAC there is in the recorded packets."""
    found = {(v.keys.mode, v.keys.hmac_type, bool(v.keys.hmac_key)): v.keys for v in load_vectors()}
    return tuple(found.values())


def check_text(data: bytes) -> None:
    """SpaError or a wire text; of that a message or SpaError, with any receiver's keys."""
    choice, payload = (data[0] if data else 0), data[1:]
    try:
        wire = classify(
            payload,
            http=bool(choice & 1),
            allow_any_user_agent=bool(choice & 2),
            x_forwarded_for=bool(choice & 4),
        )
    except SpaError:
        assert not is_wire_text(payload), "two verdicts on one text"
        return
    if is_wire_text(payload):
        assert wire == WireText(payload)
    assert len(wire.reference_digest) == 43
    assert wire.encryption_guess is not None
    for keys in receivers():
        assert len(key_of(wire, keys)) == 32
        for any_length in (False, True):
            try:
                decode(wire, keys, any_length=any_length)
            except SpaError as error:
                assert str(error)


def text_seeds() -> list[bytes]:
    picked = {(v.group, v.transport, len(v.packet) // 100): v for v in load_vectors()}
    return [b"\x07" + vector.packet for vector in picked.values()]


HTTP_WORDS = (
    *(b"GET /", b"get /", b" HTTP/1.0\r\n", b"\r\n\r\n", b"User-Agent: Fwknop/2.6.10"),
    *(b"X-Forwarded-For: 192.0.2.7", b"x-forwarded-for: 1.2.3.4, 5.6.7.8", b"Host: x", b"U2Fsd"),
    *(b"hQ", b"-", b"_", b"+", b"/", b"=", b"=="),
)


# HTTP over TCP: the first byte chooses the size of the pieces.


class PipedServer(tcp_server.TcpServerCapture):
    """The TCP server, whose connections are socket pairs."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(0, (ip_address("127.0.0.1"),), monotonic=lambda: self.now)

    @contextmanager
    def client(self) -> Iterator[socket.socket]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        address = ip_address("192.0.2.7")
        self._connections[ours.fileno()] = tcp_server._Connection(
            ours, address, 40000, address, self.now
        )
        self._ready.register(ours, EPOLLIN)
        with theirs:
            yield theirs

    def fed(self, pieces: Sequence[bytes]) -> bytes | None:
        """What the server takes for a knock when these come one after the other."""
        taken = []
        with self.client() as client:
            for piece in pieces:
                if not self._connections:
                    break
                client.sendall(piece)
                taken += self.read(10)
        while self._connections:
            taken += self.read(10)
        assert len(taken) <= 1, "one connection, several knocks"
        return taken[0].payload if taken else None


@cache
def server() -> PipedServer:
    return PipedServer()


def check_http(data: bytes) -> None:
    """However a request is cut into pieces, it is the same knock."""
    size, text = 1 + (data[0] if data else 0) % 200, data[1:]
    whole = server().fed([text] if text else [])
    pieces = server().fed([text[at : at + size] for at in range(0, len(text), size)])
    assert whole == pieces, "the same bytes, two knocks"
    if whole is None:
        return
    address = forwarded_for(whole)
    assert address is None or (names_a_client(whole) and str(address).encode() in whole)
    if is_request(whole):
        check_text(b"\x07" + whole)


def http_seeds() -> list[bytes]:
    found = [v.packet for v in load_vectors() if v.transport == "http"][::5]
    text = load_vectors()[0].packet
    request = b"GET /" + text + b" HTTP/1.0\r\nUser-Agent: Fwknop/2.6.10\r\n"
    return [
        *(b"\x10" + packet for packet in found),
        b"\x00" + request + b"X-Forwarded-For: 192.0.2.7\r\n\r\n",
        b"\x3f" + text,
    ]


# OpenPGP: the bytes are the message.

GPG_KEYS = gpg_keys(SpaKeys(None, b"h" * 64, hmac_type=DigestType.SHA256))


def check_openpgp(data: bytes) -> None:
    """An envelope or SpaError; nothing can be put behind a message or cut off it."""
    assert was_cut(data) in (True, False)
    try:
        envelope = parse_message(data)
    except SpaError:
        envelope = None
    if envelope is not None:
        assert all(len(name) == 16 for name in envelope.recipients)
        for other in (data + b"\0", data[:-1]):
            assert _sealed(other) != envelope.sealed, "another text with the same replay key"
    text = b64encode(data).rstrip(b"=").removeprefix(GPG_PREFIX)
    authenticator = GPG_KEYS.authenticator()
    assert authenticator is not None
    try:
        wire = classify(text + authenticator.tag(text))
        opened = open_wire(wire, GPG_KEYS, authenticator)
    except SpaError:
        return
    assert len(sealed_key(opened)) == 32


def _sealed(data: bytes) -> bytes | None:
    try:
        return parse_message(data).sealed
    except SpaError:
        return None


def openpgp_seeds() -> list[bytes]:
    from fwknopd.spa import base64

    texts = [v for v in load_vectors() if v.encryption == "gpg" and v.accept]
    packets = {len(v.packet) // 50: v for v in texts}.values()
    cut = [v.packet[: -v.keys.hmac_type.text_length or None] for v in packets if v.keys.hmac_key]
    whole = [base64.decode_lenient(GPG_PREFIX + text) for text in cut]
    session = b"\x84\x1c\x03" + b"k" * 8 + b"\x10" + b"\0\x20abcd" * 2 + b"\0\0"
    sealed = bytes([1]) + b"s" * 60
    # Old and new framing, lengths of each form, and a body in parts.
    small = b"\x84\x16\x03" + b"k" * 8 + b"\x10" + b"\0\x20abcd" * 2
    return [
        *whole,
        session + b"\xd2\x3d" + sealed,
        small + b"\xd2\x3d" + sealed,
        small + b"\xd2\xff\0\0\0\x3d" + sealed,
        small + b"\xd2\xe4" + sealed[:16] + b"\x2d" + sealed[16:],
        small * 2 + b"\xd4\x3d" + sealed,
        small + b"\xca\x03PGP" + b"\xd2\x3d" + sealed,
    ]


def _openpgp(data: bytes, random: Random) -> bytes:
    """Mostly the framing, which is at the front."""
    front, rest = data[:24], data[24:]
    if random.random() < 0.7:
        return blind(front, random) + rest
    return parts((b"\xd2", b"\x84"))(data, random)


TARGETS = (
    Target(
        "frames",
        "A captured frame gives a packet or None; half a packet is none.",
        check_frame,
        frame_seeds,
        behind_first_byte(blind),
        (b"\x08\x00", b"\x86\xdd", b"\x81\x00", b"\x88\xa8", b"\x88\x64", b"\x45\x00", b"\x60"),
        longest=MAX_FRAME + 2,
    ),
    Target(
        "spa_text",
        "A payload is refused by SpaError or is a wire text, which every client's keys open or "
        "refuse by SpaError.",
        check_text,
        text_seeds,
        behind_first_byte(parts((b"\r\n", b" ", b"/"), HTTP_WORDS)),
        HTTP_WORDS,
        longest=1600,
    ),
    Target(
        "http_front",
        "A request over TCP is the same knock whole and in pieces of any size.",
        check_http,
        http_seeds,
        behind_first_byte(parts((b"\r\n", b" ", b": "), HTTP_WORDS)),
        HTTP_WORDS,
        longest=1700,
    ),
    Target(
        "openpgp",
        "An OpenPGP message is framed as we read it or refused; no byte can be put behind it.",
        check_openpgp,
        openpgp_seeds,
        _openpgp,
        (b"\x84", b"\xd2", b"\xd4", b"\xff\0\0\0", b"\xe0", b"\xc0"),
        longest=1200,
    ),
)
