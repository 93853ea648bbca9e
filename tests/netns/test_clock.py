"""The real daemon on a machine like a router that was just started."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fwknopd.clock import RELEASED
from fwknopd.time_sources import OPENWRT_MARK, TimeSources
from tests.netns.conftest import CLIENT
from tests.netns.guarded_host import GuardedHost, guarded_host
from tests.netns.serving import ask, knock, send_knock, serving

pytestmark = [pytest.mark.root, pytest.mark.client, pytest.mark.nft]

CONFIG = "PCAP_INTF eth0;\n"
NTP_CLIENT = "etc/rc.d/S98sysntpd"


def this_computer_knows_the_time(folder: Path) -> bool:
    """Would a router with this computer's kernel and hardware clock wait? They are not made."""
    (folder / NTP_CLIENT).parent.mkdir(parents=True)
    (folder / NTP_CLIENT).touch()
    (folder / "sys").symlink_to("/sys")
    return not TimeSources(RELEASED, folder).awaited()


def await_the_clock(site: GuardedHost) -> None:
    end = time.monotonic() + 10
    while not ask(site, "status")["clock"]["ok"]:
        assert time.monotonic() < end, "the mark is not noticed"


def test_knocks_are_refused_until_ntpd_has_set_the_clock(tmp_path: Path) -> None:
    known = this_computer_knows_the_time(tmp_path / "like")
    with guarded_host(tmp_path) as site:
        site.host.machine.nft("table inet filter {}\n")
        site.host.write(f"/{NTP_CLIENT}", "")
        with serving(site, CONFIG) as daemon:
            if not known:
                daemon.wait_for("Knocks are refused for now: ")
                send_knock(site, f"-a {CLIENT}")
                said = daemon.wait_for("The clock is not set, ignoring SPA packet: ")
                assert "no time server has confirmed it" in said
                assert "the packet's clock says" in said
            # On this computer /var/run is /run, of which the machine has its own.
            site.host.write(f"/{OPENWRT_MARK.removeprefix('var/')}", "")
            await_the_clock(site)
            knock(site, daemon, f"-a {CLIENT}")
        with serving(site, CONFIG) as daemon:
            knock(site, daemon, f"-a {CLIENT} -A tcp/23")
            assert not any("refused for now" in line for line in daemon.lines)
