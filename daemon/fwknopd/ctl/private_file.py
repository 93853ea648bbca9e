"""Writing files that hold keys: readable by their owner alone, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from fwknopd.config.uci_format import encode_text
from fwknopd.ctl.errors import CtlError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_private(path: Path, text: str, *, force: bool) -> None:
    """Write ``text``, mode 0600; an existing file is replaced only with ``force``.

    Raises CtlError, and then the old file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(temporary, _NEW, 0o600), "wb") as file:
            file.write(encode_text(text))
            file.flush()
            os.fsync(file.fileno())
        if force:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)
    except FileExistsError:
        raise exists_error(path) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CtlError(
            f"{path} can't be written: {reason}", "Name a folder you may write to"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def exists_error(path: Path) -> CtlError:
    """The refusal to write over a file."""
    return CtlError(
        f"{path} exists already", "Name another folder; to replace it, add --force", "exists"
    )


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
