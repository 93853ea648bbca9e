"""The running web page: a port, and the application behind it."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType, SimpleNamespace

from flask import Flask

from fwknop_webui import defaults
from fwknop_webui.app import MAX_REQUEST_BYTES, create_app
from fwknop_webui.hosts import host_name
from fwknop_webui.http_server import make_server
from fwknop_webui.services import WebConfig
from fwknop_webui.web_settings import web_settings
from fwknopd import core_dumps
from fwknopd.config.problems import ConfigError
from fwknopd.uci_store import StoreError, UciStore

ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - to compare with


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except UnicodeError as error:  # a part of the name is too long
        raise OSError(errno.EINVAL, "this can be no name of a host") from error


def configured_listen(options: SimpleNamespace) -> str:
    """Where to listen by the configuration. One that can't be read says nothing."""
    try:
        package = UciStore(options.uci).load().package
    except (StoreError, ConfigError):
        return defaults.LISTEN
    return web_settings(package).listen or defaults.LISTEN


def serve(listener: socket.socket, host: str, options: SimpleNamespace) -> None:
    """Serve until somebody ends it. ``host`` is the name the page may be asked for by.

    Raises OSError when the relay can't be told where to come in.
    """
    core_dumps.forbid()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    app = create_app(_config(options, host))
    signal.signal(signal.SIGTERM, _stop)
    # Ctrl-C is how a person ends it, and no fault.
    with listener, suppress(KeyboardInterrupt):
        if options.relay is None:
            run(listener, app)
        else:
            # Memory is short: only who needs it loads it.
            from fwknop_webui.behind import run_behind

            run_behind(options.relay, listener, app)


def _config(options: SimpleNamespace, host: str) -> WebConfig:
    wanted = (*options.allowed_host, *options.public_name, host)
    names = [host_name(name) or name for name in wanted]
    return WebConfig(
        uci=options.uci,
        control=options.control,
        password_file=options.password_file,
        allowed_hosts=tuple(names),
        public_names=tuple(options.public_name),
        start_command=options.start_command,
        classic=options.classic,
        confirm_seconds=options.confirm_seconds,
        rpcd=options.rpcd,
        service=options.service,
        # Nobody types 0.0.0.0, but the address of a network it stands for.
        any_address=options.relay is not None or host in ANYWHERE,
        is_behind=options.relay is not None,
        # In memory: it outlives this process, and no wrong password wears out flash.
        login_state=options.relay / "logins" if options.relay else None,
    )


def run(listener: socket.socket, app: Flask, **more: str) -> None:
    """Serve ``app``; ``more`` are settings of waitress's."""
    server = make_server(listener, app, max_request_body_size=MAX_REQUEST_BYTES, **more)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"fwknop-webui: http://{shown}:{port}", file=sys.stderr, flush=True)
    server.run()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    # waitress ends its loop cleanly on this exception.
    raise SystemExit(0)
