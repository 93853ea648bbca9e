"""What the script of the first boot makes of routers, with the real fwknopctl and nft."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fwknopd.config.convert import same_rules
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci
from fwknopd.config.uci_model import UciPackage
from tests.netns.fw4_rulesets import printed_ruleset
from tests.netns.namespaces import Machine, Machines
from tests.package.router import ROOT, Router
from tests.unit.config.test_migration import FIELD, KEYLESS

pytestmark = [pytest.mark.root, pytest.mark.busybox]

SCRIPT = "/etc/uci-defaults/50-fwknop-wrt"
UCI = "/etc/config/fwknopd"
INCLUDES = "/usr/share/nftables.d/chain-pre"
INPUT = f"{INCLUDES}/input/20-fwknopd.nft"
STATE = "/var/run/fw4.state"
UCI_PROGRAM = """\
#!/bin/sh
# uci -q changes fwknopd, and uci -q get network.NAME
[ "$2" != changes ] || exec cat /tmp/.uci/fwknopd 2>/dev/null
grep -q "^config interface '${3#network.}'" /etc/config/network
"""
# What fw4 does with its include folders, on rules that it once printed.
FW4 = f"""\
#!/usr/bin/python3
import subprocess, sys
from pathlib import Path
sys.path.insert(0, "/host{ROOT}")
from tests.netns.fw4_rulesets import printed_ruleset, with_includes
rules = printed_ruleset("default")
for chain in ("input", "forward"):
    for file in sorted(Path("{INCLUDES}", chain).glob("*.nft")):
        rules = with_includes(rules, {{chain: file}})
with open("/tmp/fw4", "a") as calls:
    print(*sys.argv[1:], file=calls)
check = ["-c"] if sys.argv[-1] == "check" else []
done = subprocess.run(["nft", *check, "-f", "-"], input=rules, text=True)
sys.exit(done.returncode if check else 0)
"""


def equipped(folder: Path) -> Router:
    router = Router(folder)
    router.install()
    router.install_python()
    router.program("/sbin/uci", UCI_PROGRAM)
    router.write("/etc/config/network", "config interface 'wan'\n")
    return router


@pytest.fixture
def router(tmp_path: Path) -> Router:
    return equipped(tmp_path / "root")


@pytest.fixture(scope="module")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> Router:
    """A router whose configuration each test replaces."""
    return equipped(tmp_path_factory.mktemp("field") / "root")


@pytest.fixture(scope="module")
def _kernel() -> Iterator[Machine]:
    with Machines() as machines:
        yield machines.add("router")


@pytest.fixture
def fw4(router: Router, _kernel: Machine) -> Iterator[Machine]:
    """The router's firewall runs, as it was before the package came; so does everything here."""
    router.program("/sbin/fw4", FW4)
    router.write(STATE, "{}")
    _kernel.nft("flush ruleset\n" + printed_ruleset("default"))
    with _kernel.entered():
        yield _kernel


def ready(router: Router) -> None:
    done = router.run(SCRIPT)
    assert (done.code, done.output) == (0, "")


def package(router: Router) -> UciPackage:
    return parse_uci(router.read(UCI), UCI)


def includes(router: Router) -> set[str]:
    folder = router.path(INCLUDES)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", FIELD)
def test_configurations_from_the_field(one_for_all: Router, name: str) -> None:
    router = one_for_all
    router.write(UCI, FIELD[name], 0o644)
    ready(router)
    before, after = parse_uci(FIELD[name], UCI), package(router)
    stanzas = configuration_from_uci(before, UCI).stanzas
    now = configuration_from_uci(after, UCI).stanzas
    if name in KEYLESS:
        assert [stanza.name for stanza in now] == ["phone"]
    else:
        assert len(stanzas) == len(now)
        assert all(map(same_rules, stanzas, now))
    enabled = [section.get("uci_enabled") for section in before.of_type("global")]
    assert [section.get("uci_enabled") for section in after.of_type("global")] == enabled
    assert router.path(UCI).stat().st_mode & 0o777 == 0o600


def test_running_it_again_changes_nothing(router: Router, fw4: Machine) -> None:
    ready(router)
    written, log = router.read(UCI), router.read("/tmp/log")
    assert "daemon.notice the client phone has keys of its own" in log
    ready(router)
    assert (router.read(UCI), router.read("/tmp/log")) == (written, log)
    assert router.read("/tmp/fw4").splitlines() == ["-q check", "-q reload", "-q check"]


