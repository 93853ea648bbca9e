"""The recorded packets through the real program: `fwknopd --pcap-file ... --test --events -`.

All packets of one configuration are judged in one run. As when they were recorded,
each comes from an address of its own, and its client listens to that address alone.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from fwknopd.policy.verdict import Reason
from tests.interop.deviations import DECODING
from tests.interop.spa_vectors import SpaVector, load_vectors
from tests.interop.test_policy_vectors import BASE, LONG_KEYS, expected, key_lines

DESTINATION = IPv4Address("192.0.2.1")
FIRST_SOURCE = IPv4Address("10.99.0.1")

OVERSIZE = {"oversize-1473", "oversize-1499", "oversize-1500"}
"""Longer than a frame may be: the capture drops them before anything judges them."""

# Age needs the clock of that day, which the policy tests give; keys that are too long
# make a client unusable, so its packets find nobody.
VECTORS = [
    vector
    for vector in load_vectors()
    if vector.encryption == "rijndael"
    and vector.server_now is None
    and vector.name not in LONG_KEYS
]


def grouped() -> list[Sequence[SpaVector]]:
    groups = defaultdict(list)
    for vector in VECTORS:
        groups[tuple(sorted(vector.server_conf.items()))].append(vector)
    return list(groups.values())


def frame(vector: SpaVector, source: IPv4Address) -> bytes:
    """The payload in UDP or TCP, IPv4 and Ethernet; checksums are not looked at."""
    if vector.transport == "udp":
        protocol = 17
        segment = struct.pack("!HHHH", 40000, 62201, 8 + len(vector.packet), 0) + vector.packet
    else:
        protocol = 6
        segment = struct.pack("!HHLLBBHHH", 40000, 80, 1, 1, 5 << 4, 0x18, 512, 0, 0)
        segment += vector.packet
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(segment),
        0,
        0,
        64,
        protocol,
        0,
        source.packed,
        DESTINATION.packed,
    )
    return b"\x02" * 12 + b"\x08\x00" + header + segment


def write_pcap(path: Path, frames: Sequence[bytes]) -> None:
    with path.open("wb") as file:
        file.write(struct.pack("=LHHlLLL", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, data in enumerate(frames):
            file.write(struct.pack("=LLLL", 1_790_000_000, number, len(data), len(data)) + data)


def write_configuration(folder: Path, vectors: Sequence[SpaVector]) -> None:
    conf = BASE | {"PCAP_FILTER": "udp or tcp or icmp", "MAX_SNIFF_BYTES": "3000"}
    conf |= vectors[0].server_conf
    config = folder / "fwknopd.conf"
    config.write_text("".join(f"{name} {value};\n" for name, value in conf.items()))
    stanzas = []
    for number, vector in enumerate(vectors):
        lines = [("SOURCE", str(FIRST_SOURCE + number)), *key_lines(vector.keys)]
        stanzas += [f"{name} {value}\n" for name, value in (*lines, *vector.stanza_extra)]
    access = folder / "access.conf"
    access.write_text("".join(stanzas))
    for file in (config, access):
        file.chmod(0o600)


def run_daemon(folder: Path) -> dict[str, dict[str, object]]:
    """Verdict events by source address."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "fwknopd.cli", "-f", "--test", "--events", "-"),
            *("-c", str(folder / "fwknopd.conf"), "-a", str(folder / "access.conf")),
            *("--pcap-file", str(folder / "packets.pcap"), "--run-dir", str(folder)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return {event["source"]: event for event in events if event["event"] == "verdict"}


@pytest.mark.parametrize(
    "vectors", grouped(), ids=lambda vectors: ",".join(vectors[0].server_conf) or "base"
)
def test_the_program_gives_the_recorded_verdicts(
    vectors: Sequence[SpaVector], tmp_path: Path
) -> None:
    write_configuration(tmp_path, vectors)
    sources = [FIRST_SOURCE + number for number in range(len(vectors))]
    write_pcap(tmp_path / "packets.pcap", list(map(frame, vectors, sources)))
    verdicts = run_daemon(tmp_path)
    wrong = {}
    for vector, source in zip(vectors, sources, strict=True):
        event = verdicts.get(str(source))
        said = event["reason"] if event else "not looked at"
        if said not in allowed(vector):
            wrong[vector.name] = (said, vector.daemon_verdict, event and event["detail"])
    assert not wrong


def allowed(vector: SpaVector) -> set[str]:
    """What the program may say of a packet."""
    if vector.name in DECODING:
        accepts = DECODING[vector.name].ours is None
        return {"accepted"} if accepts else {str(reason) for reason in Reason} - {"accepted"}
    reasons = {str(reason) for reason in expected(vector)}
    unseen = vector.name in OVERSIZE or vector.daemon_verdict == "silently-dropped"
    return reasons | {"not looked at"} if unseen else reasons
