"""``fwknopctl export --netjson`` and ``import --netjson``: the UCI file as OpenWISP keeps it."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from fwknopd.config.convert import masked_uci, uci_secrets
from fwknopd.config.netjson_reading import uci_from_netjson, variables_from_json
from fwknopd.config.netjson_writing import SPARE_BYTES, ExportedNetjson, netjson_from_uci
from fwknopd.config.old_key_sections import name_of
from fwknopd.config.uci_config import configuration_from_uci, uci_enabled
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_format import decode_text
from fwknopd.config.uci_model import UciPackage
from fwknopd.ctl.conversion import difference, problem_json, show
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import listed, print_json, print_note
from fwknopd.ctl.private_file import write_private
from fwknopd.regular_file import open_regular, read_limited
from fwknopd.uci_store import MAX_FILE_SIZE, UciStore

STANDARD_OUTPUT = "-"


def export_document(options: Namespace) -> int:
    """Show the document, or write it. Raises CtlError, ConfigError and FileError."""
    exported = netjson_from_uci(UciStore(Path(options.uci)).load().package, options.uci)
    if options.output:
        _check(exported, force=options.force)
    if options.output == STANDARD_OUTPUT:
        sys.stdout.write(exported.text)
        return 0
    if options.output:
        write_private(Path(options.output), exported.text, force=options.force)
    _tell(exported, options)
    return 0


def _check(exported: ExportedNetjson, *, force: bool) -> None:
    """Raises CtlError when the document is no good to anybody, or to OpenWISP."""
    if not exported.usable:
        raise CtlError(
            "NetJSON can't say what UCI says",
            "See without --output what differs, and change it in UCI first",
        )
    if exported.cut > SPARE_BYTES and not force:
        raise CtlError(
            "OpenWISP would deliver a file without its end: netjsonconfig counts letters as "
            f"bytes, and here are {exported.cut} bytes more",
            "Write names, notes and passphrases in plain ASCII. Whoever uses render() of "
            "netjsonconfig, and not generate(), may add --force",
        )


def _tell(exported: ExportedNetjson, options: Namespace) -> None:
    if options.json:
        print_json(
            {
                "written": bool(options.output),
                "netjson": exported.masked,
                "losses": [problem_json(loss) for loss in exported.losses],
                "problems": [problem_json(problem) for problem in exported.original.problems],
            }
        )
        return
    for problem in (*exported.losses, *exported.original.problems):
        print_note(str(problem))
    if options.output:
        print(f"Written: {options.output}. It holds the keys.")
    else:
        print(json.dumps(exported.masked, indent=4))
        print_note("Keys are masked, and nothing is written. To write it: --output FILE")


def import_document(options: Namespace) -> int:
    """Show what would change, or write it. Raises CtlError, ConfigError and FileError."""
    file = options.netjson
    package = uci_from_netjson(
        _read(file), file, _variables(options.variables), options.variables or ""
    )
    problems = configuration_from_uci(package, file).problems
    store = UciStore(Path(options.uci))
    old = store.load().package if store.path.exists() else UciPackage()
    _note_gone(old, package)
    changes = difference(
        masked_uci(old), masked_uci(package, uci_secrets(old.sections)), str(store.path)
    )
    summary = "Nothing is written. To write it: --apply"
    if options.apply:
        _write(store, package, force=options.force)
        summary = f"{store.path} is written. To use it now: fwknopctl reload"
    show(changes, (), problems, summary, written=options.apply, as_json=options.json)
    return 0


def _note_gone(old: UciPackage, new: UciPackage) -> None:
    """The document is all there is afterwards, and a template is only a part of it."""
    before, after = (
        [name_of(section) or section.id for section in package.of_type("access")]
        for package in (old, new)
    )
    if gone := [name for name in before if name not in after]:
        print_note(f"clients that are not in the document go: {listed(gone)}")
    if uci_enabled(old) and not uci_enabled(new):
        print_note(
            "the document does not switch uci_enabled on, which it is now: the daemon would go by "
            "the classic files, or stay idle without them"
        )


def _variables(file: str | None) -> Mapping[str, str]:
    return variables_from_json(_read(file), file) if file else {}


def _write(store: UciStore, package: UciPackage, *, force: bool) -> None:
    if not store.path.exists():
        store.create()
    loaded = store.load()
    if not force and loaded.package.sections:
        raise CtlError(
            f"{store.path} holds a configuration already",
            "See the difference without --apply; to replace it, add --force",
            "exists",
        )
    store.commit(differences(loaded.package, package), loaded.etag, include_pending=force)


def _read(file: str) -> str:
    path = Path(file)
    descriptor = open_regular(path)
    try:
        return decode_text(read_limited(descriptor, path, MAX_FILE_SIZE))
    finally:
        os.close(descriptor)
