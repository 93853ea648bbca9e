"""Whether a UCI file still is what was read from it. Nobody outside learns anything of its text."""

from __future__ import annotations

from pathlib import Path

Seen = tuple[int, int, int] | None


class Freshness:
    """Of the file ``path`` with its pending changes, None of which is read while both stand still.

    ``savedir`` is where those are, None for libuci's own place.
    """

    def __init__(self, path: Path, savedir: Path | None = None) -> None:
        self._path = path
        self._savedir = savedir
        self._known: tuple[str, Seen, Seen] | None = None
        self._differs = False

    def differs(self, etag: str) -> bool:
        """Whether ``etag``, as UciStore.load has it, is that of something else by now.

        So is a file that is gone, or can't be read. Broken UCI is as good as any other.
        """
        # Not for who runs from the classic files.
        from fwknopd.uci_store import DEFAULT_SAVEDIR, StoreError, UciStore, etag_of

        savedir = self._savedir or DEFAULT_SAVEDIR
        known = (etag, _seen(self._path), _seen(savedir / self._path.name))
        if known == self._known:
            return self._differs
        try:
            now = etag_of(UciStore(self._path, savedir, lock_timeout=0.0).content())
        except StoreError:
            return True
        self._known, self._differs = known, now != etag
        return self._differs


def _seen(path: Path) -> Seen:
    """What changes when somebody writes there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
