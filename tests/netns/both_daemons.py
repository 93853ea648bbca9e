"""fwknop's own server and ours, one after the other on the same host with the same files."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fwknopd.replay_format import format_file
from tests.c_daemon import find_c_daemon
from tests.interop.program import Running, environment, program
from tests.lab.process import with_kernel_leash
from tests.netns.namespaces import End, Machine, Machines

SERVER, NETWORK = "198.51.100.1", "198.51.100.0/24"
TIME_LIMIT = 20.0
_CONF = """\
PCAP_INTF eth0;
FWKNOP_RUN_DIR {run};
FIREWALL_EXE {iptables};
ENABLE_IPT_FORWARDING Y;
ENABLE_IPT_LOCAL_NAT Y;
FLUSH_IPT_AT_INIT N;
FLUSH_IPT_AT_EXIT N;
{settings}"""
_EXPIRY = re.compile(r"_exp_(\d+)")


@dataclass(frozen=True, slots=True)
class Client:
    """A stanza of access.conf with keys of its own, and what it knocks for.

    ``leads_to`` is the inside host and port, or the host alone for all of its ports.
    """

    number: int
    stanza: str
    ask: tuple[str, ...]
    leads_to: str = ""

    @property
    def keys(self) -> tuple[str, str]:
        """Its keys in base64: for the cipher and for the HMAC."""
        cipher, hmac = f"cipher key {self.number:021}", f"hmac key {self.number:023}"
        return b64encode(cipher.encode()).decode(), b64encode(hmac.encode()).decode()

    @property
    def address(self) -> str:
        """The address it opens doors for."""
        return f"198.51.100.{100 + self.number}"

    def text(self, seconds: int) -> str:
        """Its lines of access.conf."""
        cipher, hmac = self.keys
        keys = f"KEY_BASE64 {cipher}\nHMAC_KEY_BASE64 {hmac}\n"
        return f"SOURCE ANY\n{keys}FW_ACCESS_TIMEOUT {seconds}\n{self.stanza}\n"


@dataclass(frozen=True, slots=True)
class Host:
    """A host with either daemon, one cable away from who knocks. ``variant``: -nft, -legacy."""

    outside: Machine
    machine: Machine
    folder: Path
    variant: str

    def configure(self, clients: Sequence[Client], settings: str = "", seconds: int = 30) -> None:
        """Write the files both daemons use."""
        run = self.folder / "run"
        run.mkdir(mode=0o700, exist_ok=True)
        iptables = shutil.which(f"iptables{self.variant}")
        self._write("fwknopd.conf", _CONF.format(run=run, iptables=iptables, settings=settings))
        self._write("access.conf", "".join(client.text(seconds) for client in clients))
        # Without such a list ours refuses packets of the second it starts in.
        self._write("run/digest.cache", format_file((), None).decode())

    def clear(self) -> None:
        """No rule of anybody's."""
        self.machine.run(
            f"iptables{self.variant}-restore", script="*filter\nCOMMIT\n*nat\nCOMMIT\n"
        )

    def rules(self) -> list[str]:
        """All rules that end some time, as iptables-save prints them."""
        saved = self.machine.run(f"iptables{self.variant}-save").splitlines()
        return [line for line in saved if _EXPIRY.search(line)]

    def ends(self) -> list[int]:
        """When they end."""
        return [int(found[1]) for rule in self.rules() if (found := _EXPIRY.search(rule))]

    def knock(self, client: Client) -> None:
        """Knock with the real client."""
        cipher, hmac = client.keys
        keys = ("--key-base64-rijndael", cipher, "--key-base64-hmac", hmac, "--use-hmac")
        where = ("-a", client.address, "-D", SERVER)
        alone = ("--no-home-dir", "--no-rc-file", "-E", str(self.folder / "args"))
        self.outside.run("fwknop", *alone, *where, *keys, *client.ask)

    @contextmanager
    def c_daemon(self) -> Iterator[Running]:
        """fwknop's server while the block runs."""
        found = find_c_daemon()
        assert found is not None
        with self._running([str(found)], "Starting fwknopd main event loop") as running:
            yield running

    @contextmanager
    def our_daemon(self) -> Iterator[Running]:
        """Ours while the block runs."""
        control = self.folder / "run/control.sock"
        command = [*program(), "--firewall=iptables", f"--control={control}"]
        with self._running(command, " started: ") as running:
            yield running

    def ask_ours(self, *arguments: str) -> str:
        """What our program prints with the same files."""
        command = [*program(), "--firewall=iptables", *arguments, *self._files()]
        with self.machine.entered():
            done = subprocess.run(
                command, capture_output=True, text=True, env=self._environment(), check=True
            )
        return done.stdout

    @contextmanager
    def _running(self, command: Sequence[str], ready: str) -> Iterator[Running]:
        with self.machine.entered():
            process = subprocess.Popen(
                with_kernel_leash([*command, "-f", *self._files()]),
                stderr=subprocess.PIPE,
                text=True,
                env=self._environment(),
            )
        running = Running(process)
        try:
            running.wait_for(ready)
            yield running
        finally:
            running.end()
            assert process.stderr is not None
            process.stderr.close()

    def _files(self) -> tuple[str, ...]:
        return "-c", str(self.folder / "fwknopd.conf"), "-a", str(self.folder / "access.conf")

    def _environment(self) -> dict[str, str]:
        return {**environment(), "PATH": f"{self._bin()}:/usr/sbin:/usr/bin:/sbin:/bin"}

    def _bin(self) -> Path:
        """A folder in which iptables is this variant."""
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        for stem in ("iptables", "ip6tables"):
            for tool in ("", "-save", "-restore"):
                link, real = folder / f"{stem}{tool}", shutil.which(f"{stem}{self.variant}{tool}")
                if real and not link.exists():
                    link.symlink_to(real)
        return folder

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(text)


@contextmanager
def both_daemons_host(folder: Path, variant: str = "-nft") -> Iterator[Host]:
    """The host while the block runs."""
    with Machines() as machines:
        outside, host = machines.add("outside"), machines.add("host")
        machines.join(
            End(outside, "eth0", ("198.51.100.7/24",)), End(host, "eth0", (f"{SERVER}/24",))
        )
        yield Host(outside, host, folder, variant)


def without_ends(rules: Sequence[str]) -> list[str]:
    """Rules in any order, whenever they end."""
    return sorted(_EXPIRY.sub("_exp_N", rule) for rule in rules)
