"""Signals while the daemon is still being loaded: a reload does not end it, an end does."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROUTERS = (ROOT / "package/fwknop-wrt/files/usr/sbin/fwknopd").read_text()
SIGNAL = """
import os, signal, sys

class Signal:
    def find_spec(self, name, path=None, target=None):
        if name == "fwknopd.cli":
            os.kill(os.getpid(), signal.{})

sys.meta_path.insert(0, Signal())
sys.argv = ["fwknopd", "--version"]
"""

LOADED = """
import sys
from fwknopd.start import main
sys.argv = ["fwknopd", "--version"]
main()
import fwknopd.capture.pcap, fwknopd.firewall.nftables, fwknopd.runner, fwknopd.spa.cipher
import fwknopd.config.fwknopd_conf
few = {"base64", "json", "fwknopd.firewall.nft_judging", "fwknopd.knock_commands"}
few |= {"fwknopd.spa.openpgp", "fwknopd.key_handing"}
print(*(few & sys.modules.keys()))
import fwknopd.config.uci_config, fwknopd.firewall.nft_judging, fwknopd.uci_store
print("ast" in sys.modules)
import gc, typing
print([item for item in gc.get_objects() if type(item) is typing.ForwardRef])
import inspect
from inspect import signature
print(inspect.getdoc(main)[:11], signature(main))
"""


def servers() -> str:
    """What pip makes of the entry point."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["fwknopd"].partition(":")
    return f"from {module} import {function}\nraise SystemExit({function}())\n"


def run(program: str, signal: str, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", SIGNAL.format(signal) + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


both = pytest.mark.parametrize("program", [ROUTERS, servers()], ids=["router", "server"])


@both
def test_a_hangup_while_it_is_loaded_does_no_harm(program: str) -> None:
    done = run(program, "SIGHUP")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("fwknopd server")


@both
def test_an_end_while_it_is_loaded_is_its_end(program: str) -> None:
    done = run(program, "SIGTERM")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.root
def test_so_it_is_for_the_first_process_of_a_jail() -> None:
    # The kernel keeps signals from it for which it has no handler.
    done = run(ROUTERS, "SIGTERM", "unshare", "--pid", "--fork")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_few_daemons_need_is_not_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True)
    _version, seldom, loaded, _compiled, found = done.stdout.splitlines()
    assert seldom == "", "loaded for what few daemons do"
    # Later ones look into it for every class, and it is as ever.
    assert loaded == str(sys.version_info >= (3, 12))
    assert found == "Run fwknopd () -> 'int'", done.stderr


def test_no_annotation_is_compiled() -> None:
    """A module with a NamedTuple has no ``from __future__ import annotations``.

    With it, annotations are texts, and `typing` compiles those of a NamedTuple or a TypedDict.
    For the first of all Python makes the classes of a syntax tree, 0.2 MiB for good.
    """
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True)
    assert done.stdout.splitlines()[3] == "[]", done.stderr
