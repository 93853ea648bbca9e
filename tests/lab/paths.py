"""Where the files of a lab are, for the lab itself and for those who visit it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.lab.errors import LabError

# Linux takes 108 bytes with the final NUL.
SOCKET_PATH_LENGTH = 107


@dataclass(frozen=True, slots=True)
class LabPaths:
    """The files of the lab in ``folder``."""

    folder: Path

    @property
    def uci(self) -> Path:
        """The router's /etc/config/fwknopd."""
        return self.folder / "config" / "fwknopd"

    @property
    def classic(self) -> Path:
        """The router's /etc/fwknop: never this machine's own, a lab must not depend on it."""
        return self.folder / "fwknop"

    @property
    def run_dir(self) -> Path:
        """The daemon's run-time files."""
        return self.folder / "run"

    @property
    def control(self) -> Path:
        """The daemon's control socket."""
        return self.run_dir / "control.sock"

    @property
    def log(self) -> Path:
        """What the daemon writes to standard error."""
        return self.folder / "fwknopd.log"

    @property
    def rc_file(self) -> Path:
        """The phone's .fwknoprc."""
        return self.folder / "phone.fwknoprc"

    def check(self) -> None:
        """Raises LabError if the folder's path is too long."""
        if len(str(self.control)) > SOCKET_PATH_LENGTH:
            raise LabError(
                f"{self.control} is too long for the name of a socket",
                "Name a folder with a shorter path: --folder DIR.",
            )
