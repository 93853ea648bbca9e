"""Loading a configuration from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fwknopd.accounts import SystemAccounts
from fwknopd.classic_files import FileReader, access_texts, config_error, read_texts
from fwknopd.config.access_conf import build_stanzas, read_access_conf
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.fwknopd_conf import DEFAULT_INTERFACE, read_settings
from fwknopd.config.problems import Problem
from fwknopd.config.settings import Configuration
from fwknopd.config.stanza_commands import without_commands
from fwknopd.regular_file import FileError

OPENWRT = Path("/etc/openwrt_release")
"""What every router with OpenWrt has, and no other system."""

LOCK_SECONDS = 1.0
"""How long a UCI file may be locked: the daemon's loop waits for as long. Committing takes
libuci milliseconds, and whoever may read the file could lock it for ever."""


@dataclass(frozen=True, slots=True)
class UciOff:
    """``uci_enabled`` is not on in a UCI file; ``problems`` are what to say of that.

    ``unsaid``: a variable stands there for which OpenWISP had no value, so nobody can tell
    whether the classic files are to count.
    """

    problems: tuple[Problem, ...]
    unsaid: bool


def load_uci(path: Path, savedir: Path | None = None) -> Configuration | None:
    """The configuration in a UCI file, or None when ``uci_enabled`` is not on there.

    As `read_uci` for the rest.
    """
    found = read_uci(path, savedir)
    return None if isinstance(found, UciOff) else found


def read_uci(path: Path, savedir: Path | None = None) -> Configuration | UciOff:
    """The configuration in a UCI file, or why that is none to run from.

    Pending changes of the uci command are in effect, as they are for every UCI reader.
    ``savedir`` is where they are, None for libuci's own place. Raises ConfigError with all
    problems.
    """
    # Not for who runs from the classic files.
    from fwknopd.config.uci_config import (
        configuration_from_uci,
        is_unsaid,
        switch_problems,
        uci_enabled,
    )
    from fwknopd.uci_store import DEFAULT_SAVEDIR, UciStore

    try:
        loaded = UciStore(path, savedir or DEFAULT_SAVEDIR, LOCK_SECONDS).load()
    except FileError as error:
        raise config_error(path, error) from error
    if not uci_enabled(loaded.package):
        return UciOff(switch_problems(loaded.package, str(path)), is_unsaid(loaded.package))
    configuration = configuration_from_uci(loaded.package, str(path), SystemAccounts())
    if loaded.exposed:
        configuration = without_commands(configuration, str(path))
    return replace(_with_problems(configuration, loaded.problems), etag=loaded.etag)


def load_files(
    config_path: Path,
    access_path: Path | None = None,
    *,
    overrides: Sequence[Path] = (),
    access_folder: Path | None = None,
    from_pcap_file: bool = False,
    udp_server: bool = False,
    of_service: bool = False,
) -> Configuration:
    """The configuration in fwknopd.conf and access.conf.

    ``access_path`` and ``access_folder`` win over ACCESS_FILE and ACCESS_FOLDER; a folder wins
    over a file. ``from_pcap_file`` and ``udp_server``: the command line says so, which changes
    defaults as PCAP_FILE and ENABLE_UDP_SERVER do. ``of_service``: OpenWrt's service runs from
    them, if this is OpenWrt. In its fwknopd.conf, as it comes, PCAP_INTF is a comment, and the
    stock init script captures on the device of wan then; eth0 is often that of the LAN. Raises
    ConfigError with all problems.
    """
    findings = Findings()
    default = "" if of_service and OPENWRT.exists() else DEFAULT_INTERFACE
    reader = FileReader()
    texts = read_texts(reader, (config_path, *overrides))
    if from_pcap_file:
        texts = [*texts, ("PCAP_FILE -;\n", "the command line")]
    if udp_server:
        texts = [*texts, ("ENABLE_UDP_SERVER Y;\n", "the command line")]
    settings = read_settings(texts, findings, default)
    names_none = not (default or settings.pcap_intf or settings.enable_udp_server)
    access = access_texts(reader, settings, access_path, access_folder)
    raw = read_access_conf(access, reader, findings)
    stanzas = build_stanzas(raw, settings, findings, SystemAccounts())
    if not raw:
        place = Directive("SOURCE", "", access[0][1] if access else str(access_folder))
        findings.error(place, "there is no stanza", "Add one that begins with SOURCE ANY.")
    left_out = len(raw) - len(stanzas)
    configuration = Configuration(
        settings,
        stanzas,
        "wan" if names_none else None,
        "files",
        findings.result(),
        unusable=left_out,
    )
    if reader.exposed:
        configuration = without_commands(configuration, reader.exposed)
    configuration = replace(configuration, files=tuple(reader.paths))
    return _with_problems(configuration, tuple(reader.problems))


def _with_problems(configuration: Configuration, more: tuple[Problem, ...]) -> Configuration:
    return replace(configuration, problems=(*more, *configuration.problems))
