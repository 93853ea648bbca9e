"""``fwknopctl import --csv``: many clients at once, with fresh keys where the table has none."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from fwknopd.config.problems import ConfigError
from fwknopd.config.stanza_keys import KEY_NAMES
from fwknopd.config.uci_model import UciPackage
from fwknopd.config.values import says_off
from fwknopd.config.wanted import State, wanted_from_json
from fwknopd.config.wanted_csv import clients_from_csv
from fwknopd.config.wanted_package import find
from fwknopd.ctl.apply import load, make
from fwknopd.ctl.client import RELOAD, fresh_keys
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.problems import config_error
from fwknopd.uci_store import MAX_FILE_SIZE

FEW = 5
"""Names that are told when many are meant."""


def import_table(options: Namespace) -> int:
    """Without --apply nothing is written. Clients that are there need --force."""
    try:
        clients = clients_from_csv(_text(options.csv), options.csv)
        loaded = load(options)
        _complete(clients, loaded.package, options)
        documents = ({"clients": clients}, {"clients": _revoked(clients, loaded.package, options)})
        steps = [wanted_from_json(json.dumps(item), options.csv) for item in documents]
    except ConfigError as error:
        raise config_error(error) from None
    options.check = not options.apply
    return make(steps, options, loaded, RELOAD)


def _revoked(
    clients: list[dict[str, Any]], package: UciPackage, options: Namespace
) -> list[dict[str, Any]]:
    """Other rules let nobody in again: who is revoked stays so."""
    sections = ((item["name"], find(package, item["name"], options.uci)) for item in clients)
    return [
        {"name": name, "state": State.REVOKED}
        for name, section in sections
        if section is not None and says_off(section.get("enabled"))
    ]


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


def _complete(clients: list[dict[str, Any]], package: UciPackage, options: Namespace) -> None:
    """Give keys to who has none, and refuse to change who is there. Raises CtlError."""
    there = []
    for client in clients:
        section = find(package, client["name"], options.uci)
        if section is not None:
            there.append(client["name"])
        if not client["keys"] and not any(section and section.get(name) for name in KEY_NAMES):
            kind = client["options"].get("HMAC_DIGEST_TYPE", "")
            client["keys"] = fresh_keys(KEY_NAMES, kind)
    if there and not options.force:
        more = f" and {len(there) - FEW} more" if len(there) > FEW else ""
        raise CtlError(
            f"there are clients of these names already: {', '.join(there[:FEW])}{more}",
            "Take them out of the table; or, to change their rules to its, add --force",
            "exists",
        )
