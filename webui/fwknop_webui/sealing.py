"""Sealing and opening backups in a process of its own, which takes its memory along.

The crypto library and scrypt take some 40 MiB for a moment, and a part of that would stay with
the page. Passphrase and content go by pipe: they are in no argument and no environment.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from fwknop_webui import sealed_backup
from fwknop_webui.sealed_backup import NotThisFormat, SealError, WrongPassphrase

SEAL, UNSEAL = "seal", "unseal"
TIMEOUT = 50.0
"""Seconds with the wait for another one; a slow router needs a few. uhttpd waits 60 for a page."""

# One at a time: parallel tries would each take scrypt's memory of a small router.
_LOCK = threading.Lock()
_PROGRAM = f"import sys; from {__name__} import main; sys.exit(main())"
_CODES: dict[type[SealError], int] = {NotThisFormat: 10, WrongPassphrase: 11}


def seal(content: bytes, passphrase: str) -> bytes:
    """See sealed_backup.seal. Raises OSError when no process can be had."""
    return _run(SEAL, content, passphrase)


def unseal(data: bytes, passphrase: str) -> bytes:
    """See sealed_backup.unseal. Raises OSError too."""
    return _run(UNSEAL, data, passphrase)


def _run(what: str, content: bytes, passphrase: str) -> bytes:
    until = time.monotonic() + TIMEOUT
    if not _LOCK.acquire(timeout=TIMEOUT):
        raise TimeoutError("others took too long")
    try:
        return _run_alone(what, content, passphrase, until - time.monotonic())
    finally:
        _LOCK.release()


def _run_alone(what: str, content: bytes, passphrase: str, seconds: float) -> bytes:
    import subprocess  # Most pages never need it.

    order = {"do": what, "passphrase": passphrase, "cost": sealed_backup.LOG2_N}
    try:
        done = subprocess.run(
            # -P: with -c alone, a json.py in the folder somebody started the page in would be run.
            [sys.executable, "-P", "-c", _PROGRAM],
            input=json.dumps(order).encode() + b"\n" + content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError("sealing took too long") from error
    for kind, code in _CODES.items():
        if done.returncode == code:
            raise kind
    if done.returncode:
        raise ChildProcessError(f"sealing ended with status {done.returncode}")
    return done.stdout


def main() -> int:
    """Do what stands in the first line of the input with what comes behind it."""
    line, _, content = sys.stdin.buffer.read().partition(b"\n")
    order = json.loads(line)
    sealed_backup.LOG2_N = int(order["cost"])
    work = sealed_backup.seal if order["do"] == SEAL else sealed_backup.unseal
    try:
        sys.stdout.buffer.write(work(content, order["passphrase"]))
    except (NotThisFormat, WrongPassphrase) as error:
        return _CODES[type(error)]
    return 0
