"""What children of the daemon do with gpg: open a message, read a key ring.

Everything here runs in a fork (workers.py): python-gnupg, and what that loads, is never in
the daemon itself. A passphrase goes to gpg through a pipe. What comes back are bytes, which
`spa.gpg_report` and `spa.gpg_ring` read.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fwknopd.gpg_home import furnish, vacate
from fwknopd.policy.gpg import GpgHome
from fwknopd.policy.gpg_questions import GpgQuestion
from fwknopd.spa.gpg_report import failed, packed
from fwknopd.spa.gpg_ring import CUT
from fwknopd.spawning import SYSTEM_FOLDERS

MISSING = (
    "python-gnupg is not installed: install it (opkg install python3-gnupg, or "
    "pip install python-gnupg)"
)

LONGEST_TEXT = 20_000
"""Bytes gpg puts out at most: a knock has 1500, but compressed junk could become gigabytes."""

LONGEST_LIST = 60_000
"""Bytes of a listing that `workers.RESULT_LIMIT` lets through."""

_MODERN = (2, 1)
_LISTED = (b"pub:", b"sec:", b"sub:", b"ssb:", b"fpr:", b"uid:")


class _Fault(Exception):
    """What to tell people. Never holds what gpg said: that may be a stranger's text."""


def be_modest() -> None:
    """What a child does first."""
    # A gpg that ends early must not end us.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    # A router has other things to do, above all for clients who need no gpg.
    os.nice(5)


def decrypt(question: GpgQuestion, folder: Path) -> bytes:
    """Open a message, in a home of its own at ``folder``; for `spa.gpg_report.unpacked`."""

    def job() -> bytes:
        with _gpg(question.home, folder) as gpg:
            # gpg is given the very bytes of the passphrase.
            passphrase = question.passphrase.decode(gpg.encoding) or None
            if passphrase is None:
                gpg.options += _no_questions(gpg)
            result = gpg.decrypt(question.envelope.data, passphrase=passphrase)
            return packed(result.stderr.encode(gpg.encoding), bytes(result.data))

    return _told(job)


def list_keys(home: GpgHome, folder: Path) -> bytes:
    """The keys of a ring, secret ones first, in a home of its own at ``folder``."""

    def job() -> bytes:
        with _gpg(home, folder) as gpg:
            gpg.options += _no_questions(gpg)
            secret, public = (_listed(gpg.list_keys(secret)) for secret in (True, False))
            if len(secret) + len(public) > LONGEST_LIST:
                public = CUT.encode()
            return packed(secret + b"\n" + public, b"")

    return _told(job)


def _listed(keys: Any) -> bytes:
    lines = bytes(keys.data).splitlines()
    return b"\n".join(line for line in lines if line.startswith(_LISTED))


def _told(job: Callable[[], bytes]) -> bytes:
    """What the job returns, or why it could not."""
    try:
        return job()
    except _Fault as fault:
        return failed(str(fault))
    except OSError as error:
        return failed(f"{error.filename or 'gpg'}: {error.strerror or 'it could not be run'}")
    except Exception as error:
        return failed(f"python-gnupg failed: {type(error).__name__}")


@contextmanager
def _gpg(home: GpgHome, folder: Path) -> Iterator[Any]:
    """python-gnupg on a home that links to the ring."""
    try:
        import gnupg
    except ImportError:
        raise _Fault(MISSING) from None
    if not Path(home.folder).is_dir():
        raise _Fault(f"the key ring {home.folder} (GPG_HOME_DIR) does not exist")
    if not os.access(home.program, os.X_OK):
        raise _Fault(f"the program {home.program} (GPG_EXE) does not exist or can't be run")
    try:
        furnish(folder, Path(home.folder))
        yield _made(gnupg, home.program, folder)
    finally:
        vacate(folder)


def _made(gnupg: Any, program: str, folder: Path) -> Any:
    environment = {"PATH": os.pathsep.join(SYSTEM_FOLDERS), "LC_ALL": "C", "HOME": str(folder)}
    # Not in batch mode, in which gpg ends at a faulty signature before it has checked
    # whether somebody changed the message.
    options = ["--no-batch", "--max-output", str(LONGEST_TEXT)]
    try:
        gpg = gnupg.GPG(gpgbinary=program, gnupghome=str(folder), options=options, env=environment)
    except ValueError:
        raise _Fault(f"{program} (GPG_EXE) fails when it is started") from None
    if gpg.version is None:
        raise _Fault(f"{program} (GPG_EXE) is not gpg")
    if gpg.version >= _MODERN:
        # Nothing that a packet says leads to the network.
        gpg.options += ["--disable-dirmngr", "--no-auto-key-retrieve"]
    return gpg


def _no_questions(gpg: Any) -> list[str]:
    """There is nobody to type a passphrase."""
    return ["--pinentry-mode", "error"] if gpg.version >= _MODERN else []
