"""What every packet costs, counted: a regression shows here without a clock.

The limits are what was needed when they were set, with Python 3.11, and a tenth more; later
Pythons need less. Whoever makes a path shorter should lower its limit. Whoever has a reason
to make one longer should say in the commit what it costs, and raise it.
"""

from __future__ import annotations

import gc
import secrets
import struct
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Address
from itertools import count

import pytest

from fwknopd.capture.link_layer import DLT_EN10MB, parse_frame
from fwknopd.config.access_conf import stanzas_from_access_conf
from fwknopd.door_requests import DoorRequest
from fwknopd.firewall.netlink import Request
from fwknopd.firewall.nfnetlink import encode_batch
from fwknopd.firewall.nft_table import OwnTable
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.grants import Door
from fwknopd.policy.authorizer import NO_MATCH
from fwknopd.policy.gpg_questions import NeedsGpg
from fwknopd.policy.packet import Packet
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import AccessDecision, Reason, Refusal, Verdict
from fwknopd.spa.packet import SpaKeys
from tests.bench.work import RUNS, Work, memory_kept, work_of
from tests.unit.engine.conftest import PHONE, SSH, Knock, Rig, make_knock, make_rig

LOT = 20
"""Packets judged together; a limit is for one of them."""

# Instructions of the interpreter, and calls into C.
FRAME = (215, 9)
JUNK = (225, 14)
PER_CLIENT = (83, 9)
REPLAY = (370, 14)
STANZA = (3900, 105)
ACCEPTED = (7050, 300)

JUNK_LENGTH = 225
VISITORS = count(1)
FROM, TO = IPv4Address("198.51.100.9"), IPv4Address("203.0.113.1")


def junk(number: int = LOT) -> list[Packet]:
    """What only its HMAC tells from a knock."""
    payloads = [b64encode(secrets.token_bytes(JUNK_LENGTH))[:JUNK_LENGTH] for _ in range(number)]
    return [Packet(payload, FROM, TO, 40000, 62201, 17, "eth1") for payload in payloads]


def strangers(number: int) -> list[Stanza]:
    """Clients with keys of their own."""
    keys = [SpaKeys(secrets.token_bytes(32), secrets.token_bytes(64)) for _ in range(number)]
    return [Stanza(number=n, keys=k, name=f"client {n}") for n, k in enumerate(keys, 2)]


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What would be sent to the kernel, which agrees to everything."""
    sent: list[bytes] = []

    def change(_table: OwnTable, requests: Sequence[Request], _is_done: object) -> list[int]:
        sent.append(encode_batch(requests, 1))
        return [0] * len(requests)

    monkeypatch.setattr(OwnTable, "change", change)
    return sent


@pytest.fixture
def router(rig: Rig, batches: list[bytes]) -> Rig:
    """The engine with the real nftables backend, up to the kernel."""
    rig.engine.firewall = NftablesFirewall()
    return rig


@pytest.fixture
def rig() -> Rig:
    """The engine that knows one phone."""
    return make_rig()


@pytest.fixture
def knock(rig: Rig) -> Knock:
    """Fresh packets of the phone."""
    return make_knock(rig)


def open_doors(rig: Rig, number: int) -> None:
    """Have doors open, each for somebody else."""
    doors = [Door(IPv4Address("10.0.0.0") + n, SSH) for n in range(number)]
    rig.engine.doors.open([DoorRequest((door,), "crowd", "crowd", 300.0) for door in doors])


def accepted(rig: Rig, knock: Knock) -> Work:
    """The work of a knock that opens a door for somebody new."""
    packets = [knock(f"192.0.2.{next(VISITORS)},tcp/22") for _ in range(RUNS)]
    waiting, verdicts = iter(packets), list[Verdict | NeedsGpg]()
    work = work_of(lambda: verdicts.extend(rig.engine.handle_all((next(waiting),))))
    assert [type(verdict) for verdict in verdicts] == [AccessDecision] * RUNS
    return work


def within(work: Work, limit: tuple[int, int], packets: int = 1) -> bool:
    """Is it no more than the limit for each packet? What it is goes into the report."""
    print(f"{work.instructions / packets:.0f} instructions, {dict(work.calls)}")
    return work.instructions <= limit[0] * packets and work.c_calls <= limit[1] * packets


def test_a_frame_becomes_a_packet() -> None:
    payload = junk(1)[0].payload
    udp = struct.pack("!HHHH", 40000, 62201, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    frame = bytes(12) + b"\x08\x00" + header + FROM.packed + TO.packed + udp
    expected = Packet(payload, FROM, TO, 40000, 62201, 17, "eth1")
    assert parse_frame(DLT_EN10MB, frame, "eth1") == expected
    assert within(work_of(partial(parse_frame, DLT_EN10MB, frame, "eth1")), FRAME)


def test_junk_with_a_wrong_hmac(rig: Rig) -> None:
    packets = junk()
    assert rig.engine.handle_all(packets) == [NO_MATCH] * LOT
    assert within(work_of(partial(rig.engine.handle_all, packets)), JUNK, LOT)


def test_junk_against_a_thousand_clients(rig: Rig) -> None:
    once = partial(rig.engine.handle_all, junk(1))
    alone = work_of(once)
    rig.use(PHONE, *strangers(1000))
    crowd = work_of(once)
    more = Work(crowd.instructions - alone.instructions, crowd.calls - alone.calls)
    assert within(more, PER_CLIENT, 1000)


def test_a_used_packet(rig: Rig, knock: Knock) -> None:
    packet = knock()
    rig.engine.handle_all((packet,))
    again = partial(rig.engine.handle_all, (packet,) * LOT)
    assert [isinstance(v, Refusal) and v.reason for v in again()] == [Reason.REPLAY] * LOT
    assert within(work_of(again), REPLAY, LOT)


def test_a_knock_up_to_the_message_to_the_kernel(
    router: Rig, knock: Knock, batches: list[bytes]
) -> None:
    assert within(accepted(router, knock), ACCEPTED)
    assert len(batches) == RUNS


def test_a_knock_beside_a_thousand_open_doors(router: Rig, knock: Knock) -> None:
    few = accepted(router, knock)
    open_doors(router, 1000)
    many = accepted(router, knock)
    # Some digits more in a number, and no more.
    assert many.instructions < few.instructions * 1.1, many.calls - few.calls


def stanzas_of(number: int) -> str:
    """An access.conf of so many clients."""
    keys = [[b64encode(secrets.token_bytes(n)).decode() for n in (32, 64)] for _ in range(number)]
    return "".join(
        f"SOURCE ANY\nKEY_BASE64 {key}\nHMAC_KEY_BASE64 {hmac}\n"
        "OPEN_PORTS tcp/22, tcp/8080\nFW_ACCESS_TIMEOUT 30\n"
        for key, hmac in keys
    )


def test_a_client_of_a_long_file() -> None:
    assert len(stanzas_from_access_conf(stanzas_of(LOT), "f")[0]) == LOT
    assert within(work_of(partial(stanzas_from_access_conf, stanzas_of(LOT), "f")), STANZA, LOT)


def test_reading_clients_leaves_nothing_to_the_garbage_collector() -> None:
    text = stanzas_of(LOT)
    stanzas_from_access_conf(text, "f")
    gc.collect()
    gc.disable()
    try:
        stanzas_from_access_conf(text, "f")
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_junk_is_forgotten(rig: Rig) -> None:
    assert memory_kept(partial(rig.engine.handle_all, junk(200))) < 1000
