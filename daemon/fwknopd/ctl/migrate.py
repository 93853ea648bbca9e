"""``fwknopctl migrate``: a configuration of the stock packages, made ready."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from fwknopd.config.migration import Migration, migrate
from fwknopd.config.problems import ConfigError, printable
from fwknopd.config.uci_changes import as_commands
from fwknopd.config.uci_model import is_name
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import print_json
from fwknopd.ctl.problems import config_error, file_error
from fwknopd.keys import encode_key_base64, generate_encryption_key, generate_hmac_key
from fwknopd.regular_file import FileError
from fwknopd.uci_store import UciStore


def migrate_file(options: Namespace) -> int:
    """The verb ``migrate``; says what it changed, or nothing when all was well."""
    try:
        done = _migrated(options)
    except ConfigError as error:
        raise config_error(error) from None
    except FileError as error:
        raise file_error(error) from None
    commands = as_commands(done.changes)
    if options.json:
        print_json({"changed": list(done.told), "commands": commands, "written": _writes(options)})
    else:
        for line in done.told if _writes(options) else commands:
            print(line)
    return 0


def _writes(options: Namespace) -> bool:
    return not options.dry_run


def _migrated(options: Namespace) -> Migration:
    store = UciStore(Path(options.uci))
    if not store.path.exists() and _writes(options):
        store.create()
    loaded = store.load()
    done = migrate(loaded.package, _fresh_keys, _network(options))
    if done.changes and _writes(options):
        # What somebody has yet to decide on is not ours to commit.
        store.commit(done.changes, loaded.etag, include_pending=False)
    return done


def _network(options: Namespace) -> str:
    name = str(options.network)
    if not is_name(name):
        raise CtlError(
            f"{printable(name)} can't be the name of a network",
            "Name one of /etc/config/network, for example wan",
        )
    return name


def _fresh_keys() -> tuple[str, str]:
    return encode_key_base64(generate_encryption_key()), encode_key_base64(generate_hmac_key())
