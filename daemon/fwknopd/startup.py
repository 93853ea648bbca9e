"""From a command line to a configuration: which files are in effect, and what wins over them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fwknopd.config.device_names import DEVICE_NAME_RULE, is_device_name
from fwknopd.config.invalid import shown
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.configuration import UciOff, load_files, read_uci
from fwknopd.option_table import DEFAULT_ACCESS, OPTIONS
from fwknopd.options import Options
from fwknopd.policy.stanza import Stanza


def load_configuration(options: Options) -> Configuration | None:
    """The configuration in effect: UCI when asked for and enabled there, else the classic files.

    None when UCI is asked for but not enabled there, and there are no classic files:
    a router whose owner has yet to tick "Enable config overwrite". None also when there is no
    UCI file, or a variable where that is said, whatever else there is: `idle_problem` has the
    words for all three. ConfigError with every problem found, each naming file, line and remedy.
    """
    _check_interface(options)
    loaded = _loaded(options)
    if loaded is None:
        return None
    problems = (*loaded.problems, *_options_without_effect(options))
    stanzas = loaded.stanzas
    if any(stanza.gpg for stanza in stanzas):
        stanzas, found = _gpg_ready(loaded, options)
        problems = (*problems, *found)
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise ConfigError(problems)
    return replace(
        loaded,
        settings=_overridden(loaded.settings, options),
        stanzas=stanzas,
        problems=problems,
    )


def _gpg_ready(
    loaded: Configuration, options: Options
) -> tuple[tuple[Stanza, ...], tuple[Problem, ...]]:
    """The clients with the command line's key ring, and what they need that isn't there."""
    # Loaded only for those who knock with GPG.
    from fwknopd.config.gpg_stanza import with_defaults
    from fwknopd.gpg_checks import gpg_problems

    stanzas = with_defaults(loaded.stanzas, options.gpg_home_dir, options.gpg_exe)
    problems = gpg_problems(
        stanzas,
        classic=loaded.source == "files",
        from_command_line=options.gpg_home_dir is not None,
    )
    return stanzas, problems


def _check_interface(options: Options) -> None:
    """What is typed must pass the same rule as what stands in a file."""
    if options.interface is None:
        return
    names = options.interface.replace(",", " ").split()
    if not names or not all(map(is_device_name, names)):
        raise ConfigError(
            [
                Problem(
                    Severity.ERROR,
                    "the command line",
                    None,
                    "--interface",
                    f"{shown(options.interface)} is no device name ({DEVICE_NAME_RULE})",
                    "Write a name that `ip link` shows, for example eth0.",
                )
            ]
        )


def _options_without_effect(options: Options) -> list[Problem]:
    return [
        Problem(
            Severity.NOTE,
            "the command line",
            None,
            f"--{row.long}",
            "it has no effect here",
            f"The reason: {row.no_effect}.",
        )
        for row in OPTIONS
        if row.long in options.without_effect
    ]


def _loaded(options: Options) -> Configuration | None:
    if options.uci is None:
        return _load_files(options)
    if uci_is_gone(options):
        # OpenWISP's agent deletes a file in which nothing is left: whoever was in it is out. Nor
        # may its going let in who is in old files, for which a file has to say so.
        return None
    found = read_uci(Path(options.uci))
    if not isinstance(found, UciOff):
        return found
    if found.unsaid or not _has_classic_files(options):
        return None
    loaded = _load_files(options)
    return replace(loaded, problems=(*found.problems, *loaded.problems))


def uci_is_gone(options: Options) -> bool:
    """Whether UCI is asked for, and its file does not exist; one that can't be read does."""
    try:
        if options.uci is not None:
            Path(options.uci).stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def idle_problem(options: Options) -> Problem:
    """Why there is no configuration, and what to do; to ask when `load_configuration` says so.

    For a file that comes later it is another one.
    """
    file = options.uci or options.config_file
    if uci_is_gone(options):
        return _idle(
            file,
            f"Nothing to guard: {options.uci} does not exist, so nobody can knock",
            "Bring it back from a backup, or have it made anew on the web page, under Backup. "
            "Then: fwknopctl reload",
        )
    if _is_unsaid(options):
        return _idle(
            file,
            f"Nothing to guard: OpenWISP had no value for uci_enabled in {options.uci}, so nobody "
            "can tell whether that file or the classic ones are to be used",
            "Give the variable a value in OpenWISP, or write 1 or 0.",
        )
    return _idle(
        file,
        f"Nothing to guard: Enable config overwrite is off in {options.uci}, and "
        f"{options.access_file or options.config_file} does not exist",
        "Tick Enable config overwrite, or write the classic files.",
    )


def _idle(file: str, message: str, remedy: str) -> Problem:
    return Problem(Severity.WARNING, file, None, "", message, remedy)


def _is_unsaid(options: Options) -> bool:
    try:
        found = read_uci(Path(options.uci or ""))
    except ConfigError:
        return False
    return isinstance(found, UciOff) and found.unsaid


def _has_classic_files(options: Options) -> bool:
    access = options.access_folder or options.access_file or DEFAULT_ACCESS
    return Path(access).exists() or Path(options.config_file).exists()


def _load_files(options: Options) -> Configuration:
    return load_files(
        Path(options.config_file),
        None if options.access_file is None else Path(options.access_file),
        overrides=tuple(Path(file) for file in options.override_config if file),
        access_folder=None if options.access_folder is None else Path(options.access_folder),
        from_pcap_file=options.pcap_file is not None,
        udp_server=options.udp_server,
        of_service=options.uci is not None,
    )


def _overridden(settings: ServerSettings, options: Options) -> ServerSettings:
    """The command line wins over every file, as with the C daemon."""
    return replace(
        settings,
        pcap_intf=options.interface or settings.pcap_intf,
        pcap_filter=settings.pcap_filter if options.pcap_filter is None else options.pcap_filter,
        pcap_file=options.pcap_file or settings.pcap_file,
        enable_pcap_any_direction=options.pcap_any_direction or settings.enable_pcap_any_direction,
        enable_udp_server=options.udp_server or settings.enable_udp_server,
        firewall=options.firewall or settings.firewall,
        gpg_home_dir=options.gpg_home_dir or settings.gpg_home_dir,
        gpg_exe=options.gpg_exe or settings.gpg_exe,
        sudo_exe=options.sudo_exe or settings.sudo_exe,
        verbose=settings.verbose + options.verbose,
    )


def errors_of(error: ConfigError) -> tuple[Problem, ...]:
    """The problems that stopped a configuration, without the warnings beside them."""
    return tuple(p for p in error.problems if p.severity is Severity.ERROR)
