"""The command line of fwknopctl: one function per group of verbs, each naming what runs it.

What runs is imported when it is asked for: showing the doors must not load cryptography.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from fwknopd.ctl.file_verbs import client_verbs, conversion_verbs
from fwknopd.ctl.verb import DEFAULT_UCI, Verbs, add_common, add_verb


def parse(arguments: Sequence[str]) -> Namespace:
    """The parsed command line; ``run`` is what to call with it. Exits with 2 when it is wrong."""
    return _parser().parse_args(arguments)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="fwknopctl",
        description="Look after a running fwknopd, make keys, and knock.",
        epilog="The socket may also be named in the environment variable FWKNOP_CONTROL.",
    )
    add_common(parser, for_verb=False)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _status_verbs(verbs)
    _event_verb(verbs)
    _metrics_verb(verbs)
    _revoke_verb(verbs)
    _explain_verb(verbs)
    _knock_verb(verbs)
    _key_verbs(verbs)
    conversion_verbs(verbs)
    client_verbs(verbs)
    _rpc_verb(verbs)
    return parser


def _status_verbs(verbs: Verbs) -> None:
    status = add_verb(verbs, "status", "Show how the daemon is", "status:show_status")
    status.epilog = (
        "Exit status: 0 it is ready for knocks; 3 no daemon runs; 4 one runs, but no knock would "
        "open anything now (nothing configured, no capture, a firewall that is not ready, a clock "
        "not to be believed yet, --test); 1 it could not be asked."
    )
    add_verb(verbs, "grants", "List the open doors", "doors:show_grants")
    exposed = add_verb(
        verbs,
        "exposed",
        "Tell at which ports of clients anybody gets in without a knock",
        "exposed:show_exposed",
    )
    exposed.add_argument(
        "--ports", metavar="LIST", help="look at these ports instead, such as tcp/22,udp/53"
    )
    exposed.epilog = (
        "Judged by all firewall rules but fwknopd's own. Exit status: 0 at none, or it can't be "
        "told, which is said; 5 at some; 1 the daemon could not be asked."
    )
    add_verb(verbs, "reload", "Make the daemon read its configuration anew", "doors:reload")
    add_verb(
        verbs, "version", "Show the versions of this program and the daemon", "status:show_version"
    )


def _event_verb(verbs: Verbs) -> None:
    parser = add_verb(verbs, "events", "Show what happened", "events:show_events")
    parser.add_argument("--follow", "-f", action="store_true", help="go on as things happen")
    parser.add_argument(
        "--limit", "-n", type=int, default=50, metavar="N", help="at most N past events (50)"
    )
    parser.add_argument(
        "--after", type=int, default=0, metavar="ID", help="only events with a higher id"
    )


def _metrics_verb(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "metrics", "Print the daemon in numbers, as OpenMetrics text", "metrics:show_metrics"
    )
    parser.add_argument(
        "--by-client", action="store_true", help="count by client too, which names them"
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="in Prometheus's older form, as its node_exporter wants the files it reads",
    )
    parser.add_argument(
        "--new-token",
        action="store_true",
        help="make a token to read them over the network, and what to configure for it",
    )


def _revoke_verb(verbs: Verbs) -> None:
    parser = add_verb(verbs, "revoke", "Close open doors now", "doors:revoke")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="the door with this id (see grants)")
    which.add_argument("--client", metavar="NAME", help="all doors of this client")
    which.add_argument("--address", metavar="ADDRESS", help="all doors for this address")
    which.add_argument("--all", action="store_true", help="all doors")
    parser.add_argument(
        "--cut",
        action="store_true",
        help="cut connections too, also those of doors that have closed since",
    )


def _explain_verb(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "explain",
        "Tell step by step what becomes of a packet, and why; nothing happens",
        "explain:explain_packet",
    )
    parser.epilog = (
        "Without --uci, -c and -a the running daemon is asked, who also knows used packets."
    )
    parser.add_argument(
        "file",
        nargs="?",
        default="-",
        help="the packet as text, as hexadecimal digits, or a capture file (default: stdin)",
    )
    parser.add_argument("--source", metavar="ADDRESS", help="where it comes from")
    parser.add_argument("--destination", metavar="ADDRESS", help="where it is sent to")
    parser.add_argument(
        "--all", action="store_true", help="every packet of a capture, every client's steps"
    )
    _file_options(parser, "judge by")


def _file_options(parser: ArgumentParser, what: str) -> None:
    files = parser.add_argument_group("files instead of the running daemon")
    files.add_argument("--uci", metavar="FILE", help=f"{what} this UCI file")
    files.add_argument(
        "-c", "--config-file", metavar="FILE", help=f"{what} this fwknopd.conf (and access.conf)"
    )
    files.add_argument("-a", "--access-file", metavar="FILE", help=f"{what} this access.conf")


def _knock_verb(verbs: Verbs) -> None:
    parser = add_verb(verbs, "knock", "Send a knock", "knock:send_knock")
    parser.epilog = (
        "Without --rc, --stanza and --client the keys are asked for, or read from stdin."
    )
    ask = parser.add_argument_group("what to ask for")
    ask.add_argument("--server", metavar="NAME", help="name or address of the server")
    ask.add_argument("--port", metavar="PORT", help="its SPA port (62201)")
    ask.add_argument("--access", metavar="LIST", help="for example tcp/22,udp/51820")
    ask.add_argument(
        "--allow-ip",
        metavar="ADDRESS",
        help="let in this IPv4 address, or 'source': where the knock comes from",
    )
    ask.add_argument("--timeout", metavar="SECONDS", help="for so long (the server may say less)")
    ask.add_argument("--nat", metavar="HOST:PORT", help="forward to this host behind the server")
    ask.add_argument("--user", metavar="NAME", help="user name in the packet")
    ask.add_argument("-4", dest="ipv4", action="store_true", help="send over IPv4 only")
    ask.add_argument("-6", dest="ipv6", action="store_true", help="send over IPv6 only")
    ask.add_argument("--print", action="store_true", help="print the packet, send nothing")
    keys = parser.add_argument_group("where the keys are")
    keys.add_argument("--rc", metavar="FILE", help="a file in .fwknoprc form (~/.fwknoprc)")
    keys.add_argument("--stanza", metavar="NAME", help="a stanza of that file")
    keys.add_argument("--uci", metavar="FILE", help=f"({DEFAULT_UCI})")
    keys.add_argument("--client", metavar="NAME", help="a client in UCI, by name or #number")


def _key_verbs(verbs: Verbs) -> None:
    keygen = add_verb(verbs, "keygen", "Make a new pair of keys", "keygen:show_keys")
    keygen.add_argument(
        "--hmac-digest-type",
        default="sha256",
        metavar="TYPE",
        help="length of the HMAC key fits this type (sha256)",
    )
    qr = add_verb(verbs, "qr", "Show a client's keys as a QR code", "keygen:show_qr")
    qr.add_argument("--client", metavar="NAME", required=True, help="by name or #number")
    qr.add_argument("--uci", metavar="FILE", help=f"({DEFAULT_UCI})")
    qr.add_argument("--svg", metavar="FILE", help="write a picture only you can read")


def _rpc_verb(verbs: Verbs) -> None:
    called = add_verb(
        verbs,
        "rpc",
        "Answer a call of the ubus object fwknopd; its arguments come as JSON on standard input",
        "rpc:answer_call",
    )
    called.epilog = "On OpenWrt rpcd runs it: ubus call fwknopd status"
    called.add_argument("method", metavar="METHOD", help="status, grants, events, revoke, reload")
