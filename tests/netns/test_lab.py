"""The lab as its users have it: started, knocked at, ended in every way, and nothing left."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.client import Ask, Knock, choose_client
from tests.lab.configs import ready_config
from tests.lab.errors import LabError
from tests.lab.events import event_is
from tests.lab.lab import Lab, LabOptions
from tests.lab.probing import Probing
from tests.lab.ruleset import INCLUDES, SCENARIOS, router_ruleset
from tests.lab.terminal import Terminal
from tests.netns.namespaces import NAMESPACES

NOBODY = 65534
# Who has no right to make namespaces. Nobody may read everything here, because the Python
# of a developer's root is often in a home no other user can enter.
UNPRIVILEGED = {
    "nobody": (
        *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
        *("--bounding-set=-all,+dac_read_search", "--inh-caps=-all,+dac_read_search"),
        *("--ambient-caps=+dac_read_search", "--"),
    ),
    "root of a container": ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"),
}


Start = Callable[..., Terminal]


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Whatever the test did, none of its lab's processes, namespaces and files are left."""
    yield
    assert not (tmp_path / "lab").exists()
    assert processes_that_name(tmp_path) == []


@pytest.fixture
def start(tmp_path: Path, nothing_left: None) -> Iterator[Start]:
    """Runs lab commands in this test's folder; ends those that still run."""
    terminals: list[Terminal] = []

    def start(*arguments: str, wrapper: tuple[str, ...] = ()) -> Terminal:
        terminals.append(Terminal(tmp_path / "lab", *arguments, wrapper=wrapper))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def processes_that_name(folder: Path) -> list[str]:
    """Command lines that hold a path below ``folder``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append(path.read_bytes())
    return [line.decode() for line in found if os.fsencode(folder) in line]


def namespaces_of(pid: int) -> list[str]:
    return [path.name for path in NAMESPACES.glob(f"fwlab-{pid}-*")]


@pytest.mark.root
@pytest.mark.client
def test_only_who_knocks_gets_in_and_only_for_a_time(tmp_path: Path) -> None:
    with (
        Lab(tmp_path / "lab", LabOptions(config=ready_config(seconds=2))) as lab,
        Probing(lab.stranger, lab.router.address, 22) as stranger,
    ):
        wan = lab.router.address
        assert lab.phone.connect(wan, 22, 0.3).outcome == "no answer"
        lab.knock()
        lab.events.wait_for(event_is("grant", source=lab.phone.address))
        # Within the second after which a lost SYN would be sent again.
        assert lab.phone.connect(wan, 22, 1.0)
        with lab.phone.open_session(wan, 22) as session:
            lab.events.wait_for(event_is("expire"))
            assert lab.phone.connect(wan, 22, 0.3).outcome == "no answer"
            assert session.echo("still there?") == "still there?"
    assert len(stranger.attempts) > 5
    assert stranger.connected == 0


@pytest.mark.root
@pytest.mark.client
def test_a_knock_for_nat_reaches_the_lan_host(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab") as lab:
        lab.knock(Ask("tcp/8080", f"{lab.lan.address}:80"))
        lab.events.wait_for(event_is("grant"))
        reached = lab.phone.connect(lab.router.address, 8080)
        assert reached.greeting == "tcp/80 of the LAN host at your service"
        assert not lab.stranger.connect(lab.router.address, 8080, 0.3)


@pytest.mark.root
def test_our_own_client_is_as_good(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab") as lab:
        ask = Ask("tcp/8080", f"{lab.lan.address}:80")
        knock = Knock(lab.paths, lab.phone, lab.router.address, ask)
        knock.send(choose_client(lab.paths.uci).keys, knock.fwknopctl())
        lab.events.wait_for(event_is("grant"))
        assert lab.phone.connect(lab.router.address, 8080)


@pytest.mark.root
@pytest.mark.client
def test_a_recorded_knock_is_of_no_use_to_anybody(tmp_path: Path) -> None:
    packet = tmp_path / "packet"
    with Lab(tmp_path / "lab", LabOptions(config=ready_config(seconds=1))) as lab:
        lab.knock(save_packet=packet)
        lab.events.wait_for(event_is("expire"))
        for host in (lab.stranger, lab.phone):
            lab.replay(packet, host)
            verdict = lab.events.wait_for(
                event_is("verdict", source=host.address, verdict="refuse")
            )
            assert verdict["reason"] == "replay"
            assert not host.connect(lab.router.address, 22, 0.3)
        assert lab.daemon.ask("grants")["grants"] == []


@pytest.mark.root
@pytest.mark.client
def test_doors_and_sessions_outlive_the_daemon(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab") as lab:
        lab.knock()
        lab.events.wait_for(event_is("grant"))
        lab.daemon.kill()
        assert lab.phone.connect(lab.router.address, 22)
        lab.daemon.start()
        assert lab.phone.connect(lab.router.address, 22)
        (grant,) = lab.daemon.ask("grants")["grants"]
        assert grant["address"] == lab.phone.address
        lab.daemon.restart()
        assert not lab.phone.connect(lab.router.address, 22, 0.3)


@pytest.mark.root
@pytest.mark.client
def test_run_and_knock_as_a_user_does(start: Start) -> None:
    lab = start("run", "--port=0")
    lab.wait_for("password")
    first = start("knock")
    assert first.end() == 0, first.shown
    assert first.shown.count("no answer") == 3
    assert "connected in" in first.shown
    forwarded = start("knock", "--nat")
    assert forwarded.end() == 0, forwarded.shown
    assert "tcp/80 of the LAN host" in forwarded.shown
    unknown = start("knock", "--client=nobody")
    assert unknown.end() == 1
    assert "no enabled client 'nobody' (it has: phone)" in unknown.shown
    refused = start("knock", "--access=tcp/23")
    assert refused.end() == 1
    assert "port-not-allowed" in refused.shown
    lab.send(signal.SIGINT)
    assert lab.end() == 0, lab.shown
    assert namespaces_of(lab.pid) == []


@pytest.mark.root
@pytest.mark.client
def test_a_fresh_lab_is_a_router_after_its_first_boot(start: Start, tmp_path: Path) -> None:
    lab = start("run", "--port=0", "--fresh")
    lab.wait_for("password")
    # The first boot has made keys for a client, and says so; nothing is switched on.
    assert "phone" in lab.wait_for("Clients")
    knock = start("knock")
    assert knock.end() == 1
    assert "Is Enable config overwrite on, and applied?" in knock.shown
    uci = tmp_path / "lab/config/fwknopd"
    assert "KEY_BASE64" in uci.read_text()
    assert "keys" in lab.shown[: lab.shown.index("Starting: ")]


@pytest.mark.root
def test_a_second_lab_says_that_there_is_one(start: Start) -> None:
    first = start("run", "--port=0")
    first.wait_for("password")
    second = start("run", "--port=0")
    assert second.end() == 1
    assert f"a lab is running already (pid {first.pid})" in second.shown
    status = start("status")
    assert status.end() == 0
    assert str(first.pid) in status.shown


@pytest.mark.root
@pytest.mark.parametrize("step", ["files", "network", "fwknopd", "web page"])
def test_ended_while_starting_it_leaves_nothing(step: str, start: Start) -> None:
    lab = start("run", "--port=0")
    lab.wait_for(step)
    lab.send(signal.SIGTERM)
    assert lab.end() == 0, lab.shown
    assert "nothing is left" in lab.shown
    assert namespaces_of(lab.pid) == []


@pytest.mark.root
def test_a_killed_lab_is_cleaned_up_by_the_next(start: Start) -> None:
    killed = start("run", "--port=0")
    killed.wait_for("password")
    killed.send(signal.SIGKILL)
    killed.end()
    knock = start("knock")
    assert knock.end() == 1
    assert "no lab is running" in knock.shown
    following = start("run", "--port=0")
    following.wait_for("password")
    assert namespaces_of(killed.pid) == []
    assert len(namespaces_of(following.pid)) == 5


@pytest.mark.root
def test_a_configuration_the_daemon_refuses_ends_the_lab(
    tmp_path: Path, nothing_left: None
) -> None:
    broken = "config global\n\toption uci_enabled '1\n"
    with pytest.raises(LabError, match="fwknopd did not start") as raised:
        Lab(tmp_path / "lab", LabOptions(config=broken)).__enter__()
    assert "config/fwknopd:2" in str(raised.value)
    assert namespaces_of(os.getpid()) == []


@pytest.mark.root
def test_what_dies_is_named_and_started_again(start: Start, tmp_path: Path) -> None:
    lab = start("run", "--port=0")
    lab.wait_for("End")
    for name, option in (("fwknop-webui", "--listen"), ("fwknopd", "--events")):
        kill_child(lab.pid, option)
        lab.wait_for(f"{name} was killed by SIGKILL")
        lab.wait_for(f"{name} runs again")
    # What can't be started again ends the lab.
    (tmp_path / "lab/config/fwknopd").write_text("config global\n\toption uci_enabled '1\n")
    kill_child(lab.pid, "--events")
    assert lab.end() == 1
    assert "fwknopd did not start" in lab.shown


def kill_child(pid: int, option: str) -> None:
    (child,) = [child for child, line in children_of(pid) if option in line]
    os.kill(child, signal.SIGKILL)


def children_of(pid: int) -> list[tuple[int, str]]:
    """(pid, command line) of the children of the main thread of ``pid``."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [(int(child), Path(f"/proc/{child}/cmdline").read_text()) for child in children]


