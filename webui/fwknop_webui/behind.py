"""Serving the relay alone, until nobody uses the page any more."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from types import FrameType

from flask import Flask

from fwknop_webui import serving
from fwknop_webui.relay import PREFIX, Door, Relayed, Use
from fwknop_webui.services import EXTENSION, Services
from fwknop_webui.sessions import UNVISITED_SECONDS

IDLE_SECONDS = UNVISITED_SECONDS
"""So long after the last request the memory is given back."""

LOOK_SECONDS = 15.0
"""How often it is looked whether the page is still used."""


def run_behind(folder: Path, listener: socket.socket, app: Flask) -> None:
    """Serve until the page is out of use. The way in is told in ``folder``. Raises OSError."""
    parts: Services = app.extensions[EXTENSION]
    door, use = Door(folder / "door"), Use()

    def look(_signal: int, _frame: FrameType | None) -> None:
        # Unsaved changes are nowhere else. They go with their session, and so does the login
        # itself: an hour after its last use, or as long after it as session_idle says.
        # What waits for a confirmation has to be taken back in time.
        needed = parts.sessions.is_needed() or parts.rollback.is_watching
        if use.is_over(IDLE_SECONDS) and not needed:
            raise SystemExit(0)

    app.wsgi_app = Relayed(app.wsgi_app, door.secret, use)  # type: ignore[method-assign]
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)
    try:
        door.open(listener.getsockname()[1])
        serving.run(listener, app, url_prefix=PREFIX)
    finally:
        # While Python ends, the signal would kill it.
        signal.setitimer(signal.ITIMER_REAL, 0)
        door.close()
