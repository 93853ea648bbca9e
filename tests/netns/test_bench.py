"""The benchmark itself: a little of it, on our daemon alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bench.accounting import GROUP_PREFIX, Group
from tests.bench.bench import Bench, Effort
from tests.bench.contestants import BY_NAME
from tests.bench.junk import MAKERS, junk
from tests.bench.scenarios import one_grant as grants
from tests.bench.scenarios.latency import FORWARDED, KNOCK, forwarded, latency
from tests.bench.scenarios.one_grant import GRANT, one_grant
from tests.bench.sending import flooding
from tests.bench.site import PREFIX, ROUTER, made_site
from tests.netns.namespaces import NAMESPACES
from tests.netns.probes import udp_server

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.iptables, pytest.mark.client]


@pytest.mark.parametrize("names", [("nft",), ("ipt",)], ids=lambda names: names[0])
def test_knocks_are_measured_and_nothing_is_left_behind(
    tmp_path: Path, names: Sequence[str]
) -> None:
    bench = Bench(tuple(BY_NAME[name] for name in names), tmp_path, effort=Effort.QUICK)
    latency(bench)
    forwarded(bench)
    assert not bench.faults
    for scenario in (KNOCK, FORWARDED):
        assert bench.results.of(scenario, "", "opened", names[0]).p50 == 100
        assert bench.results.of(scenario, "", "to the rule in the kernel", names[0]).count == 2
    assert bench.results.of(KNOCK, "", "opened by the real client", names[0]).p50 == 100
    assert not list(tmp_path.iterdir())
    assert not list(NAMESPACES.glob(f"{PREFIX}-*"))


def test_the_least_there_is_to_do_is_measured_too(tmp_path: Path) -> None:
    bench = Bench((BY_NAME["floor"],), tmp_path, effort=Effort.QUICK)
    latency(bench)
    assert not bench.faults
    assert bench.results.of(KNOCK, "", "opened", "floor").p50 == 100
    assert bench.results.of(KNOCK, "", "CPU per knock", "floor").p50 > 0


@pytest.mark.parametrize("name", ["nft", "ipt"])
def test_a_grant_by_itself_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(grants, "COUNTS", (3,))
    bench = Bench((BY_NAME[name],), tmp_path, effort=Effort.QUICK)
    one_grant(bench)
    assert not bench.faults
    for metric in ("opened", "extended", "revoked"):
        assert bench.results.of(GRANT, "3 doors", metric, name).p50 > 0
    assert not list(tmp_path.iterdir())


def test_helper_programs_are_counted_in() -> None:
    group = Group()
    burn = "for i in range(10**6): pass"
    helper = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    wait = f"{helper}; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        group.command([sys.executable, "-c", wait]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        group.watch(process.pid)
        assert process.stdout is not None
        process.stdout.readline()
        own = sum(map(int, Path(f"/proc/{process.pid}/schedstat").read_text().split()[:1])) / 1e9
        assert group.cpu() > own + 0.01
        assert group.memory().resident > 1
    group.close()
    # Another process may be measuring at this moment: only ours have to be gone.
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{GROUP_PREFIX}-{os.getpid()}-*"))


@pytest.mark.parametrize("kind", MAKERS)
def test_a_flood_arrives_as_it_says(kind: str) -> None:
    packets = set(junk(kind, 225, count=16))
    with (
        made_site(BY_NAME["nft"]) as site,
        udp_server(site.router, ROUTER, 62201) as server,
    ):
        site.router.nft("flush ruleset\n")
        server.settimeout(5)
        with flooding(site, sorted(packets), 62201, 2000) as flood:
            seen = {server.recv(4000) for _ in range(64)}
            deadline = time.monotonic() + 5
            while (sent := flood.so_far()).packets < 64 and time.monotonic() < deadline:
                pass
        assert seen == packets
        assert sent.packets >= 64
