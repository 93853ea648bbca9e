"""What a machine must have for a test to run, and the rule that CI skips nothing.

A test says by its marker what it needs. On a developer's machine it is skipped,
with the reason, when that is missing. Where CI is set, or where everything is
there, a skip has no excuse and counts as a failure: a test that quietly stopped
running protects nobody.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from tests.c_daemon import find_c_daemon
from tests.chromium import find_chromium
from tests.promtool import find_promtool

ARTIFACTS = Path(__file__).parent / "artifacts"

# `su` leaves root without the folders where Debian keeps nft and ip.
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])

# A shell starts what it runs in the background with Ctrl-C ignored, and every program a test
# starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow runner is no bug, so no deadline; CI must give the same answer twice.
settings.register_profile("developer", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")


def _missing_namespaces() -> str | None:
    if os.geteuid() != 0:
        return "needs root, for network namespaces: run as root"
    if not shutil.which("ip") or not shutil.which("unshare"):
        return "needs ip and unshare: install iproute2 and util-linux"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    if probe.returncode:
        return f"can't make network namespaces here: {probe.stderr.strip()}"
    return None


def _missing_browser() -> str | None:
    if find_chromium():
        return None
    return "needs Chromium: install chromium, or run .venv/bin/playwright install chromium"


def _missing_program(program: str, package: str) -> Callable[[], str | None]:
    return lambda: None if shutil.which(program) else f"needs {program}: install {package}"


def _missing_c_daemon() -> str | None:
    if find_c_daemon():
        return None
    return "needs fwknop's server: package/dev/prepare.py test unpacks Debian's into .venv"


def _missing_promtool() -> str | None:
    if find_promtool():
        return None
    return "needs promtool: install prometheus, or let package/dev/prepare.py test unpack it"


def _missing_ssh() -> str | None:
    if not all(map(shutil.which, ("ssh", "ssh-keygen"))):
        return "needs ssh: install openssh-client"
    return None if shutil.which("dropbear") else "needs dropbear: install dropbear-bin"


REQUIREMENTS: dict[str, Callable[[], str | None]] = {
    "root": cache(_missing_namespaces),
    "browser": cache(_missing_browser),
    "client": cache(_missing_program("fwknop", "fwknop-client")),
    "c_daemon": cache(_missing_c_daemon),
    "nft": cache(_missing_program("nft", "nftables")),
    "iptables": cache(_missing_program("iptables", "iptables")),
    "gpg": cache(_missing_program("gpg", "gnupg")),
    "sudo": cache(_missing_program("sudo", "sudo")),
    "busybox": cache(_missing_program("busybox", "busybox")),
    "systemd": cache(_missing_program("systemd-analyze", "systemd")),
    "shellcheck": cache(_missing_program("shellcheck", "shellcheck")),
    "ssh": cache(_missing_ssh),
    "promtool": cache(_missing_promtool),
    "strace": cache(_missing_program("strace", "strace")),
}


@cache
def _no_skips() -> bool:
    if os.environ.get("CI"):
        return True
    return not any(missing() for missing in REQUIREMENTS.values())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many tests `-n auto` runs at a time: one more than there are processors.

    Most tests wait for something: with one worker per processor half of the time is idle.
    """
    return len(os.sched_getaffinity(0)) + 1


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, missing in REQUIREMENTS.items():
        if item.get_closest_marker(marker) and (reason := missing()):
            pytest.skip(f"{marker}: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _no_skips():
        report.outcome = "failed"
        report.longrepr = _skip_is_failure(report.longrepr)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and _no_skips():
        report.outcome = "failed"
        report.longrepr = _skip_is_failure(report.longrepr)
    return report


def _skip_is_failure(longrepr: object) -> str:
    reason = longrepr[2] if isinstance(longrepr, tuple) else longrepr
    return f"skipped where nothing may be skipped: {reason}"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the Chromium the browser tests drive."""
    path = find_chromium()
    assert path, "a test that uses this fixture must carry the marker 'browser'"
    return path


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Folder for what a run leaves to look at: pictures, logs, figures."""
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS
