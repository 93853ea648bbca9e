"""Commands in packets, on the real program: recorded packets, the original client, floods."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fwknopd.control.client import ControlClient
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import SpaKeys, encode
from tests.interop.deviations import DECODING
from tests.interop.example_keys import HMAC_KEY, HMAC_KEY_BASE64, KEY, KEY_BASE64
from tests.interop.program import ACCESS, TIME_LIMIT, Fwknopd, Running
from tests.interop.spa_vectors import SpaVector, rijndael_vectors


@pytest.fixture
def fwknopd(tmp_path: Path) -> Fwknopd:
    made = Fwknopd(tmp_path)
    made.has_run_before()
    made.write(made.access, f"{ACCESS}ENABLE_CMD_EXEC Y\n")
    return made


@pytest.fixture
def daemon(fwknopd: Fwknopd) -> Iterator[Running]:
    with fwknopd.foreground() as running:
        yield running


def limit(fwknopd: Fwknopd, seconds: int) -> None:
    fwknopd.write(fwknopd.config, f"{fwknopd.config.read_text()}CMD_EXEC_TIMEOUT {seconds};\n")


def ask(fwknopd: Fwknopd, command: str) -> None:
    """Knock with the original client."""
    to_let_in = ("-a", "192.0.2.7")
    keys = ("--key-base64-rijndael", KEY_BASE64, "--key-base64-hmac", HMAC_KEY_BASE64)
    subprocess.run(
        ["fwknop", "-D", "127.0.0.1", "-p", str(fwknopd.port), "-C", command, *keys, *to_let_in],
        env={**os.environ, "HOME": str(fwknopd.folder)},
        check=True,
        capture_output=True,
        timeout=TIME_LIMIT,
    )


def ask_bytes(fwknopd: Fwknopd, command: bytes) -> None:
    """Knock with a packet of our own, for what the client doesn't send."""
    fwknopd.send(
        encode(
            user="alice",
            timestamp=int(time.time()),
            rand=f"{secrets.randbelow(10**16):016}",
            message_type=MessageType.COMMAND,
            message=b"192.0.2.7," + command,
            keys=SpaKeys(KEY, HMAC_KEY),
            salt=secrets.token_bytes(8),
        )
    )


def ends(fwknopd: Fwknopd) -> Iterator[dict[str, Any]]:
    """The ends of commands, as they come."""
    client = ControlClient(fwknopd.run_dir / "control.sock")
    with closing(client.follow(limit=1000)) as events:  # type: ignore[type-var]
        yield from (event for event in events if event["event"] == "command")


@pytest.mark.client
def test_the_original_client_runs_a_command(fwknopd: Fwknopd, daemon: Running) -> None:
    # The client's packets have room for a short command only.
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        out = Path(folder, "out")
        # There are no quotes: ' is part of a name.
        ask(fwknopd, f"tee '{out} {out}")
        event = next(ends(fwknopd))
        assert (event["request"], event["status"]) == (f"tee '{out} {out}", 1)
        assert out.read_bytes() == b""
    who = "[127.0.0.1] (stanza #1)"
    daemon.wait_for(f"{who} Processing SPA Command message: command='tee '{out} {out}'.")
    daemon.wait_for(f"{who} Running command 'tee '{out} {out}'")
    daemon.wait_for(f"{who} CMD_EXEC: command returned 0, pid_status: 1")


@pytest.mark.client
def test_a_slow_command_delays_nobody_and_is_killed(fwknopd: Fwknopd) -> None:
    limit(fwknopd, 3)
    with fwknopd.foreground() as daemon:
        ask(fwknopd, "sleep 20")
        daemon.wait_for("Running command 'sleep 20'")
        for port in ("tcp/22", "tcp/22"):
            said = len(daemon.lines)
            fwknopd.knock(port)
            opened = daemon.wait_for("Added access rule to", after=said)
        event = next(ends(fwknopd))
    assert (event["late"], event["status"], event["signal"]) == (True, None, 9)
    assert 2.5 < event["seconds"] < 10
    killed = daemon.wait_for("pid_status: 137")
    assert daemon.lines.index(opened, said) < daemon.lines.index(killed), "they waited for it"
    daemon.wait_for("pid_status: 137. It took more than 3 s and was killed (CMD_EXEC_TIMEOUT)")


def test_a_flood_of_commands_is_bounded_and_doors_open_all_the_same(fwknopd: Fwknopd) -> None:
    # None of them ends before the others are there, and the door is waited for.
    limit(fwknopd, 2 * int(TIME_LIMIT))
    with fwknopd.foreground() as daemon:
        for number in range(40):
            ask_bytes(fwknopd, b"sleep 1%02d" % number)
        daemon.wait_for("SPA packet refused (too-many-commands): 8 commands of this client are")
        fwknopd.knock()
        daemon.wait_for("Added access rule to")
        counters = fwknopd.ask("status")["counters"]
    assert counters == {"accepted": 9, "too-many-commands": 32}


def test_reload_and_stop_do_not_wait_for_a_command(fwknopd: Fwknopd) -> None:
    with fwknopd.foreground() as daemon:
        ask_bytes(fwknopd, b"sleep 60")
        daemon.wait_for("Running command 'sleep 60'")
        # Neither is waited for that long.
        assert fwknopd.ask("reload")["reloaded"]
        assert daemon.end() == 0


