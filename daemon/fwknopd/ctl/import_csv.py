"""``fwknopctl import --csv``: many clients at once, with fresh keys where the table has none."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fwknopd.config.package_parts import Parts
from fwknopd.config.problems import ConfigError
from fwknopd.config.stanza_keys import ENCRYPTION_NAMES, HMAC_NAMES, KEY_NAMES
from fwknopd.config.uci_model import UciSection, UciValue
from fwknopd.config.variables import is_secret
from fwknopd.config.wanted import Wanted, WantedClient
from fwknopd.config.wanted_csv import Row, clients_from_csv
from fwknopd.config.wanted_package import find
from fwknopd.ctl.apply import load, make
from fwknopd.ctl.client import RELOAD, fresh_keys
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import print_note
from fwknopd.ctl.problems import config_error
from fwknopd.spa.digest import DigestType
from fwknopd.uci_store import MAX_FILE_SIZE

Found = tuple[Row, UciSection | None]
GPG_KEY = "GPG_DECRYPT_ID"
STATE = ("name", "enabled")
FEW = 5
"""Names that are told when many are meant."""


def import_table(options: Namespace) -> int:
    """Without --apply nothing is written. Clients that are there need --force, and stay revoked."""
    try:
        rows = clients_from_csv(_text(options.csv), options.csv)
        loaded = load(options)
        parts = Parts(loaded.package)
        names = [row.client.name for row in rows]
        sections = [find(parts.part(name), name, options.uci) for name in names]
        found = list(zip(rows, sections, strict=True))
    except ConfigError as error:
        raise config_error(error) from None
    if not options.force:
        _refuse_known([row.client.name for row, section in found if section is not None])
    clients = tuple(_completed(row, section) for row, section in found)
    _note_halves(rows, clients)
    options.check = not options.apply
    return make(Wanted(clients=clients), options, loaded, RELOAD)


def _text(file: str) -> str:
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MAX_FILE_SIZE + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(MAX_FILE_SIZE + 1)
        if len(raw) > MAX_FILE_SIZE:
            raise CtlError(f"{file} has more than {MAX_FILE_SIZE} bytes", "Split it")
        return raw.decode("utf-8")
    except OSError as error:
        raise CtlError(f"{file} can't be read: {error.strerror}", "Name a file of CSV") from None
    except UnicodeDecodeError:
        raise CtlError(f"{file} is not UTF-8", "Save it as CSV in UTF-8") from None


def _refuse_known(names: list[str]) -> None:
    """Raises CtlError when there are any."""
    if names:
        more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
        raise CtlError(
            f"there are clients of these names already: {', '.join(names[:FEW])}{more}",
            "Take them out of the table; or, to change what its columns say of them, add --force",
            "exists",
        )


def _completed(row: Row, section: UciSection | None) -> WantedClient:
    """With the options the table has no column for, and fresh keys where there are none."""
    client = row.client
    emptied = {"note": ""} if "note" in row.columns else {}
    options = {**_untold(section, row.columns), **emptied, **(client.options or {})}
    keys = {**_fresh_keys(client, section), **client.keys}
    return replace(client, options=options, keys=keys)


def _untold(section: UciSection | None, columns: frozenset[str]) -> dict[str, UciValue]:
    """Options of which the table says nothing, not even by an empty cell."""
    return {
        option.name: option.value
        for option in (section.options if section else ())
        if not (option.name in columns or option.name in STATE or is_secret(option.name))
    }


def _fresh_keys(client: WantedClient, section: UciSection | None) -> dict[str, str]:
    """A key of each kind that is missing. Who can knock as he is keeps what he has."""
    if section is not None and any(map(section.get, (*KEY_NAMES, GPG_KEY))):
        return {}
    rules = client.options or {}
    kinds = (HMAC_NAMES,) if GPG_KEY in rules else (ENCRYPTION_NAMES, HMAC_NAMES)
    missing = [names[0] for names in kinds if not client.keys.keys() & set(names)]
    kind = str(rules.get("HMAC_DIGEST_TYPE", "")).lower()
    # A type that nobody knows is refused with everything else that the daemon would refuse.
    return fresh_keys(missing, kind if kind in set(DigestType) else "")


def _note_halves(rows: Iterable[Row], clients: Iterable[WantedClient]) -> None:
    pairs = zip(rows, clients, strict=True)
    halves = sum(1 for row, client in pairs if 0 < len(row.client.keys) < len(client.keys))
    if halves:
        print_note(
            f"{halves} of the clients had one key in the table, and get the other one fresh; "
            "fwknopctl qr --client NAME shows both"
        )