def test_uncommitted_changes_are_nobodys_but_theirs_who_made_them(router: Router) -> None:
    before = router.read(UCI)
    pending = "fwknopd.mine='global'\n"
    router.path("/tmp/.uci").mkdir(mode=0o700, exist_ok=True)
    router.write("/tmp/.uci/fwknopd", pending, 0o600)
    assert router.run(SCRIPT).code == 1
    assert (router.read(UCI), router.read("/tmp/.uci/fwknopd")) == (before, pending)
    assert "daemon.err" in router.read("/tmp/log")
    assert "not committed yet" in router.read("/tmp/log")
    router.write("/tmp/.uci/fwknopd", "", 0o600)
    ready(router)
    assert "option KEY_BASE64" in router.read(UCI)


def test_the_package_as_installed_watches_wan(router: Router) -> None:
    ready(router)
    (section,) = package(router).of_type("network")
    assert section.get("network") == "wan"


def test_without_a_wan_what_leads_out_is_watched(router: Router) -> None:
    router.write("/etc/config/network", "config interface 'lan'\n")
    router.write("/tmp/networks/default", "wwan\n")
    ready(router)
    assert package(router).of_type("network")[0].get("network") == "wwan"


def test_a_file_that_cannot_be_read_stays_as_it_is(router: Router) -> None:
    router.write(UCI, "config access\n\toption 'oh\n")
    ready(router)
    assert router.read(UCI) == "config access\n\toption 'oh\n"
    assert router.read("/tmp/log").startswith("daemon.err ")


def test_nothing_happens_while_an_image_is_made(router: Router) -> None:
    before = router.read(UCI)
    router.program("/sbin/fw4")
    done = router.run(SCRIPT, IPKG_INSTROOT="/")
    assert (done.code, done.output) == (0, "")
    assert router.read(UCI) == before
    assert not router.path("/tmp/programs").exists()


def test_the_firewall_takes_marked_packets_from_now_on(router: Router, fw4: Machine) -> None:
    ready(router)
    for chain in ("input", "forward"):
        assert "!fwknopd" in fw4.run("nft", "list", "chain", "inet", "fw4", chain)


def test_a_firewall_that_is_not_up_yet_is_left_alone(router: Router, fw4: Machine) -> None:
    router.path(STATE).unlink()
    ready(router)
    assert router.read("/tmp/fw4").splitlines() == ["-q check"]
    assert "!fwknopd" not in fw4.run("nft", "list", "ruleset")


def test_includes_that_the_firewall_refuses_are_set_aside(router: Router, fw4: Machine) -> None:
    before = fw4.run("nft", "list", "ruleset")
    router.write(INPUT, "meta mark & 0x40000000 != 0 jump nowhere\n")
    ready(router)
    assert includes(router) == {
        *("input/20-fwknopd.nft.refused", "forward/20-fwknopd.nft.refused"),
    }
    assert "daemon.err The firewall refuses the two lines" in router.read("/tmp/log")
    assert fw4.run("nft", "list", "ruleset") == before
    # A later version of the package brings better ones.
    router.install()
    ready(router)
    assert includes(router) == {"input/20-fwknopd.nft", "forward/20-fwknopd.nft"}
    assert "!fwknopd" in fw4.run("nft", "list", "chain", "inet", "fw4", "input")


def test_a_fault_of_others_is_not_blamed_on_ours(router: Router, fw4: Machine) -> None:
    router.write(f"{INCLUDES}/input/10-other.nft", "jump nowhere\n")
    ready(router)
    assert includes(router) > {"input/20-fwknopd.nft", "forward/20-fwknopd.nft"}
    assert "a fault of their own" in router.read("/tmp/log")
    assert "-q reload" not in router.read("/tmp/fw4")


def test_rpcd_hears_of_new_rights_where_it_runs(router: Router) -> None:
    router.program("/etc/init.d/rpcd")
    ready(router)
    assert not router.path("/tmp/programs").exists()
    router.path("/var/run/ubus").mkdir()
    with closing(socket.socket(socket.AF_UNIX)) as ubus:
        ubus.bind(str(router.path("/var/run/ubus/ubus.sock")))
        ready(router)
    assert router.read("/tmp/programs") == "/etc/init.d/rpcd reload\n"
