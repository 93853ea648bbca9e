"""What happens when iptables refuses, hangs on a lock, or isn't there: no half-made rule."""

from __future__ import annotations

import fcntl
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fwknopd import spawning
from fwknopd.config.ipt_chain import INPUT_CHAIN
from fwknopd.firewall import FirewallBarred, FirewallError
from fwknopd.firewall.iptables_rules import IptablesSettings
from tests.netns.conftest import CLIENT, CLIENT6
from tests.netns.fw4_rulesets import PROJECT
from tests.netns.iptables_site import VARIANTS, IptablesSite, RouterFirewall, iptables_site
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.iptables]

SSH = door(CLIENT, "tcp/22")
LOCAL = door(CLIENT, "tcp/4000", "192.168.1.1:22", local=True)
NAT = IptablesSettings(enable_nat=True)
NOBODY = 65534


@pytest.fixture(scope="module", params=VARIANTS)
def _site(request: pytest.FixtureRequest) -> Iterator[IptablesSite]:
    with iptables_site(request.param) as site:
        yield site


@pytest.fixture
def site(_site: IptablesSite) -> IptablesSite:
    """The router with nothing but its admin's rules."""
    _site.reset()
    return _site


@pytest.fixture
def firewall(site: IptablesSite) -> Iterator[RouterFirewall]:
    """Our firewall, started on the router."""
    firewall = RouterFirewall(site)
    firewall.start()
    yield firewall
    firewall.stop()


def started(site: IptablesSite, settings: IptablesSettings | None = None) -> RouterFirewall:
    """Another daemon's firewall, as after a crash of the first."""
    firewall = RouterFirewall(site, settings)
    firewall.start()
    return firewall


def test_all_doors_of_a_call_open_or_none(site: IptablesSite) -> None:
    # Translation goes in first; the other half names a chain that isn't there.
    chain = replace(INPUT_CHAIN, target="LOG_ACCEPT")
    settings = replace(NAT, input=chain, comment_check=False)
    firewall = started(site, settings)
    before = site.saved()
    with pytest.raises(FirewallError, match=r"iptables\S* refused a change: .*LOG_ACCEPT"):
        firewall.open_for(LOCAL)
    assert site.saved() == before
    assert firewall.read() == []
    firewall.stop()


