"""Where the running daemon keeps its files: the same for the daemon and for who asks about it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.options import DEFAULT_CONFIG, DEFAULT_RUN_DIR, Options

LASTING_DIGEST_FILE = Path(DEFAULT_CONFIG).with_name("state") / "digest.cache"
"""The run directory of a router is memory; this place is flash.

A folder of its own: a jail lets the daemon write there, and not to its configuration.
"""


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Absolute paths. The command line wins over the settings, as for everything.

    - ``trace``: the file by which a daemon knows that one ran here before
    - ``cycles``: commands that are to be run later, so that a crash doesn't lose them
    - ``owners``: who opened which door, for the same reason
    - ``ended_keys``: old keys that ended before their time; as lasting as ``digest_file``
    - ``knocked``: the file by which a daemon knows that somebody got in before; as lasting
    - ``former_digest_file``: where the C daemon has the used packets, when it isn't
      ``digest_file``; None when somebody named the place
    """

    run_dir: Path
    pid_file: Path
    digest_file: Path
    control: Path
    trace: Path
    cycles: Path
    owners: Path
    ended_keys: Path
    knocked: Path
    former_digest_file: Path | None = None


def run_paths(options: Options, settings: ServerSettings) -> RunPaths:
    """The paths in effect; nothing is made."""
    run_dir = Path(options.run_dir or settings.fwknop_run_dir).absolute()
    pid_file = options.pid_file or settings.fwknop_pid_file or run_dir / "fwknopd.pid"
    named = options.digest_file or settings.digest_file
    usual = run_dir / "digest.cache"
    digest_file = Path(named).absolute() if named else _lasting(options, run_dir) or usual
    return RunPaths(
        run_dir,
        Path(pid_file).absolute(),
        digest_file,
        Path(options.control or run_dir / "control.sock").absolute(),
        run_dir / "fwknopd.ran",
        run_dir / "command.cycles",
        run_dir / "open.doors",
        digest_file.with_name("ended.keys"),
        digest_file.with_name("knocked"),
        None if named or digest_file == usual else usual,
    )


def _lasting(options: Options, run_dir: Path) -> Path | None:
    """The place that survives a reboot, for a daemon that runs from UCI: that is a router.

    Whoever moves the run directory wants all of a daemon's files there, this one too.
    """
    if options.uci is None or options.run_dir is not None or run_dir != Path(DEFAULT_RUN_DIR):
        return None
    folder = LASTING_DIGEST_FILE.parent
    # It is made together with the file, and so may be the one with the configuration.
    folders = (folder, folder.parent, folder.parent.parent)
    made = next((path for path in folders if path.exists()), None)
    return LASTING_DIGEST_FILE if made and os.access(made, os.W_OK) else None


def used_paths(
    options: Options, paths: RunPaths, configuration: Configuration | None
) -> tuple[Path, ...]:
    """What a running daemon goes on to read and write, and the folders where others could
    put something else in its place."""
    named = (options.uci, options.config_file, options.access_file, options.access_folder)
    read = configuration.files if configuration is not None else ()
    files = [Path(name) for name in (*named, *options.override_config, *read) if name]
    files.append(paths.digest_file)
    made = (paths.pid_file, paths.control, paths.trace)
    return tuple(dict.fromkeys((*files, *(file.parent for file in (*files, *made)))))
