"""The machines tests are made of: they come, keep to themselves, and go."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.netns.namespaces import NAMESPACES, End, Machines, remove_abandoned

pytestmark = pytest.mark.root

KILLED_RUN = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from tests.netns.namespaces import Machines
machines = Machines("fwkx")
print(machines.add("router").name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_cable_joins_two_machines() -> None:
    with Machines() as machines:
        one, other = machines.add("one"), machines.add("other")
        machines.join(
            End(one, "eth0", ("192.0.2.1/24", "2001:db8::1/64")),
            End(other, "eth7", ("192.0.2.2/24",)),
        )
        with one.entered():
            server = socket.create_server(("192.0.2.1", 1000))
        with other.entered():
            client = socket.create_connection(("192.0.2.1", 1000), timeout=5)
        with server, client:
            accepted, source = server.accept()
            accepted.close()
            assert source == client.getsockname()
            assert client.getsockname()[0] == "192.0.2.2"


def test_a_thread_comes_home_after_an_error() -> None:
    home = socket.if_nameindex()
    with Machines() as machines:
        machine = machines.add("one")
        with pytest.raises(ZeroDivisionError), machine.entered():
            assert [name for _, name in socket.if_nameindex()] == ["lo"]
            raise ZeroDivisionError
        assert socket.if_nameindex() == home


def test_machines_go_when_a_test_fails() -> None:
    names = []
    with pytest.raises(ZeroDivisionError), Machines() as machines:
        names = [machines.add("one").name, machines.add("other").name]
        assert all((NAMESPACES / name).exists() for name in names)
        raise ZeroDivisionError
    assert names
    assert not any((NAMESPACES / name).exists() for name in names)


def test_what_a_killed_run_left_behind_goes_with_the_next() -> None:
    root = str(Path(__file__).parents[2])
    run = [sys.executable, "-c", KILLED_RUN, root]
    name = subprocess.run(run, capture_output=True, text=True, check=False).stdout.strip()
    assert (NAMESPACES / name).exists()
    remove_abandoned("fwkx")
    assert not (NAMESPACES / name).exists()


def test_machines_of_a_living_process_are_left_alone() -> None:
    with Machines() as machines:
        name = machines.add("one").name
        with Machines():
            assert (NAMESPACES / name).exists()


def test_a_program_that_fails_says_why() -> None:
    with Machines() as machines, pytest.raises(RuntimeError, match="nonsense"):
        machines.add("one").ip("nonsense")
