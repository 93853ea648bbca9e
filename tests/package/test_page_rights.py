"""What the page's process may do on a router, and what whoever takes it over can get at."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.package import webui
from tests.package.router import Router
from tests.package.webui import SCRIPT
from tests.web.test_cli import environment

pytestmark = [pytest.mark.root, pytest.mark.busybox]

ACCOUNT = 4242
SECRETS = {
    "/etc/shadow": "root:$1$secret:0:0:99999:7:::\n",
    "/etc/config/fwknopd": "config access\n",
    "/etc/fwknop/access.conf": "KEY secret\n",
    "/etc/fwknop/fwknopd.conf": "\n",
    "/etc/fwknop/state/digest.cache": "secret\n",
    "/var/run/fwknop/open.doors": "secret\n",
}
# Every path the account can write to, and every secret it can read; programs of this computer,
# which are no router's, left out.
LOOK = """\
/host/usr/bin/find / -path /host -prune -o -path /proc -prune -o -path /sys -prune \
	-o -path /dev -prune -o -writable ! -type l -print
for file in "$@"; do
	if cat "$file" >/dev/null 2>&1; then echo "READ $file"; fi
done
kill -0 1 2>/dev/null && echo "KILLS root"
"""


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Router:
    """With both packages' init scripts run: what they made is as they made it."""
    made = Router(tmp_path_factory.mktemp("rights") / "root")
    made.install()
    webui.install(made)
    # A router's root folder is open to all, and a test's is not.
    made.root.chmod(0o755)
    made.program("/sbin/logger")
    made.program("/usr/sbin/fwknopd")
    for script in ("/etc/init.d/fwknopd", SCRIPT):
        assert made.run(script, "start").code == 0
    for path, text in SECRETS.items():
        made.write(path.replace("/var/run", "/tmp/run"), text, 0o600)
    return made


@pytest.fixture(scope="module")
def told(router: Router) -> dict[str, list[str]]:
    """What procd was told of the page."""
    router.calls()
    router.run(SCRIPT, "start")
    return {call[1]: call[2:] for call in router.calls() if call[0].endswith("_param")}


@pytest.fixture(scope="module")
def rights(told: dict[str, list[str]]) -> list[str]:
    """The words before a command that give it what procd would."""
    assert (told["user"], told["group"], told["no_new_privs"]) == (["fwknop"], ["fwknop"], ["1"])
    (limit,) = told["limits"]
    soft, hard = limit.removeprefix("core=").split()
    if not resource.getrlimit(resource.RLIMIT_CORE)[1]:
        soft = hard = "0"
    as_account = [f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups"]
    return ["prlimit", f"--core={soft}:{hard}", "setpriv", *as_account, "--no-new-privs", "--"]


def test_who_takes_it_over_reads_no_secret_and_writes_in_one_folder(
    router: Router, rights: list[str]
) -> None:
    inside = [
        f"/host/usr/bin/{word}" if word in ("prlimit", "setpriv") else word for word in rights
    ]
    done = router.run("/host/usr/bin/env", *inside, "/bin/sh", "-c", LOOK, "sh", *SECRETS)
    found = [line for line in done.output.splitlines() if "Permission denied" not in line]
    assert found == ["/tmp/run/fwknop-webui"]
    # The same look as root finds what it looks for.
    as_root = router.run("/bin/sh", "-c", LOOK, "sh", *SECRETS).output
    assert all(f"READ {path}" in as_root for path in SECRETS)
    assert "KILLS root" in as_root


def can_be_run() -> bool:
    """A developer's Python may lie in a home nobody else gets into."""
    probe = ["setpriv", f"--reuid={ACCOUNT}", "--clear-groups", "--", sys.executable, "-c", ""]
    return subprocess.run(probe, capture_output=True).returncode == 0


@pytest.fixture
def run_folder() -> Iterator[Path]:
    """The page's own. Not among the tests' folders, into which only their user gets."""
    with tempfile.TemporaryDirectory(prefix="page-") as name:
        os.chown(name, ACCOUNT, ACCOUNT)
        yield Path(name)


@pytest.fixture
def page(run_folder: Path, rights: list[str]) -> Iterator[int]:
    """The running page, behind the relay."""
    program = "import sys; from fwknop_webui.cli import main; sys.exit(main())"
    # Where it may not be run it is given that one right, and must have no other.
    may_read = [] if can_be_run() else READ_ALL
    before = [*rights[:-1], *may_read, "--"]
    command = [*before, sys.executable, "-c", program, f"--relay={run_folder}", "--rpcd"]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE) as process:
        try:
            until = time.monotonic() + 20
            while not (run_folder / "door").exists():
                assert process.poll() is None and time.monotonic() < until
                time.sleep(0.01)
            yield process.pid
        finally:
            process.kill()


READ_ALL = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]
DAC_READ_SEARCH = 1 << 2


def test_its_process_has_no_rights_at_all(page: int) -> None:
    lines = Path(f"/proc/{page}/status").read_text().splitlines()
    fields = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert fields["Uid"] == fields["Gid"] == [str(ACCOUNT)] * 4
    assert set(fields["Groups"]) <= {str(ACCOUNT)}
    assert fields["NoNewPrivs"] == ["1"]
    expected = 0 if can_be_run() else DAC_READ_SEARCH
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(fields[name][0], 16) == expected, name
    limits = Path(f"/proc/{page}/limits").read_text()
    assert re.search(r"Max core file size +([01]) +\1 ", limits)
