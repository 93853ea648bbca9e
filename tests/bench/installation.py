"""A daemon's files in a folder of its own, and its command line."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fwknopd.firewall.nft_lookups import BASIC
from fwknopd.firewall.nft_ruleset import DEFAULT_TABLE, setup_script
from fwknopd.replay_format import format_file
from tests.bench.clients import Client
from tests.bench.contestants import FLOOR, Contestant
from tests.bench.site import MARK, SPA_PORT, WAN
from tests.lab.process import SYSTEM_PATH, installed_program

FLOOR_PROGRAM = Path(__file__).with_name("floor.py")
_CONF = """\
PCAP_INTF {wan};
PCAP_FILTER udp port {port};
ENABLE_IPT_FORWARDING Y;
FLUSH_IPT_AT_INIT {flush};
FWKNOP_RUN_DIR {run};
FWKNOP_PID_FILE {run}/fwknopd.pid;
DIGEST_FILE {run}/digest.cache;
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a contestant's files are. ``c_daemon`` is the C program, for who needs it."""

    contestant: Contestant
    folder: Path
    c_daemon: Path | None

    @property
    def access(self) -> Path:
        """The clients' file."""
        return self.folder / "access.conf"

    @property
    def log(self) -> Path:
        """What the daemon says."""
        return self.folder / "log"

    def write(self, clients: Sequence[Client], seconds: int, *, keep_doors: bool) -> None:
        """Make the files; doors stay open for ``seconds``."""
        run = self.folder / "run"
        run.mkdir(mode=0o700, exist_ok=True)
        flush = "N" if keep_doors else "Y"
        config = _CONF.format(wan=WAN, port=SPA_PORT, flush=flush, run=run)
        if self.contestant.is_c:
            config += f"FIREWALL_EXE {self.iptables()};\n"
        self._file("fwknopd.conf", config)
        self._file("access.conf", "\n".join(client.stanza(seconds) for client in clients))
        if self.contestant.is_ours:
            # An empty list of used packets. Without one, those made before the start, and in
            # its very second, would be refused.
            self._file("run/digest.cache", format_file((), None).decode())
        if self.contestant.name == FLOOR:
            self._file("rules.nft", setup_script(DEFAULT_TABLE, (WAN,), MARK, BASIC))
        self._link_iptables()

    def command(self) -> list[str]:
        """The daemon in the foreground."""
        folder = self.folder
        if self.contestant.name == FLOOR:
            arguments = (WAN, SPA_PORT, DEFAULT_TABLE, self.access, folder / "rules.nft")
            return [sys.executable, str(FLOOR_PROGRAM), *map(str, arguments)]
        files = ["-f", "-i", WAN, "-c", f"{folder}/fwknopd.conf", "-a", f"{folder}/access.conf"]
        if self.contestant.is_c:
            return [str(self.c_daemon), *files]
        kind = "iptables" if self.contestant.variant else "nftables"
        program = str(installed_program("fwknopd"))
        return [program, *files, f"--firewall={kind}", f"--control={folder}/run/control.sock"]

    def iptables(self, tool: str = "") -> str:
        """The contestant's iptables; ``tool`` is "-save" or "-restore"."""
        name = f"iptables-{self.contestant.variant}{tool}"
        return shutil.which(name, path=SYSTEM_PATH) or name

    def environment(self) -> dict[str, str]:
        """With this contestant's iptables before all others."""
        return {"PATH": f"{self.folder}/bin:{SYSTEM_PATH}", "LC_ALL": "C"}

    def _file(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)

    def _link_iptables(self) -> None:
        """`iptables` and its like as links to the wanted variant."""
        if not self.contestant.variant:
            return
        bin_folder = self.folder / "bin"
        bin_folder.mkdir(exist_ok=True)
        for stem in ("iptables", "ip6tables"):
            for tool in ("", "-save", "-restore"):
                found = shutil.which(f"{stem}-{self.contestant.variant}{tool}", path=SYSTEM_PATH)
                link = bin_folder / f"{stem}{tool}"
                if found and not os.path.lexists(link):
                    link.symlink_to(found)
