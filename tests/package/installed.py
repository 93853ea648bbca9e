"""A router that has nothing but what was installed: OpenWrt's shape, busybox, packages.

No file of this project but those in its packages is in reach: programs run with the folder
as their root. OpenWrt's own parts are the stand-ins of this folder.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.lab.process import with_kernel_leash
from tests.lab.ubus import install_ubus
from tests.netns.fw4_rulesets import printed_ruleset, with_includes
from tests.package.built import Built, Packages
from tests.package.feed import PythonRoot
from tests.package.router import LOGGER, STAND_INS, Done

TIME_LIMIT = 30.0
INFO = "usr/lib/opkg/info"
INCLUDES = "/usr/share/nftables.d/chain-pre"
# OpenWrt's Python writes no byte code either.
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "PYTHONDONTWRITEBYTECODE": "1",
}

_ENTER = """\
mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && mount -t sysfs sysfs "$1/sys" &&
exec chroot ${AS:+--userspec=$AS --groups=} "$@"
"""
_UCI = """\
#!/bin/sh
# uci -q get network.NAME
grep -q "^config interface '${3#network.}'" /etc/config/network
"""
# Loads the rules that fw4 printed on such a router, with the includes there are by now.
_FW4 = """\
#!/bin/sh
echo "$*" >>/tmp/fw4
[ "$1" != -q ] || shift
case $1 in
check) exec nft -c -f /etc/fw4.nft ;;
*) exec nft -f /etc/fw4.nft ;;
esac
"""


class OpenWrt:
    """The router's files in ``folder``; needs root."""

    def __init__(self, folder: Path, packages: Packages) -> None:
        self.folder = folder
        folder.mkdir()
        self._packages = packages
        self._python = PythonRoot(folder)
        self._binaries = [Path(sys.executable).resolve()]
        self._complete: set[Path] = set()
        install_ubus(folder)
        self._lay_out()
        self._copy_programs()
        for name, text in {"sbin/uci": _UCI, "sbin/fw4": _FW4, "usr/bin/logger": LOGGER}.items():
            self.write(name, text, 0o755)

    def _lay_out(self) -> None:
        for name in ("dev", "proc", "sys", "root", "sbin", "usr/bin", "usr/sbin", "etc/init.d"):
            (self.folder / name).mkdir(parents=True)
        for name in ("etc/config", "etc/rc.d", "tmp/run", "tmp/procd", "tmp/networks", INFO):
            (self.folder / name).mkdir(parents=True)
        for name, target in {"var": "tmp", "run": "tmp/run"}.items():
            (self.folder / name).symlink_to(target)
        functions = (STAND_INS / "functions.sh").read_text() + (STAND_INS / "opkg.sh").read_text()
        self.write("lib/functions.sh", functions)
        self.write("lib/functions/network.sh", (STAND_INS / "network.sh").read_text())
        self.write("etc/rc.common", (STAND_INS / "rc_common.sh").read_text(), 0o755)
        self.write("etc/passwd", "root:x:0:0:root:/root:/bin/ash\n")
        self.write("etc/group", "root:x:0:\n")
        self.write("etc/config/network", "config interface 'wan'\n")
        self.write("tmp/networks/wan", "eth1\n")
        self.write("etc/fw4.nft", _rules())
        # The firewall runs.
        self.write("tmp/run/fw4.state", "{}\n")

    def _copy_programs(self) -> None:
        for name, place in {"busybox": "bin", "nft": "usr/sbin", "flock": "usr/bin"}.items():
            program = Path(shutil.which(name) or name).resolve()
            shutil.copy2(program, self.folder / place / name)
            self._binaries.append(program)
        listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True)
        for applet in listed.stdout.split():
            if not (self.folder / "bin" / applet).exists():
                (self.folder / "bin" / applet).symlink_to("busybox")

    def _copy_libraries(self) -> None:
        """Shared libraries go where programs look for them on this computer."""
        new = [*self._binaries, *self.folder.glob("usr/lib/python3*/**/*.so")]
        new = [path for path in new if path not in self._complete]
        if not new:
            return
        self._complete.update(new)
        told = subprocess.run(["ldd", *map(str, new)], capture_output=True, text=True).stdout
        for source in {Path(path) for path in re.findall(r"(/\S+) \(0x", told)}:
            target = self.folder / source.relative_to("/")
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the router."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def path(self, path: str) -> Path:
        """Where this computer has the router's file ``path``."""
        return self.folder / path.removeprefix("/")

    def read(self, path: str) -> str:
        """The text of a file, "" if it isn't there."""
        file = self.path(path)
        return file.read_text() if file.exists() else ""

    def command(self, *argv: str, user: str = "") -> Sequence[str]:
        """The command line on this computer for one on the router, of root's or another user."""
        as_whom = ["env", f"AS={self.account(user)}" if user else "-uAS"]
        inside = [*as_whom, "sh", "-c", _ENTER, "sh", str(self.folder), *argv]
        return with_kernel_leash(["unshare", "--mount", "--", *inside])

    def account(self, user: str) -> str:
        """The numbers of a user and its group: USER:GROUP. Raises KeyError."""
        lines = [line.split(":") for line in self.read("/etc/passwd").splitlines()]
        return {line[0]: f"{line[2]}:{line[3]}" for line in lines}[user]

    def run(self, *argv: str, given: str = "", **environment: str) -> Done:
        """Run a program of the router to its end, with something on its standard input."""
        done = subprocess.run(
            self.command(*argv),
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIME_LIMIT,
            env={**ENVIRONMENT, **environment},
        )
        return Done(done.returncode, done.stdout)

    def calls(self) -> list[list[str]]:
        """What procd was told since the last call of this, word by word."""
        calls = [line.split("\t") for line in self.read("/tmp/procd/calls").splitlines()]
        self.path("/tmp/procd/calls").unlink(missing_ok=True)
        return calls

    def on_flash(self) -> dict[str, tuple[int, int]]:
        """What a reboot would leave, each file with the time and kind of its last change."""
        files = self.folder.rglob("*")
        kept = (path for path in files if path.relative_to(self.folder).parts[0] != "tmp")
        seen = ((str(path.relative_to(self.folder)), path.lstat()) for path in kept)
        return {name: (status.st_ctime_ns, status.st_ino) for name, status in seen}

    def install(self, name: str) -> None:
        """``opkg install``: what it needs comes first. Its scripts may say nothing."""
        if self.path(f"{INFO}/{name}.control").exists():
            return
        package = self._packages[name]
        for need in package.needs():
            if need in self._packages:
                self.install(need)
            else:
                self._python.install([need])
        self._unpack(name, package)
        self._run_script(name, "postinst", "configure")

    def _unpack(self, name: str, package: Built) -> None:
        for file in package.control_names():
            self.write(f"{INFO}/{name}.{file}", package.control_file(file))
        files = [path for path, member in package.files().items() if not member.isdir()]
        self.write(f"{INFO}/{name}.list", "".join(f"{path}\n" for path in files))
        kept = {path: self.path(path).read_bytes() for path in self._conffiles(name)}
        package.unpack(self.folder)
        for path, content in kept.items():
            self.path(path).write_bytes(content)

    def _conffiles(self, name: str) -> list[str]:
        listed = self.read(f"{INFO}/{name}.conffiles").split()
        return [path for path in listed if self.path(path).exists()]

    def remove(self, name: str) -> None:
        """``opkg remove``, which leaves the configuration. Its scripts may say nothing."""
        self._run_script(name, "prerm", "remove")
        for path in self.read(f"{INFO}/{name}.list").split():
            if path not in self._conffiles(name):
                self.path(path).unlink(missing_ok=True)
        self._remove_empty_folders(self._packages[name])
        if self.path(f"{INFO}/{name}.postrm").exists():
            self._run_script(name, "postrm", "remove")
        for file in self.path(INFO).glob(f"{name}.*"):
            file.unlink()

    def _remove_empty_folders(self, package: Built) -> None:
        folders = [path for path, member in package.files().items() if member.isdir() and path]
        for folder in reversed(folders):
            with suppress(OSError):
                self.path(folder).rmdir()

    def _run_script(self, name: str, script: str, argument: str) -> None:
        self._copy_libraries()
        done = self.run("/bin/ash", f"/{INFO}/{name}.{script}", argument)
        assert (done.code, done.output) == (0, ""), f"{name}.{script}: {done.output}"


def _rules() -> str:
    """The router's rules, with its includes as fw4 finds them when it loads the rules."""
    chains = {chain: f"{INCLUDES}/{chain}/*.nft" for chain in ("input", "forward")}
    return with_includes(printed_ruleset("wan-drop"), chains)
