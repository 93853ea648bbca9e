"""What is inside a knock: bytes with a right HMAC, from somebody who has a client's keys.

Plain bytes never get here, so the harness seals what it is given with a key it knows.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from ipaddress import ip_address
from random import Random

from fwknopd.control.protocol import encode_event
from fwknopd.events import Event, EventKind
from fwknopd.log_lines import log_lines
from fwknopd.policy.packet import Packet
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Reason
from fwknopd.spa.digest import DigestType, digest_text
from fwknopd.spa.errors import SpaError
from fwknopd.spa.message import SpaMessage, build_plaintext, parse_plaintext
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys, classify, decode, replay_key, seal
from tests.fuzz.mutators import behind_first_byte, parts
from tests.fuzz.target import Target
from tests.interop.spa_vectors import load_vectors
from tests.unit.engine.conftest import NOW, PHONE, SSH, Rig, make_rig, other_client

TYPES = tuple(DigestType)
MODES = tuple(mode for mode in EncryptionMode if mode is not EncryptionMode.ASYMMETRIC)
SALT = b"saltsalt"

# The first byte chooses whether the digest is put right, and of which kind.


def completed(data: bytes) -> bytes:
    """The text of an input, in most cases with the digest that belongs to it."""
    choice, text = (data[0] if data else 0), data[1:]
    if choice % 8 == 7:
        return text
    return text + b":" + digest_text(TYPES[choice % len(TYPES)], text)


def check_message(data: bytes) -> None:
    """SpaError or a message that reads the same when it is written again."""
    text = completed(data)
    for gpg in (False, True):
        try:
            message = parse_plaintext(text, gpg=gpg)
        except SpaError as error:
            assert str(error)
            continue
        if not gpg:
            assert same_again(message)


def same_again(message: SpaMessage) -> bool:
    """Does the message, written anew, mean the same? Empty and missing are one."""
    again = parse_plaintext(
        build_plaintext(
            rand=message.rand,
            user=message.user,
            timestamp=message.timestamp,
            message_type=message.message_type,
            message=message.message,
            nat_access=message.nat_access,
            server_auth=message.server_auth or None,
            client_timeout=message.client_timeout,
            digest_type=message.digest_type,
            version=message.version,
        )
    )
    common = {"digest": "", "server_auth": None}
    return again._replace(**common) == message._replace(**common)  # type: ignore[arg-type]


def check_sealed(data: bytes) -> None:
    """SpaError or a message, and every spelling that opens has the same replay key."""
    choice = data[0] if data else 0
    text = completed(data)
    mode, hmac = MODES[choice // 8 % len(MODES)], bool(choice & 0x80)
    keys = SpaKeys(b"e" * 32, b"h" * 64 if hmac else None, mode)
    try:
        wire_text = seal(text, keys, SALT)
        wire = classify(wire_text)
        message = decode(wire, keys)
    except SpaError:
        return
    assert message == parse_plaintext(text)
    name = replay_key(wire, keys)
    for spelling in spellings(wire_text, keys):
        try:
            other = classify(spelling)
            decode(other, keys)
        except SpaError:
            continue
        assert replay_key(other, keys) == name, "the same packet under another name"


def spellings(text: bytes, keys: SpaKeys) -> Iterator[bytes]:
    """Other texts for the same encrypted bytes, their MAC put right."""
    authenticator = keys.authenticator()
    body = text[: -keys.hmac_type.text_length] if authenticator else text
    last = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    place = last.index(body[-1:])
    for other in (
        *(body + tail for tail in (b"=", b"==", b"=A", b"A", b"AA", b"AAAA")),
        *(body[:-1] + last[place ^ bits : (place ^ bits) + 1] for bits in (1, 2, 3, 15)),
        b"U2FsdGVkX1" + body,
        body.swapcase(),
    ):
        yield other + (authenticator.tag(other) if authenticator else b"")


def message_seeds() -> list[bytes]:
    every = [v.plaintext for v in load_vectors() if v.plaintext and b"\0" not in v.plaintext]
    texts = [text for text in every if text.count(b":") >= 6]
    picked = {(text.count(b":"), text.split(b":")[4], len(text) // 40): text for text in texts}
    bare = [text.rpartition(b":")[0] for text in picked.values()]
    return [*(b"\x80" + text for text in bare), *(b"\x87" + text for text in texts[:5])]


FIELD_WORDS = (
    *(b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"2.0.0", b"3.0.0", b"1800000000"),
    *(
        b64encode(text).rstrip(b"=")
        for text in (
            *(b"0.0.0.0,tcp/22", b"192.0.2.7,tcp/22,udp/53", b"192.0.2.7,/bin/true"),
            *(b"192.168.1.2,22", b"alice", b"x\x1b[2J\n", b"1.2.3.4,tcp/0", b"010.1.1.1,tcp/1"),
            *(b"255.255.255.255,tcp/65535", b"::1,tcp/22", b"host.example,22", b"{source}{x}"),
        )
    ),
)


def fields(data: bytes, random: Random) -> bytes:
    """Colon-separated fields, some of which are base64 of further fields."""
    found = data.split(b":")
    if random.random() < 0.5:
        place = random.randrange(len(found))
        try:
            from fwknopd.spa import base64

            inner = base64.decode_lenient(found[place])
        except ValueError:
            inner = b"192.0.2.7,tcp/22"
        changed = parts((b",", b"/", b"."))(inner, random)
        found[place] = b64encode(changed).rstrip(b"=")
        return b":".join(found)
    return parts((b":",), FIELD_WORDS)(data, random)


# Through the whole engine. The first byte chooses the client.

BOUND = replace(PHONE, name="Zo\u00eb \u202e", number=1)


@cache
def clients() -> tuple[Stanza, ...]:
    """One bound to a port, one that may have all, one for commands."""
    return (
        BOUND,
        other_client(open_ports=None),
        replace(other_client(), number=3, keys=SpaKeys(b"c" * 32, b"k" * 64), open_ports=None),
    )


def check_engine(data: bytes) -> None:
    """A verdict, told in whole lines; no door a client has no right to; a copy opens nothing."""
    rig = make_rig()
    rig.use(*clients(), list_rejected=True)
    sender = clients()[(data[0] if data else 0) // 8 % len(clients())]
    try:
        payload = seal(completed(data), sender.keys, SALT)
    except SpaError:
        return
    source = ip_address("198.51.100.9")
    packet = Packet(payload, source, ip_address("203.0.113.1"), 40000, 62201, 17, "eth1")
    rig.engine.handle(packet)
    while rig.names.asked:
        rig.names.answer("there is no such name")
    before = rig.doors()
    _check_doors(rig, sender)
    rig.engine.handle(packet)
    assert rig.doors() == before
    recent = rig.engine.events.recent(1000)
    for event in recent:
        check_told(event)
    verdicts = [event for event in recent if event.event is EventKind.VERDICT and event.client]
    accepted = [event for event in verdicts if event.verdict == "accept"]
    assert len(accepted) <= 1, "a used packet was accepted again"
    if accepted:
        assert verdicts[-1].reason == Reason.REPLAY


def _check_doors(rig: Rig, sender: Stanza) -> None:
    doors = [timed.door for timed in rig.firewall.read()]
    if sender is BOUND:
        assert all(door.port == SSH for door in doors), "a port the client may not have"


def check_told(event: Event) -> None:
    """An event is one line in every log, whatever a packet held."""
    for _severity, line in log_lines(event):
        assert line.isprintable(), line
    sent = encode_event(event.as_json())
    assert sent.count(b"\n") == 1
    assert json.loads(sent)["id"] == event.id


def engine_seeds() -> list[bytes]:
    now = b"%d" % NOW
    made = [
        b":".join((*text[1:].split(b":")[:2], now, *text[1:].split(b":")[3:]))
        for text in message_seeds()
        if text.count(b":") >= 5
    ]
    return [bytes([8 * (place % 3)]) + text for place, text in enumerate(made)]


TARGETS = (
    Target(
        "spa_message",
        "A decrypted text is refused by SpaError or is a message that is the same when written "
        "again.",
        check_message,
        message_seeds,
        behind_first_byte(fields),
        FIELD_WORDS,
        longest=1500,
    ),
    Target(
        "sealed_knock",
        "A packet with a right HMAC and hostile content is refused or read, and each of its "
        "spellings that opens has one replay key.",
        check_sealed,
        message_seeds,
        behind_first_byte(fields),
        FIELD_WORDS,
        longest=400,
    ),
    Target(
        "engine",
        "A client with right keys and hostile content gets no door it has no right to, is told "
        "of in whole lines, and opens nothing by the same packet again.",
        check_engine,
        engine_seeds,
        behind_first_byte(fields),
        FIELD_WORDS,
        longest=400,
    ),
)
