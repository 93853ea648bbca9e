"""A real daemon, a real client's packet, and a log server in a network of their own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.program import Fwknopd
from tests.netns.namespaces import Machine, Machines
from tests.unit.rfc5424 import Message, read

pytestmark = [pytest.mark.root, pytest.mark.nft]


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machines() as machines:
        router = machines.add("router")
        with router.entered():
            yield router


def until(server: socket.socket, kind: str) -> list[Message]:
    """What comes, up to the first event of a kind."""
    told: list[Message] = []
    while not told or told[-1].id != kind:
        told.append(read(server.recv(4096)))
    return told


def test_knocks_and_doors_are_told_to_a_log_server(machine: Machine, tmp_path: Path) -> None:
    fwknopd = Fwknopd(tmp_path)
    fwknopd.firewall = "nftables"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        fwknopd.write(
            fwknopd.config,
            f"PCAP_INTF lo;\nPCAP_FILTER udp port {fwknopd.port};\n"
            f"FWKNOP_RUN_DIR {fwknopd.run_dir};\nSYSLOG_IDENTITY door keeper;\n"
            f"SYSLOG_SERVER 127.0.0.1:{server.getsockname()[1]};\n",
        )
        with fwknopd.foreground() as daemon:
            started = until(server, "start")[-1]
            assert (started.app, started.pid) == ("door_keeper", str(daemon.process.pid))
            fwknopd.knock()
            verdict, grant = until(server, "grant")[-2:]
            fwknopd.knock("tcp/25")
            refused = until(server, "verdict")[-1]
            daemon.end()
        stopped = until(server, "stop")[-1]
    assert (verdict.facts["verdict"], verdict.facts["reason"]) == ("accept", "accepted")
    assert grant.facts["request"] == "192.0.2.7,tcp/22"
    assert (refused.severity, refused.facts["reason"]) == (4, "port-not-allowed")
    assert stopped.facts["detail"]
