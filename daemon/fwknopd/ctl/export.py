"""``fwknopctl export``: from UCI to fwknopd.conf and access.conf."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from fwknopd.config.convert import conf_secrets, masked_conf, report_uci_comments
from fwknopd.config.directive import Findings
from fwknopd.config.problems import ConfigError, Problem
from fwknopd.config.typed_values import check_value
from fwknopd.config.uci_format import decode_text
from fwknopd.config.uci_to_classic import Exported, classic_from_uci
from fwknopd.config.variable import Scope
from fwknopd.config.variables import lookup
from fwknopd.ctl.conversion import difference, show
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.netjson import export_document
from fwknopd.ctl.private_file import exists_error, write_private
from fwknopd.ctl.problems import config_error, file_error
from fwknopd.regular_file import FileError, open_regular, read_limited
from fwknopd.uci_store import MAX_FILE_SIZE, UciStore

DEFAULT_FOLDER = "/etc/fwknop"
"""What is compared with when no folder is named."""


def export_files(options: Namespace) -> int:
    """The verb ``export``. Without --output nothing is written."""
    try:
        return export_document(options) if options.netjson else _export(options)
    except ConfigError as error:
        raise config_error(error) from None
    except FileError as error:
        raise file_error(error) from None


def _export(options: Namespace) -> int:
    _check_interface(options.interface)
    path = Path(options.uci)
    exported = classic_from_uci(UciStore(path).load().package, str(path), options.interface)
    folder = Path(options.output or DEFAULT_FOLDER)
    texts = {
        folder / "access.conf": exported.access_conf,
        folder / "fwknopd.conf": exported.fwknopd_conf,
    }
    changes = [line for file, text in texts.items() for line in _difference(file, text)]
    summary = "Nothing is written. To write both files: --output DIR"
    if options.output:
        _write(folder, texts, exported, force=options.force)
        summary = f"Written: {', '.join(map(str, texts))}"
    show(
        changes,
        (*exported.losses, *_comments(path)),
        exported.original.problems,
        summary,
        written=bool(options.output),
        as_json=options.json,
    )
    return 0


def _check_interface(device: str) -> None:
    variable = lookup(Scope.SERVER, "PCAP_INTF")
    problems = check_value(variable, device, "--interface") if variable else ()
    if problems:
        raise CtlError(f"--interface: {problems[0].message}", problems[0].remedy)


def _difference(file: Path, text: str) -> list[str]:
    old = _read(file) if file.exists() else ""
    return difference(masked_conf(old), masked_conf(text, conf_secrets(old)), str(file))


def _read(file: Path) -> str:
    descriptor = open_regular(file)
    try:
        return decode_text(read_limited(descriptor, file, MAX_FILE_SIZE))
    finally:
        os.close(descriptor)


def _comments(path: Path) -> tuple[Problem, ...]:
    findings = Findings()
    report_uci_comments(_read(path), str(path), findings)
    return findings.problems()


def _write(folder: Path, texts: dict[Path, str], exported: Exported, *, force: bool) -> None:
    """Write the files. Raises CtlError."""
    if not exported.usable:
        raise CtlError(
            "fwknopd.conf can't say what UCI says",
            "See without --output which settings differ, and change them in UCI first",
        )
    for file in texts:
        if os.path.lexists(file) and not force:
            raise exists_error(file)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CtlError(
            f"{folder} can't be made: {error.strerror}", "Name a folder you may write to"
        ) from None
    for file, text in texts.items():
        write_private(file, text, force=force)
