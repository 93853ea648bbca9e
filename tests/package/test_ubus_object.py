"""The ubus object fwknopd, called as rpcd calls a plug-in, with the real daemon behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fwknopd.control.verb_table import VERBS, Kind
from fwknopd.ctl.rpc import FEW_DOORS, METHODS
from tests.interop.program import Fwknopd, Running
from tests.package.router import FILES, Router

pytestmark = [pytest.mark.root, pytest.mark.busybox]

PLUGIN = "/usr/libexec/rpcd/fwknopd"
ACL = FILES / "usr/share/rpcd/acl.d/fwknop-wrt.json"
SESSION = {"ubus_rpc_session": "0123456789abcdef0123456789abcdef"}
MAX_MESSAGE = 1 << 20
"""Bytes libubus takes."""

TYPES = {Kind.NUMBER: 32, Kind.TEXT: "", Kind.FLAG: True}
"""Values that stand for their types, as rpcd wants them."""


class Rpcd:
    """Calls a router's plug-in: one JSON object in, one out, whatever it takes."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self._router = Router(folder)
        self._router.install()
        self._router.install_python()
        self._socket = f"/host{socket}"

    def list(self) -> dict[str, Any]:
        """What there is to call."""
        return self._object(PLUGIN, "list")

    def call(self, method: str, message: object = None) -> dict[str, Any]:
        """The answer to a call."""
        text = json.dumps(message if message is not None else {})
        return self.call_with(method, text)

    def call_with(self, method: str, text: str) -> dict[str, Any]:
        """The answer to a call whose message is whatever is given."""
        return self._object(PLUGIN, "call", method, said=text)

    def _object(self, *argv: str, said: str = "") -> dict[str, Any]:
        done = self._router.run(*argv, said=said, FWKNOP_CONTROL=self._socket)
        assert done.code == 0
        answer = json.loads(done.output)
        assert isinstance(answer, dict)
        return answer


@pytest.fixture(scope="module")
def fwknopd(tmp_path_factory: pytest.TempPathFactory) -> Fwknopd:
    return Fwknopd(tmp_path_factory.mktemp("daemon"))


@pytest.fixture(scope="module")
def daemon(fwknopd: Fwknopd) -> Iterator[Running]:
    with fwknopd.foreground() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def rpcd(fwknopd: Fwknopd, tmp_path_factory: pytest.TempPathFactory) -> Rpcd:
    return Rpcd(tmp_path_factory.mktemp("router") / "root", fwknopd.run_dir / "control.sock")


def test_what_there_is_to_call(rpcd: Rpcd) -> None:
    kinds = {verb.name: {a.name: a.kind for a in verb.arguments} for verb in VERBS}
    assert rpcd.list() == {
        method: {name: TYPES[kinds[method][name]] for name in names}
        for method, names in METHODS.items()
    }


def test_every_method_is_somebodys_right() -> None:
    (group,) = json.loads(ACL.read_text()).values()
    read, write = (group[right]["ubus"]["fwknopd"] for right in ("read", "write"))
    assert sorted(read + write) == sorted(METHODS)
    assert write == ["revoke", "reload"]


def test_a_door_is_seen_and_closed(rpcd: Rpcd, daemon: Running, fwknopd: Fwknopd) -> None:
    fwknopd.knock()
    daemon.wait_for("Added access rule to")
    (door,) = rpcd.call("grants", SESSION)["grants"]
    # As many as are told, and as many again that are closed, fit into a message of ubus.
    assert len(json.dumps(door)) * 2 * FEW_DOORS < MAX_MESSAGE
    events = rpcd.call("events", {"limit": 1, **SESSION})["events"]
    assert [event["event"] for event in events] == ["grant"]
    assert rpcd.call("revoke", {"id": door["id"], **SESSION})["revoked"] == 1
    assert rpcd.call("grants")["grants"] == []


def test_state_and_reload(rpcd: Rpcd, daemon: Running) -> None:
    assert rpcd.call("status", SESSION)["pid"] == daemon.process.pid
    assert rpcd.call("reload")["reloaded"] is True


@pytest.mark.parametrize(
    ("method", "text", "code"),
    [
        ("explain", "{}", "unknown-verb"),
        ("rehearse", '{"client": 1, "access": "tcp/22", "source": "192.0.2.1"}', "unknown-verb"),
        ("events", '{"follow": true}', "bad-argument"),
        ("revoke", '{"all": "yes"}', "bad-argument"),
        ("revoke", "{}", "bad-argument"),
        ("status", "[1]", "bad-request"),
        ("status", "{", "bad-request"),
        ("status", "x" * 100_000, "bad-request"),
        ("$(reboot)", "{}", "unknown-verb"),
        ("--help", "{}", "unknown-verb"),
    ],
)
def test_what_is_refused_says_why(
    rpcd: Rpcd, daemon: Running, method: str, text: str, code: str
) -> None:
    error = rpcd.call_with(method, text)["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["remedy"]


def test_without_a_daemon_it_says_so(rpcd: Rpcd, tmp_path: Path) -> None:
    alone = Rpcd(tmp_path / "root", tmp_path / "nobody.sock")
    assert alone.call("status")["error"]["code"] == "not-running"
