"""The program fwknop-webui: serve the pages, or set the password."""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from fwknop_webui import defaults
from fwknop_webui.hidden import for_now, hidden, left_out, put_off, takes_turns, when_called
from fwknop_webui.listen_address import listen_address

if TYPE_CHECKING:
    from argparse import ArgumentParser

BEHIND = "127.0.0.1:0"
"""Behind the relay: any free port."""


class UsageError(Exception):
    """The command line is wrong; the text says what was expected."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. 0: ended well; 1: could not do it; 2: wrong command line."""
    # What reads the command line takes half a megabyte, which what comes then can have.
    with for_now("argparse"):
        options = parsed(arguments)
    try:
        return _set_password(options) if options.command == "passwd" else _serve(options)
    except UsageError as error:
        return _complain(str(error), 2)


def parsed(arguments: Sequence[str] | None) -> SimpleNamespace:
    """The options. Raises SystemExit with a message on stderr for a wrong command line."""
    return SimpleNamespace(**vars(_parser().parse_args(arguments)))


def _parser() -> ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser("fwknop-webui", description="The web page of fwknop-wrt.")
    parser.add_argument("--uci", type=Path, default=defaults.UCI, metavar="FILE")
    parser.add_argument("--control", type=Path, default=defaults.CONTROL, metavar="SOCKET")
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help=f"where to listen; else as option listen in FILE says, or at {defaults.LISTEN}",
    )
    parser.add_argument("--password-file", type=Path, default=defaults.PASSWORDS, metavar="F")
    parser.add_argument("--allowed-host", action="append", default=[], metavar="H")
    parser.add_argument(
        "--public-name",
        action="append",
        default=[],
        metavar="NAME",
        help="the machine's name on the internet: suggested beside QR codes, and allowed as host",
    )
    parser.add_argument("--classic", type=Path, default=defaults.CLASSIC, metavar="FOLDER")
    parser.add_argument(
        "--relay",
        type=Path,
        metavar="FOLDER",
        help="behind uhttpd: on a port told in FOLDER, until nobody uses the page any more",
    )
    parser.add_argument(
        "--rpcd",
        action="store_true",
        help="with --relay: log in and save with the router's own users and their rights",
    )
    parser.add_argument("--service", type=Path, default=defaults.SERVICE, metavar="SCRIPT")
    parser.add_argument("--start-command", default=defaults.START_COMMAND, metavar="COMMAND")
    parser.add_argument(
        "--confirm-seconds",
        type=float,
        default=defaults.CONFIRM_SECONDS,
        metavar="SECONDS",
        help="put the old configuration back when no browser confirms a new one in this time",
    )
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


def _serve(options: SimpleNamespace) -> int:
    if options.rpcd and options.relay is None:
        raise UsageError("--rpcd needs --relay: rpcd is asked through the server in front")
    if options.listen is not None:
        _address(options.listen)
    with ExitStack() as meanwhile:
        _spare(meanwhile, rpcd=options.rpcd)
        from fwknop_webui import serving
    asked = BEHIND if options.relay else options.listen
    # On the page itself most people would mend what was set there wrongly.
    places = [asked] if asked else [serving.configured_listen(options), defaults.LISTEN]
    found = _first_open(dict.fromkeys(places), serving.listen)
    if found is None:
        return 1
    listener, host = found
    try:
        serving.serve(listener, host, options)
    except OSError as error:
        return _complain(f"can't go on: {error.filename}: {error.strerror}.", 1)
    return 0


def _spare(meanwhile: ExitStack, *, rpcd: bool) -> None:
    """Keep out of memory what others' code would import, and we never use."""
    # TLS is the business of the server in front; without it we are a megabyte smaller. Of OpenSSL
    # only password files need something; without it that is three megabytes and a half.
    for name in ("ssl", "bz2", "lzma", *(("_hashlib",) if rpcd else ())):
        meanwhile.enter_context(hidden(name))
    # Werkzeug's own server, with all of HTTP it brings, and its test client are another one. So is
    # Flask's command line, with Click and what tells the versions of all packages installed.
    meanwhile.enter_context(left_out("werkzeug.serving", "run_simple", "is_running_from_reloader"))
    meanwhile.enter_context(left_out("werkzeug.test", "Client"))
    meanwhile.enter_context(left_out("flask.cli", "AppGroup"))
    meanwhile.enter_context(left_out("click"))
    # Half of one is what looks into Python's own objects. Documentation that nobody reads is not
    # looked at, and all else loads it.
    meanwhile.enter_context(
        put_off(
            "inspect",
            cleandoc=str,
            signature=str,
            iscoroutinefunction=takes_turns,
            getattr_static=when_called("inspect", "getattr_static"),
        )
    )


def _first_open(
    places: Iterable[str], listen: Callable[[str, int], socket.socket]
) -> tuple[socket.socket, str] | None:
    """A socket at the first place there can be one, and that place's host."""
    for place in places:
        host, port = _address(place)
        try:
            return listen(host, port), host
        except OSError as error:
            _complain(_why_not(place, error), 1)
    return None


def _why_not(listen: str, error: OSError) -> str:
    return (
        f"can't listen on {listen}: {error.strerror or error}. Another program may use this "
        f"port, or the address is not one of this machine: choose another with --listen HOST:PORT, "
        f"or by option listen in the section global."
    )


def _address(text: str) -> tuple[str, int]:
    try:
        return listen_address(text)
    except ValueError as error:
        expected = f"expected HOST:PORT such as {defaults.LISTEN}, not {text!r}"
        raise UsageError(f"--listen: {expected}") from error


def _set_password(options: SimpleNamespace) -> int:
    from fwknop_webui.auth import PasswordRefused, set_password

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
