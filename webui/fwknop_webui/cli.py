"""The program fwknop-webui: serve the pages, or set the password."""

from __future__ import annotations

import argparse
import getpass
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

import waitress

from fwknop_webui.app import MAX_REQUEST_BYTES, create_app
from fwknop_webui.auth import PasswordRefused, set_password
from fwknop_webui.hosts import host_name
from fwknop_webui.services import DEFAULT_START, WebConfig

DEFAULT_UCI = Path("/etc/config/fwknopd")
DEFAULT_CONTROL = Path("/var/run/fwknop/control.sock")
DEFAULT_PASSWORDS = Path("/etc/fwknop/webui.passwd")
DEFAULT_LISTEN = "127.0.0.1:8080"
THREADS = 2
"""One may wait for a slow password check or a hanging daemon; each costs a MiB of memory."""


class UsageError(Exception):
    """The command line is wrong; the text says what was expected."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. 0: ended well; 1: could not do it; 2: wrong command line."""
    options = _parser().parse_args(arguments)
    try:
        return _set_password(options) if options.command == "passwd" else _serve(options)
    except UsageError as error:
        return _complain(str(error), 2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fwknop-webui", description="The web page of fwknop-wrt.")
    parser.add_argument("--uci", type=Path, default=DEFAULT_UCI, metavar="FILE")
    parser.add_argument("--control", type=Path, default=DEFAULT_CONTROL, metavar="SOCKET")
    parser.add_argument("--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT")
    parser.add_argument("--password-file", type=Path, default=DEFAULT_PASSWORDS, metavar="F")
    parser.add_argument("--allowed-host", action="append", default=[], metavar="H")
    parser.add_argument("--start-command", default=DEFAULT_START, metavar="COMMAND")
    commands = parser.add_subparsers(dest="command", metavar="passwd")
    passwd = commands.add_parser("passwd", help="set the password (read from stdin or asked for)")
    # Without a default of its own, the option counts before the word passwd as well as after it.
    passwd.add_argument(
        "--password-file",
        "--file",
        dest="password_file",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="F",
    )
    passwd.add_argument("--user", default="root")
    return parser


def _serve(options: argparse.Namespace) -> int:
    host, port = _address(options.listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        return _complain(_why_not(options.listen, error), 1)
    # Ctrl-C is how a person ends it, and no fault.
    with listener, suppress(KeyboardInterrupt):
        _run(listener, _config(options, host))
    return 0


def _config(options: argparse.Namespace, host: str) -> WebConfig:
    names = [host_name(name) or name for name in (*options.allowed_host, host)]
    return WebConfig(
        uci=options.uci,
        control=options.control,
        password_file=options.password_file,
        allowed_hosts=tuple(names),
        start_command=options.start_command,
    )


def _run(listener: socket.socket, config: WebConfig) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    server = waitress.create_server(
        create_app(config),
        sockets=[listener],
        threads=THREADS,
        ident=None,
        max_request_body_size=MAX_REQUEST_BYTES,
    )
    signal.signal(signal.SIGTERM, _stop)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"fwknop-webui: http://{shown}:{port}", file=sys.stderr, flush=True)
    server.run()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    # waitress ends its loop cleanly on this exception.
    raise SystemExit(0)


def _why_not(listen: str, error: OSError) -> str:
    return (
        f"can't listen on {listen}: {error.strerror or error}. Another program may use this "
        f"port, or the address is not one of this machine: choose another with --listen HOST:PORT."
    )


def _address(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (separator and host and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise UsageError(f"--listen: expected HOST:PORT such as {DEFAULT_LISTEN}, not {text!r}")
    return host, int(port)


def _set_password(options: argparse.Namespace) -> int:
    password = _read_password()
    if password is None:
        return _complain("the two passwords differ; nothing was changed.", 1)
    try:
        set_password(options.password_file, password, options.user)
    except PasswordRefused as error:
        return _complain(f"{error}; nothing was changed.", 1)
    except OSError as error:
        return _complain(f"can't write {options.password_file}: {error.strerror}.", 1)
    print(f"Password of {options.user} set in {options.password_file}.")
    return 0


def _read_password() -> str | None:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("New password: ")
    return password if getpass.getpass("Again: ") == password else None


def _complain(text: str, status: int) -> int:
    print(f"fwknop-webui: {text}", file=sys.stderr)
    return status
