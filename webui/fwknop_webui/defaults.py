"""Where things are on a router, unless the command line says otherwise."""

from __future__ import annotations

from pathlib import Path

UCI = Path("/etc/config/fwknopd")
CONTROL = Path("/var/run/fwknop/control.sock")
PASSWORDS = Path("/etc/fwknop/webui.passwd")
CLASSIC = Path("/etc/fwknop")
SERVICE = Path("/etc/init.d/fwknopd")
START_COMMAND = f"{SERVICE} start"

LISTEN = "127.0.0.1:8080"

CONFIRM_SECONDS = 90.0
"""How long applied changes wait for the browser to confirm that it still reaches the page."""
LUCI = Path("/www/cgi-bin/luci")
