"""Where the running daemon keeps its files: the same for the daemon and for who asks about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fwknopd.config.settings import ServerSettings
from fwknopd.options import Options


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Absolute paths. The command line wins over the settings, as for everything."""

    run_dir: Path
    pid_file: Path
    digest_file: Path
    control: Path


def run_paths(options: Options, settings: ServerSettings) -> RunPaths:
    """The paths in effect; nothing is made."""
    run_dir = Path(options.run_dir or settings.fwknop_run_dir).absolute()
    pid_file = options.pid_file or settings.fwknop_pid_file or run_dir / "fwknopd.pid"
    digest_file = options.digest_file or settings.digest_file or run_dir / "digest.cache"
    return RunPaths(
        run_dir,
        Path(pid_file).absolute(),
        Path(digest_file).absolute(),
        Path(options.control or run_dir / "control.sock").absolute(),
    )