def test_one_family_that_fails_takes_the_other_back(
    site: IptablesSite, firewall: RouterFirewall, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = site.saved()
    stub(monkeypatch, tmp_path, f"ip6tables{site.variant}-restore", "exit 1")
    with pytest.raises(FirewallError, match="ip6tables"):
        firewall.open_for(SSH, door(CLIENT6, "tcp/22"))
    assert site.saved() == before
    assert firewall.next_due() is None


def stub(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, script: str) -> None:
    """Put a shell script before the real program."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin")


def test_a_door_that_can_not_be_closed_stays_due(
    site: IptablesSite, firewall: RouterFirewall, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    firewall.open_for(SSH, seconds=0.01)
    time.sleep(0.02)
    with monkeypatch.context() as broken:
        stub(broken, tmp_path, f"iptables{site.variant}-restore", "echo no memory >&2; exit 1")
        with pytest.raises(FirewallError, match="no memory"):
            firewall.expire()
    due = firewall.next_due()
    assert due is not None
    assert due <= time.monotonic()
    firewall.expire()
    assert site.rules("FWKNOP_INPUT") == []
    assert firewall.next_due() is None


def test_a_lock_that_is_held_is_told(
    site: IptablesSite, firewall: RouterFirewall, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = "Another app is currently holding the xtables lock. Stopped waiting after 1s."
    stub(monkeypatch, tmp_path, f"iptables{site.variant}-restore", f"echo {said} >&2; exit 4")
    with pytest.raises(FirewallError, match="another program held the lock"):
        firewall.open_for(SSH)


def test_a_lock_that_stays_held_changes_nothing(
    site: IptablesSite, firewall: RouterFirewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("LOCK_SECONDS", "CLOSING_LOCK_SECONDS"):
        monkeypatch.setattr(f"fwknopd.firewall.iptables_family.{limit}", 1)
    web, six = door(CLIENT, "tcp/8080"), door(CLIENT6, "tcp/22")
    firewall.open_for(SSH, six)
    before = site.saved()
    # Everybody's lock: nobody on this machine changes rules of the old iptables meanwhile.
    with Path("/run/xtables.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if site.variant == "-nft":
            # It has no lock to wait for.
            firewall.open_for(web)
            firewall.close([web])
        else:
            with pytest.raises(FirewallBarred, match="another program held the lock"):
                firewall.open_for(web, SSH, seconds=60)
            with pytest.raises(FirewallBarred, match="another program held the lock"):
                firewall.close([SSH])
    assert site.saved() == before
    due = firewall.next_due()
    assert due is not None
    assert 20 < due - time.monotonic() <= 30
    firewall.close([SSH])
    assert [timed.door for timed in firewall.read()] == [six]


def test_a_refusal_of_the_kernel_is_no_lock(
    site: IptablesSite, firewall: RouterFirewall, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = "line 3: CHAIN_DEL failed (Device or resource busy): chain FWKNOP_INPUT"
    stub(monkeypatch, tmp_path, f"iptables{site.variant}-restore", f"echo '{said}' >&2; exit 4")
    with pytest.raises(FirewallError, match="refused a change: line 3: CHAIN_DEL"):
        firewall.open_for(SSH)


def without_nat(site: IptablesSite, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """As on a kernel without NAT, in the words of iptables there."""
    name = f"iptables{site.variant}-restore"
    said = "can't initialize iptables table nat: Table does not exist (do you need to insmod?)"
    script = f'text=$(cat); case $text in *"*nat"*) echo "{said}" >&2; exit 3;; esac\n'
    stub(monkeypatch, folder, name, f'{script}echo "$text" | /usr/sbin/{name} "$@"')


def test_a_kernel_without_nat_opens_what_needs_none(
    site: IptablesSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_nat(site, monkeypatch, tmp_path)
    firewall = started(site)
    firewall.open_for(SSH)
    before = site.saved()
    with pytest.raises(FirewallError, match=r"Table does not exist.*modules for comments, NAT"):
        firewall.open_for(door(CLIENT, "tcp/8080"), LOCAL)
    assert site.saved() == before
    assert [timed.door for timed in firewall.read()] == [SSH]
    firewall.stop()


def test_nat_that_is_configured_and_missing_is_told_at_the_start(
    site: IptablesSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = site.saved()
    without_nat(site, monkeypatch, tmp_path)
    with pytest.raises(FirewallError, match="Table does not exist"):
        started(site, NAT)
    assert site.saved() == before


def test_others_who_change_rules_all_the_time_do_no_harm(site: IptablesSite) -> None:
    firewall = started(site, NAT)
    theirs = ("INPUT", "-s", "10.9.9.9/32", "-j", "ACCEPT")
    done = threading.Event()
    rounds = [0]

    def change() -> None:
        while not done.is_set():
            site.iptables("-w", "5", "-I", *theirs)
            site.iptables("-w", "5", "-t", "nat", "-A", "POSTROUTING", "-j", "ACCEPT")
            site.iptables("-w", "5", "-t", "nat", "-D", "POSTROUTING", "-j", "ACCEPT")
            site.iptables("-w", "5", "-D", *theirs)
            rounds[0] += 1

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for number in range(25):
            firewall.open_for(SSH, LOCAL, door(CLIENT, f"udp/{5000 + number}"), seconds=60 + number)
            firewall.rules_lost()
            firewall.close([LOCAL])
    finally:
        done.set()
        changing.join()
    assert rounds[0] > 3
    assert len(firewall.read()) == 26
    assert len([rule for rule in site.rules("INPUT") if "FWKNOP" in rule]) == 1
    assert site.rules("FWKNOP_PREROUTING", "nat") == []
    firewall.stop()


def test_comments_are_tried_at_the_start(
    site: IptablesSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = f"iptables{site.variant}-restore"
    script = "text=$(cat); case $text in *_exp_*) echo no comment match >&2; exit 2;; esac\n"
    stub(monkeypatch, tmp_path, name, f'{script}echo "$text" | /usr/sbin/{name} "$@"')
    with pytest.raises(FirewallError, match=r"ENABLE_IPT_COMMENT_CHECK failed.*no comment match"):
        started(site)
    started(site, IptablesSettings(comment_check=False)).stop()


def test_starting_without_iptables_names_the_package(
    site: IptablesSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    firewall = RouterFirewall(site)
    monkeypatch.setattr(spawning, "SYSTEM_FOLDERS", ())
    with site.router.entered(), monkeypatch.context() as bare:
        bare.setenv("PATH", str(tmp_path))
        with pytest.raises(FirewallError, match="not found: install the package iptables"):
            super(RouterFirewall, firewall).start(["eth1"])


UNPRIVILEGED = """
import os, sys
sys.path[:0] = sys.argv[2:]
from fwknopd.firewall import FirewallError
from fwknopd.firewall.iptables import IptablesFirewall
os.setuid({nobody})
try:
    IptablesFirewall(variant=sys.argv[1]).start(["eth1"])
except FirewallError as error:
    print(error)
"""


def test_starting_without_privilege_says_what_is_needed(site: IptablesSite) -> None:
    program = UNPRIVILEGED.format(nobody=NOBODY)
    paths = (str(PROJECT), str(PROJECT / "daemon"))
    answer = site.router.run(sys.executable, "-c", program, site.variant, *paths)
    assert "needs CAP_NET_ADMIN" in answer


def test_opening_before_the_start_is_a_mistake(site: IptablesSite) -> None:
    with pytest.raises(FirewallError, match="not started"):
        RouterFirewall(site).open_for(SSH)