HOSTILE = (
    b"a\nb\rfake: line",
    b"\x1b[2J\x07",
    b"\x80\xff\xfe",
    b"%s%n {0} {detail}",
    b"--help",
    b"a=b c",
    b"../../bin/true",
    b"\x01" * 60,
)


def test_hostile_bytes_break_nothing(fwknopd: Fwknopd, daemon: Running) -> None:
    told = ends(fwknopd)
    for command in HOSTILE:
        ask_bytes(fwknopd, command)
        event = next(told)
        assert event["request"].isascii()
        assert event["request"].isprintable()
        assert event["status"] in (None, 0)
    assert fwknopd.ask("status")["counters"] == {"accepted": len(HOSTILE)}
    assert daemon.end() == 0
    assert all(line.isprintable() for line in daemon.lines)
    assert not [line for line in daemon.lines if line.startswith("fake: line")]


COMMAND_VECTORS = [
    vector
    for vector in rijndael_vectors()
    if vector.decoded is not None
    and vector.decoded.message_type == 0
    and vector.name not in DECODING
]
# Stands in for sudo, so that what is recorded isn't run: keeps the words it is given.
RECORDER = """\
#!/bin/sh
part=$(mktemp "$0.XXXXXXXX.part")
for word; do printf '%s\\0' "$word"; done >"$part"
mv "$part" "${part%.part}.words"
"""


def test_recorded_command_packets_become_the_words_they_say(fwknopd: Fwknopd) -> None:
    recorder = fwknopd.folder / "sudo"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    stanzas = dict.fromkeys(map(stanza_text, COMMAND_VECTORS))
    fwknopd.write(fwknopd.access, "".join(stanzas))
    fwknopd.write(fwknopd.config, f"{fwknopd.config.read_text()}ENABLE_SPA_PACKET_AGING N;\n")
    run = [vector for vector in COMMAND_VECTORS if vector.accept]
    with fwknopd.foreground("--sudo-exe", str(recorder)):
        for vector in COMMAND_VECTORS:
            fwknopd.send(vector.packet)
        told = ends(fwknopd)
        assert [next(told)["status"] for _ in run] == [0] * len(run)
        counters = fwknopd.ask("status")["counters"]
    refused = len(COMMAND_VECTORS) - len(run)
    assert counters == {"accepted": len(run), "command-not-allowed": refused}
    found = [path.read_bytes().split(b"\0")[:-1] for path in fwknopd.folder.glob("sudo.*.words")]
    assert sorted(found) == sorted(map(words_of, run))


def words_of(vector: SpaVector) -> list[bytes]:
    """What the C daemon runs, which knows no other white space than this."""
    assert vector.decoded is not None
    return re.split(rb"[ \t\n\v\f\r]+", vector.decoded.message.partition(b",")[2])


def stanza_text(vector: SpaVector) -> str:
    assert vector.keys.encryption_key
    lines = {"SOURCE": "ANY", "KEY_BASE64": b64encode(vector.keys.encryption_key).decode()}
    if vector.keys.hmac_key:
        lines["HMAC_KEY_BASE64"] = b64encode(vector.keys.hmac_key).decode()
        lines["HMAC_DIGEST_TYPE"] = vector.keys.hmac_type.value
    lines |= {"ENABLE_CMD_SUDO_EXEC": "Y", **dict(vector.stanza_extra)}
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def test_test_mode_runs_nothing(fwknopd: Fwknopd) -> None:
    out = fwknopd.folder / "out"
    with fwknopd.foreground("--test") as daemon:
        ask_bytes(fwknopd, f"touch {out}".encode())
        daemon.wait_for("--test mode enabled, skipping firewall manipulation.")
        assert daemon.end() == 0
    assert not out.exists()


def test_an_unknown_user_stops_the_start_with_file_line_and_remedy(fwknopd: Fwknopd) -> None:
    fwknopd.write(fwknopd.access, f"{ACCESS}CMD_EXEC_USER no-such-user\n")
    done = fwknopd.run("-f")
    assert done.returncode == 1
    assert (
        f"{fwknopd.access}:5: CMD_EXEC_USER: this machine has no user no-such-user" in done.stderr
    )
    assert "/etc/passwd" in done.stderr


@pytest.mark.root
@pytest.mark.sudo
@pytest.mark.client
def test_through_sudo(fwknopd: Fwknopd) -> None:
    fwknopd.write(
        fwknopd.access,
        f"{ACCESS}ENABLE_CMD_EXEC Y\nENABLE_CMD_SUDO_EXEC Y\nCMD_SUDO_EXEC_USER root\n",
    )
    with fwknopd.foreground() as daemon:
        ask(fwknopd, "test -d /root")
        daemon.wait_for("Running command '/usr/bin/sudo -u root test -d /root'")
        assert next(ends(fwknopd))["status"] == 0


def test_another_sudo_by_the_command_line(fwknopd: Fwknopd) -> None:
    fwknopd.write(fwknopd.access, f"{ACCESS}ENABLE_CMD_EXEC Y\nENABLE_CMD_SUDO_EXEC Y\n")
    with fwknopd.foreground("--sudo-exe", "/usr/bin/env"):
        ask_bytes(fwknopd, b"true")
        event = next(ends(fwknopd))
    assert (event["request"], event["status"]) == ("/usr/bin/env true", 0)
