"""What all verbs of the command line have in common, and what runs them.

What runs is imported when it is asked for: showing the doors must not load cryptography.
"""

from __future__ import annotations

import os
from argparse import SUPPRESS, ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable
from importlib import import_module
from typing import TypeAlias

DEFAULT_CONTROL = "/var/run/fwknop/control.sock"
DEFAULT_UCI = "/etc/config/fwknopd"
DEFAULT_CONFIG = "/etc/fwknop/fwknopd.conf"

Verbs: TypeAlias = "_SubParsersAction[ArgumentParser]"
Run = Callable[[Namespace], int]


def add_common(parser: ArgumentParser, *, for_verb: bool) -> None:
    """Options that may stand before the verb and after it; the later one counts."""
    parser.add_argument(
        "--control",
        metavar="SOCKET",
        default=SUPPRESS if for_verb else os.environ.get("FWKNOP_CONTROL") or DEFAULT_CONTROL,
        help=f"the daemon's control socket (default: {DEFAULT_CONTROL})",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        default=SUPPRESS if for_verb else False,
        help="print JSON, errors too",
    )


def add_verb(verbs: Verbs, name: str, help: str, place: str) -> ArgumentParser:
    """A verb run by the function at ``place``, written module:function."""
    parser = verbs.add_parser(name, help=help, description=f"{help}.")
    add_common(parser, for_verb=True)
    parser.set_defaults(run=_lazily(place))
    return parser


def _lazily(place: str) -> Run:
    module, _, function = place.partition(":")

    def run(options: Namespace) -> int:
        found: Run = getattr(import_module(f"fwknopd.ctl.{module}"), function)
        return found(options)

    return run
