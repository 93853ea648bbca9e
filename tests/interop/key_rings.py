"""GPG key rings for tests, made by the real gpg in folders of their own.

A gpg-agent that came up for one is gone when the block ends.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.interop.spa_vectors import DATA

KEYS = DATA / "gpg"
GPG = "/usr/bin/gpg"
TIME_LIMIT = 60.0

SERVER = "DBB15FAB099FEA87CAF8527923D9177D38526D48"
CLIENT = "2B96E334758435CBE9ADF4C321176169BF48D714"
STRANGER = "E0BF30701C7BE867F9C4E9CCEAF3CAB4002A22BD"
"""Fingerprints of the recorded keys."""


class KeyRing:
    """One folder with keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True)

    def gpg(self, *arguments: str, data: bytes = b"") -> bytes:
        """Run gpg on it; its output. Raises RuntimeError."""
        done = subprocess.run(
            [GPG, "--homedir", str(self.folder), "--batch", "--no-tty", *arguments],
            input=data,
            capture_output=True,
            timeout=TIME_LIMIT,
        )
        if done.returncode:
            raise RuntimeError(f"gpg {' '.join(arguments)}: {done.stderr.decode()}")
        return done.stdout

    def add(self, *keys: bytes) -> None:
        """Import keys."""
        for key in keys:
            self.gpg("--import", data=key)

    def trust(self, *fingerprints: str) -> None:
        """Give keys ultimate ownertrust."""
        lines = "".join(f"{fingerprint}:6:\n" for fingerprint in fingerprints)
        self.gpg("--import-ownertrust", data=lines.encode())

    def make(self, name: str, kind: str = "rsa2048", uses: str = "", passphrase: str = "") -> str:
        """A new key, primary key first, that never expires; its fingerprint."""
        secret = ("--pinentry-mode", "loopback", "--passphrase", passphrase)
        self.gpg(*secret, "--quick-generate-key", name, kind, uses or "default", "never")
        return self.fingerprints(name)[0]

    def add_part(self, fingerprint: str, kind: str, use: str, passphrase: str = "") -> str:
        """A new subkey; its fingerprint."""
        secret = ("--pinentry-mode", "loopback", "--passphrase", passphrase)
        self.gpg(*secret, "--quick-add-key", fingerprint, kind, use, "never")
        return self.fingerprints(fingerprint)[-1]

    def fingerprints(self, name: str) -> list[str]:
        """Those of a key and its subkeys."""
        listed = self.gpg("--with-colons", "--fingerprint", "--fingerprint", "--list-keys", name)
        lines = (line.split(":") for line in listed.decode().splitlines())
        return [line[9] for line in lines if line[0] == "fpr"]

    def public(self, *names: str) -> bytes:
        """Public keys, to be added elsewhere."""
        return self.gpg("--export", *names)

    def secret(self, name: str) -> bytes:
        """A secret key without a passphrase, to be added elsewhere."""
        return self.gpg("--export-secret-keys", name)

    def end_agent(self) -> None:
        """End what came up for this folder."""
        subprocess.run(
            ["gpgconf", "--homedir", str(self.folder), "--kill", "all"],
            capture_output=True,
            timeout=TIME_LIMIT,
        )


@contextmanager
def key_ring(folder: Path, *keys: bytes, trusted: Sequence[str] = ()) -> Iterator[KeyRing]:
    """A ring with these keys while the block runs."""
    ring = KeyRing(folder)
    try:
        ring.add(*keys)
        ring.trust(*trusted)
        yield ring
    finally:
        ring.end_agent()


@contextmanager
def recorded_ring(folder: Path) -> Iterator[KeyRing]:
    """The ring behind the recorded packets: only the client's key is trusted."""
    names = ("server-sec.asc", "client-pub.asc", "stranger-pub.asc")
    keys = [(KEYS / name).read_bytes() for name in names]
    with key_ring(folder, *keys, trusted=[CLIENT]) as ring:
        yield ring


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that use a folder as their GPG home."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if bytes(folder) in words:
            found.append(b" ".join(words).decode())
    return found
