"""Garbage is looked for when the daemon has started, and not among what the start has made."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from tests.ports import free_port

DAEMON = Path(__file__).parents[3] / "daemon"
PROGRAM = """
import gc, sys
from fwknopd.service import Service
from fwknopd.start import main

Service.run = lambda self: print(gc.isenabled(), gc.get_freeze_count() > 10_000)
sys.exit(main())
"""


def test_garbage_is_collected_once_the_daemon_has_started(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    config, access = tmp_path / "fwknopd.conf", tmp_path / "access.conf"
    config.write_text(
        f"ENABLE_UDP_SERVER Y;\nUDPSERV_PORT {port};\nFWKNOP_RUN_DIR {tmp_path}/run;\n"
    )
    access.write_text("SOURCE ANY\nKEY a long passphrase\nHMAC_KEY another one\n")
    for file in (config, access):
        file.chmod(0o600)
    arguments = ["-f", "-c", str(config), "-a", str(access), "--firewall=log-only"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments, f"--control={tmp_path}/control"],
        env={"PYTHONPATH": str(DAEMON)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (0, "True True\n"), done.stderr
