"""Where commands are off nothing is run, whatever an authenticated packet says."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import pytest

from fwknopd.sandbox import TRADE
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import SpaKeys, encode
from tests.interop.example_keys import HMAC_KEY, KEY
from tests.interop.program import Fwknopd
from tests.interop.test_sandbox import held, status

pytestmark = pytest.mark.root

# As the unit for systemd starts it, and procd where there is no jail.
CONFINED = (
    *("setpriv", "--bounding-set=-all,+net_admin,+net_raw", "--inh-caps=-all"),
    *("--no-new-privs", "--"),
)
COMMANDS = (
    "touch {0}",
    "/bin/sh -c 'touch {0}'",
    "x;touch {0}",
    "$(touch {0})",
    "`touch {0}`",
    "|touch {0}",
    "x\ntouch {0}",
)
ACCESSES = ("tcp/22;touch {0}", "tcp/22`touch {0}`", "$(touch {0})/22", "tcp/22\ntouch {0}")


def packet(kind: MessageType, message: str, user: str = "alice") -> bytes:
    return encode(
        user=user,
        timestamp=int(time.time()),
        rand=f"{secrets.randbelow(10**16):016}",
        message_type=kind,
        message=message,
        keys=SpaKeys(KEY, HMAC_KEY),
        salt=secrets.token_bytes(8),
    )


@pytest.mark.strace
def test_no_program_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A client that sends what no client may.
    monkeypatch.setattr("fwknopd.spa.message.parse_plaintext", lambda text: None)
    trace, touched = tmp_path / "trace", tmp_path / "touched"
    fwknopd = Fwknopd(tmp_path)
    fwknopd.has_run_before()
    watch = ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-e", "signal=none"]
    watch += ["-e", "trace=execve,execveat", "-o", str(trace), "--"]
    with fwknopd.foreground(before=watch) as daemon:
        for text in COMMANDS:
            command = text.format(touched)
            fwknopd.send(packet(MessageType.COMMAND, f"192.0.2.7,{command}"))
        fwknopd.wait_for_event("commands are off for this client")
        for text in ACCESSES:
            fwknopd.send(packet(MessageType.ACCESS, f"192.0.2.7,{text.format(touched)}"))
        fwknopd.send(packet(MessageType.ACCESS, "192.0.2.7,tcp/22", user="`touch x`;$(id)"))
        fwknopd.knock()
        daemon.wait_for("Added access rule to")
        assert fwknopd.ask("reload")["reloaded"] is True
        verdicts = fwknopd.ask("events", limit=100)["events"]
    refused = [event for event in verdicts if event.get("reason") == "command-not-allowed"]
    assert len(refused) >= len(COMMANDS) - 1
    # Its own beginning, wherever the PATH had it looked for.
    begun = [line for line in trace.read_text().splitlines() if line.endswith(" = 0")]
    assert len(begun) == 1
    assert not touched.exists()


def test_with_the_rights_of_the_unit_it_does_its_work_and_gets_no_more(tmp_path: Path) -> None:
    fwknopd = Fwknopd(tmp_path)
    with fwknopd.foreground(before=CONFINED) as daemon:
        for name in ("CapPrm", "CapEff", "CapBnd"):
            assert held(daemon, name) == TRADE
        assert held(daemon, "CapAmb") == held(daemon, "CapInh") == set()
        assert status(daemon.process.pid, "NoNewPrivs") == 1
        fwknopd.knock()
        daemon.wait_for("Added access rule to")
        assert fwknopd.ask("reload")["reloaded"] is True
