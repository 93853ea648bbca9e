"""A folder shaped like a router's root, in which its scripts are run by busybox.

OpenWrt's own parts are stand-ins (`rc_common.sh`, `functions.sh`, `network.sh`) that write down
what they are told. Programs of this computer are there too, behind busybox's own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.process import with_kernel_leash

ROOT = Path(__file__).parents[2]
FILES = ROOT / "package/fwknop-wrt/files"
UCI_DEFAULTS = ROOT / "uci-defaults"
STAND_INS = Path(__file__).parent
TIME_LIMIT = 30.0

OWN = ("bin", "dev", "etc", "host", "lib", "proc", "sbin", "sys", "tmp", "usr")
LINKS = {"var": "tmp", "run": "tmp/run", "lib64": "/host/usr/lib64"}
APPLETS = (
    *("ash", "basename", "cat", "chmod", "chown", "cp", "cut", "echo", "env", "grep"),
    *("head", "id", "ls", "mkdir", "mv", "nc", "rm", "sed", "sh", "sleep", "tail", "touch", "tr"),
    *("true", "wc"),
)
BORROWED = ("flock", "nft")
"""Programs of this computer that are a router's too."""

_ENTER = """\
mount --rbind / "$1/host" && mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" &&
mount --rbind /sys "$1/sys" && exec chroot "$@"
"""

PASSED = '#!/bin/sh\necho $0 "$@" >>/tmp/programs\n'
LOGGER = """\
#!/bin/sh
# -t TAG -p PRIORITY [TEXT]
priority=$4
shift 4
[ $# -eq 0 ] || exec echo "$priority $*" >>/tmp/log
while read -r line; do echo "$priority $line"; done >>/tmp/log
"""


@dataclass(frozen=True, slots=True)
class Done:
    """How a script ended, and what it said on both streams."""

    code: int
    output: str


class Router:
    """A router's files in ``folder``; needs root."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        for name in OWN:
            (folder / name).mkdir(parents=True)
        for entry in Path("/").iterdir():
            if entry.name not in OWN:
                target = LINKS.get(entry.name, f"/host/{entry.name}")
                (folder / entry.name).symlink_to(target)
        _fill_usr(folder)
        for name in ("config", "fwknop", "init.d", "rc.d"):
            (folder / "etc" / name).mkdir()
        for name in ("tmp/procd", "tmp/networks", "tmp/run", "lib/functions"):
            (folder / name).mkdir(exist_ok=True)
        self.write("/etc/passwd", "root:x:0:0:root:/root:/bin/ash\n")
        self.write("/etc/group", "root:x:0:\nfwknop:x:4242:\n")
        self.write("/etc/rc.common", (STAND_INS / "rc_common.sh").read_text(), 0o755)
        self.write("/lib/functions.sh", (STAND_INS / "functions.sh").read_text())
        self.write("/lib/functions/network.sh", (STAND_INS / "network.sh").read_text())
        self.program("/usr/bin/logger", LOGGER)

    def install(self) -> None:
        """Put the package's files there, as its recipe does."""
        shutil.copytree(FILES, self.root, dirs_exist_ok=True)
        shutil.copytree(UCI_DEFAULTS, self.path("/etc/uci-defaults"), dirs_exist_ok=True)

    def install_python(self) -> None:
        """Have the package's own programs run by this Python."""
        paths = ":".join(f"/host{path}" for path in sys.path if path)
        python = f"/host{Path(sys.executable).resolve()}"
        self.program("/usr/bin/python3", f'#!/bin/sh\nPYTHONPATH={paths} exec {python} "$@"\n')

    def path(self, path: str) -> Path:
        """Where this computer has the router's file ``path``."""
        return self.root / path.removeprefix("/")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the router."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def program(self, path: str, text: str = PASSED) -> None:
        """Make a program, by default one that only writes down that it was called."""
        self.write(path, text, 0o755)

    def read(self, path: str) -> str:
        """The text of a file, "" if it isn't there."""
        file = self.path(path)
        return file.read_text() if file.exists() else ""

    def run(self, *argv: str, said: str = "", **environment: str) -> Done:
        """Run a program of the router to its end; ``said`` is its standard input."""
        done = subprocess.run(
            self.command(*argv),
            input=said,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIME_LIMIT,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
        )
        return Done(done.returncode, done.stdout)

    def command(self, *argv: str) -> Sequence[str]:
        """The command line on this computer for one on the router."""
        inside = ["sh", "-c", _ENTER, "sh", str(self.root), *argv]
        return with_kernel_leash(["unshare", "--mount", "--", *inside])

    def calls(self) -> list[list[str]]:
        """What procd was told since the last call of this, word by word."""
        calls = [line.split("\t") for line in self.read("/tmp/procd/calls").splitlines()]
        self.path("/tmp/procd/calls").unlink(missing_ok=True)
        return calls


def _fill_usr(folder: Path) -> None:
    """Few programs, and this computer's libraries, each by a link, so that a router's fit between.

    Everything else of this computer is under /host.
    """
    usr = folder / "usr"
    for name in ("bin", "sbin", "lib", "libexec", "share"):
        (usr / name).mkdir()
    for entry in Path("/usr/lib").iterdir():
        (usr / "lib" / entry.name).symlink_to(f"/host/usr/lib/{entry.name}")
    (usr / "local").symlink_to("/host/usr/local")
    for name in ("bin", "sbin", "lib"):
        (folder / name).rmdir()
        (folder / name).symlink_to(f"usr/{name}")
    for applet in APPLETS:
        (usr / "bin" / applet).symlink_to(f"/host{shutil.which('busybox')}")
    for program in BORROWED:
        (usr / "sbin" / program).symlink_to(f"/host{shutil.which(program)}")