def test_the_includes_stand_where_fw4_puts_them() -> None:
    recorded = (SCENARIOS / "default-with-includes" / "ruleset.nft").read_text()
    recorded = recorded.replace('include "/etc/nftables.d/*.nft"', "")
    recorded = recorded.replace("/usr/share/nftables.d/chain-pre", str(INCLUDES))
    assert router_ruleset("default").split() == recorded.split()


def test_a_port_in_use_is_told_before_anything_is_made(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        lab = start("run", f"--port={port}")
        assert lab.end() == 1
    assert f"port {port}" in lab.shown
    assert "--port" in lab.shown
    assert "Starting" not in lab.shown


def test_a_folder_that_is_not_a_labs_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "lab" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("all of it")
    with pytest.raises(LabError, match="holds files that are not a lab's"):
        Lab(tmp_path / "lab", LabOptions(network=False)).__enter__()
    assert precious.read_text() == "all of it"


@pytest.mark.root
@pytest.mark.client
@pytest.mark.parametrize("user", UNPRIVILEGED)
def test_without_rights_knocks_are_judged_and_nothing_is_opened(
    user: str, start: Start, tmp_path: Path
) -> None:
    if user == "nobody":
        os.chown(tmp_path, NOBODY, NOBODY)
    lab = start("run", "--port=0", wrapper=UNPRIVILEGED[user])
    lab.wait_for("WITHOUT a firewall")
    lab.wait_for("password")
    knock = start("knock", wrapper=UNPRIVILEGED[user])
    assert knock.end() == 0, knock.shown
    assert "fwknopd: accept" in knock.shown
    assert "nothing was opened" in knock.shown
    lab.send(signal.SIGINT)
    assert lab.end() == 0, lab.shown
