"""``fwknopctl import --csv``: many clients at once, with fresh keys where the table has none."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

from fwknopd.config.package_parts import Parts
from fwknopd.config.problems import ConfigError
from fwknopd.config.wanted import WantedClient
from fwknopd.config.wanted_csv import Row, clients_from_csv
from fwknopd.config.wanted_package import find
from fwknopd.config.wanted_table import Beside, wanted_of
from fwknopd.ctl.apply import load, make
from fwknopd.ctl.client import RELOAD
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import listed, print_note
from fwknopd.ctl.problems import config_error
from fwknopd.ctl.verb import DEFAULT_UCI
from fwknopd.uci_store import MAX_FILE_SIZE


def import_table(options: Namespace) -> int:
    """Without --apply nothing is written. Clients that are there need --force, and stay revoked."""
    try:
        rows = clients_from_csv(_text(options.csv), options.csv)
        loaded = load(options)
        parts = Parts(loaded.package)
        names = [row.client.name for row in rows]
        sections = [find(parts.part(name), name, options.uci) for name in names]
        found = [Beside(row, section) for row, section in zip(rows, sections, strict=True)]
    except ConfigError as error:
        raise config_error(error) from None
    if not options.force:
        _refuse_known([item.row.client.name for item in found if item.section is not None])
    wanted = wanted_of(found)
    _note_halves(rows, wanted.clients, options.uci)
    options.check = not options.apply
    return make(wanted, options, loaded, RELOAD)


def _text(file: str) -> str:
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MAX_FILE_SIZE + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(MAX_FILE_SIZE + 1)
        if len(raw) > MAX_FILE_SIZE:
            raise CtlError(f"{file} has more than {MAX_FILE_SIZE} bytes", "Split it")
        return raw.decode("utf-8", "surrogateescape")
    except OSError as error:
        raise CtlError(f"{file} can't be read: {error.strerror}", "Name a file of CSV") from None


def _refuse_known(names: list[str]) -> None:
    """Raises CtlError when there are any."""
    if names:
        raise CtlError(
            f"there are clients of these names already: {listed(names)}",
            "Take them out of the table; or, to change what its columns say of them, add --force",
            "exists",
        )


def _note_halves(rows: Iterable[Row], clients: Iterable[WantedClient], uci: str) -> None:
    pairs = zip(rows, clients, strict=True)
    halves = sum(1 for row, client in pairs if 0 < len(row.client.keys) < len(client.keys))
    if halves:
        place = "" if uci == DEFAULT_UCI else f"{shlex.quote(f'--uci={uci}')} "
        print_note(
            f"{halves} of the clients had one key in the table, and get the other one fresh; "
            f"fwknopctl qr {place}--client NAME shows both"
        )
