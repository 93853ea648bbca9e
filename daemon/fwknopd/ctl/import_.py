"""``fwknopctl import``: from fwknopd.conf and access.conf to UCI."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from fwknopd.classic_files import FileReader, classic_texts
from fwknopd.config.classic_to_uci import SECTION_TYPES, Imported, uci_from_classic
from fwknopd.config.convert import masked_uci, uci_secrets
from fwknopd.config.fwknopd_conf import DEFAULT_INTERFACE
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_changes import apply
from fwknopd.config.uci_model import UciPackage
from fwknopd.configuration import OPENWRT
from fwknopd.ctl.conversion import difference, show
from fwknopd.ctl.errors import CtlError, UsageError
from fwknopd.ctl.netjson import import_document
from fwknopd.ctl.problems import config_error, file_error
from fwknopd.ctl.verb import DEFAULT_CONFIG
from fwknopd.regular_file import FileError
from fwknopd.uci_store import Loaded, UciStore

_SOURCES = (
    ("--csv", ("csv",)),
    ("--netjson", ("netjson", "variables")),
    ("classic files", ("config_file", "access_file", "access_folder", "override_config")),
)
"""What an import may come from, and the options that belong to it."""


def import_files(options: Namespace) -> int:
    """The verb ``import``. Without --apply nothing is written."""
    _refuse_two_sources(options)
    if options.csv:
        from fwknopd.ctl.import_csv import import_table

        return import_table(options)
    try:
        return import_document(options) if options.netjson else _import(options)
    except ConfigError as error:
        raise config_error(error) from None
    except FileError as error:
        raise file_error(error) from None


def _refuse_two_sources(options: Namespace) -> None:
    """One of them would be ignored without a word. Raises UsageError."""
    given = [(source, _flags(options, names)) for source, names in _SOURCES]
    given = [(source, flags) for source, flags in given if flags]
    if len(given) > 1:
        (_first, taken), (_second, left) = given[:2]
        raise UsageError(
            f"{left[0]} says nothing beside {taken[0]}: an import comes from one place",
            "Leave one of them out, or import from each by itself",
        )
    if options.variables and not options.netjson:
        raise UsageError(
            "--variables belongs to a NetJSON document", "Name that, too: --netjson FILE"
        )


def _flags(options: Namespace, names: tuple[str, ...]) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name in names if getattr(options, name)]


def _import(options: Namespace) -> int:
    imported = _imported(options)
    store = UciStore(Path(options.uci))
    loaded = store.load() if store.path.exists() else None
    old = loaded.package if loaded else UciPackage()
    new = apply(old, imported.changes(old))
    changes = difference(
        masked_uci(old), masked_uci(new, uci_secrets(old.sections)), str(store.path)
    )
    if options.apply:
        _write(store, loaded, imported, force=options.force)
        summary = f"{store.path} is written. To use it now: fwknopctl reload"
    else:
        summary = "Nothing is written. To write it: --apply"
    show(
        changes,
        imported.losses,
        imported.original.problems,
        summary,
        written=options.apply,
        as_json=options.json,
    )
    return 0


def _imported(options: Namespace) -> Imported:
    reader = FileReader()
    server, access = classic_texts(
        reader,
        Path(options.config_file or DEFAULT_CONFIG),
        Path(options.access_file) if options.access_file else None,
        overrides=[Path(file) for file in options.override_config],
        access_folder=Path(options.access_folder) if options.access_folder else None,
    )
    # There the service captures on wan unless they say otherwise, and so does UCI.
    device = "" if OPENWRT.exists() else DEFAULT_INTERFACE
    return uci_from_classic(server, access, reader, device)


def _write(store: UciStore, loaded: Loaded | None, imported: Imported, *, force: bool) -> None:
    """Replace the sections. Raises CtlError and FileError; then nothing was written."""
    if not imported.usable:
        raise CtlError(
            "the result would not mean the same as the files",
            "See it without --apply, and please report it",
        )
    if loaded is None:
        store.create()
        loaded = store.load()
    if not force and any(section.type in SECTION_TYPES for section in loaded.package.sections):
        raise CtlError(
            f"{store.path} holds a configuration already",
            "See the difference without --apply; to replace it, add --force",
            "exists",
        )
    store.commit(imported.changes(loaded.package), loaded.etag, include_pending=force)
