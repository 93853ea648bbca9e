"""The archives: the same files give the same bytes, whoever packs them, when and where."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

_OF_CONTROL = re.compile(rb"^Installed-Size: .*$", re.MULTILINE)


def ipk_bytes(root: Path, control: Mapping[str, bytes], epoch: int) -> bytes:
    """A package: a gzipped tar of its version, its files and what is said about them.

    ``epoch`` is the time that all files get, in seconds since 1970.
    """
    data = data_tar(root, epoch)
    size = b"Installed-Size: %d" % len(data)
    told = {**control, "control": _OF_CONTROL.sub(size, control["control"])}
    parts = {
        "debian-binary": b"2.0\n",
        "data.tar.gz": _gzipped(data),
        "control.tar.gz": _gzipped(_tar(told, epoch)),
    }
    return _gzipped(_tar(parts, epoch, with_folder=False))


def data_tar(root: Path, epoch: int) -> bytes:
    """The files of a folder, by name, owned by root."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in (root, *sorted(root.rglob("*"))):
            member = archive.gettarinfo(path, _member_name(path.relative_to(root)))
            _anonymise(member, epoch)
            if member.isreg():
                archive.addfile(member, io.BytesIO(path.read_bytes()))
            else:
                archive.addfile(member)
    return out.getvalue()


def _tar(files: Mapping[str, bytes], epoch: int, *, with_folder: bool = True) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        if with_folder:
            folder = tarfile.TarInfo(".")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            _anonymise(folder, epoch)
            archive.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            member.mode = 0o755 if content.startswith(b"#!") else 0o644
            _anonymise(member, epoch)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _member_name(path: Path) -> str:
    return "." if path == Path() else f"./{path.as_posix()}"


def _anonymise(member: tarfile.TarInfo, epoch: int) -> None:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = epoch


def _gzipped(content: bytes) -> bytes:
    # Without a name and a time in its header.
    return gzip.compress(content, 9, mtime=0)
