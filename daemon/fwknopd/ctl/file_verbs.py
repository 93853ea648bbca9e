"""The command lines of verbs that read or write configuration files."""

from __future__ import annotations

from argparse import ArgumentParser

from fwknopd.ctl.spans import span
from fwknopd.ctl.verb import DEFAULT_CONFIG, DEFAULT_UCI, Verbs, add_verb


def conversion_verbs(verbs: Verbs) -> None:
    """Verbs that turn one form of the configuration into another."""
    _import_verb(verbs)
    _migrate_verb(verbs)
    _export_verb(verbs)


def _import_verb(verbs: Verbs) -> None:
    taken = add_verb(
        verbs,
        "import",
        "Turn fwknopd.conf and access.conf into UCI; shows the difference, writes with --apply",
        "import_:import_files",
    )
    taken.add_argument("-c", "--config-file", metavar="FILE", help=f"({DEFAULT_CONFIG})")
    taken.add_argument("-a", "--access-file", metavar="FILE", help="(what fwknopd.conf names)")
    taken.add_argument("--access-folder", metavar="DIR", help="a folder of access files instead")
    taken.add_argument(
        "-O",
        "--override-config",
        metavar="FILE",
        action="append",
        default=[],
        help="read this after fwknopd.conf; may be given again",
    )
    taken.add_argument("--uci", metavar="FILE", default=DEFAULT_UCI, help=f"({DEFAULT_UCI})")
    taken.add_argument(
        "--netjson",
        metavar="FILE",
        help="take a NetJSON document of OpenWISP instead, which is the whole configuration",
    )
    taken.add_argument(
        "--variables", metavar="FILE", help="what that document's variables are, as JSON"
    )
    taken.add_argument(
        "--csv",
        metavar="FILE",
        help="add the clients of a table instead ('-': from standard input); its first row names "
        "options, and name; with --force also change clients that are there, as its columns say",
    )
    taken.add_argument("--apply", action="store_true", help="write the UCI file")
    taken.add_argument("--force", action="store_true", help="replace what the UCI file says now")


def _migrate_verb(verbs: Verbs) -> None:
    ready = add_verb(
        verbs,
        "migrate",
        "Make a UCI configuration of the stock packages, or a fresh one, ready for use",
        "migrate:migrate_file",
    )
    ready.epilog = (
        "Keys that are keys stay as they are. Running it again changes nothing. The packages do "
        "it when they are installed."
    )
    ready.add_argument("--uci", metavar="FILE", default=DEFAULT_UCI, help=f"({DEFAULT_UCI})")
    ready.add_argument("--dry-run", action="store_true", help="only show what would change")
    ready.add_argument(
        "--network",
        metavar="NAME",
        default="wan",
        help="the network to watch where nothing says which (wan)",
    )


def _export_verb(verbs: Verbs) -> None:
    given = add_verb(
        verbs,
        "export",
        "Turn UCI into fwknopd.conf and access.conf; shows the difference, writes with --output",
        "export:export_files",
    )
    given.add_argument("--uci", metavar="FILE", default=DEFAULT_UCI, help=f"({DEFAULT_UCI})")
    given.add_argument(
        "--interface", metavar="DEVICE", default="", help="the device of the network UCI names"
    )
    given.add_argument(
        "--netjson",
        action="store_true",
        help="turn it into one NetJSON document for OpenWISP instead; shows it with masked keys",
    )
    given.add_argument(
        "--output",
        metavar="DIR",
        help="write both files into this folder, or the document to a file of this name ('-': "
        "to standard output, with its keys)",
    )
    given.add_argument("--force", action="store_true", help="replace files that exist")


def client_verbs(verbs: Verbs) -> None:
    """Verbs that change clients and settings in UCI, for people and for tools of fleets."""
    wanted = add_verb(
        verbs,
        "apply",
        "Make UCI what a JSON document on standard input says; changes nothing if it is so",
        "apply:apply_wanted",
    )
    wanted.epilog = "package/ansible/ describes the document, and has a role that uses it."
    _changing(wanted)
    client = add_verb(
        verbs, "client", "Add, rotate, revoke or delete a client", "client:list_clients"
    )
    actions = client.add_subparsers(title="actions", metavar="ACTION", required=True)
    listed = add_verb(actions, "list", "List the clients", "client:list_clients")
    listed.add_argument("--uci", metavar="FILE", default=DEFAULT_UCI, help=f"({DEFAULT_UCI})")
    added = _action(actions, "add", "Add a client, with fresh keys", "client:add")
    added.add_argument(
        "--set",
        metavar="OPTION=VALUE",
        action="append",
        default=[],
        help="a rule, such as OPEN_PORTS=tcp/22; may be given again",
    )
    _key_option(added)
    rotated = add_verb(actions, "rotate", "Give a client fresh keys", "client:rotate")
    rotated.add_argument("name", metavar="NAME", nargs="?", default="", help="of the client")
    rotated.add_argument("--all", action="store_true", help="every client that may knock")
    _changing(rotated)
    rotated.add_argument(
        "--overlap",
        metavar="HOURS",
        type=int,
        default=24,
        help="how long the old keys go on working; 0: not at all (24)",
    )
    rotated.add_argument(
        "--until-used", action="store_true", help="and not after the first knock with the new ones"
    )
    _key_option(rotated)
    ending = add_verb(
        verbs, "expiring", "List whose access or old keys end soon", "expiring:show_expiring"
    )
    ending.add_argument(
        "--within",
        metavar="SPAN",
        type=span,
        default=span("30d"),
        help="such as 30d, 12h, 4w (30d)",
    )
    ending.add_argument(
        "--uci",
        metavar="FILE",
        help="look into this file, and not at what the daemon uses or would use",
    )
    _action(actions, "revoke", "Refuse a client from now on, by name", "client:revoke")
    _action(actions, "restore", "Let a revoked client in again", "client:restore")
    _action(actions, "delete", "Delete a client, its keys and its old keys", "client:delete")


def _action(actions: Verbs, name: str, help: str, place: str) -> ArgumentParser:
    parser = add_verb(actions, name, help, place)
    parser.add_argument("name", metavar="NAME", help="of the client")
    _changing(parser)
    return parser


def _changing(parser: ArgumentParser) -> None:
    parser.add_argument("--uci", metavar="FILE", default=DEFAULT_UCI, help=f"({DEFAULT_UCI})")
    parser.add_argument("--check", action="store_true", help="show what would change, no more")


def _key_option(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--stdin", action="store_true", help="read the keys from standard input, as keygen prints"
    )
