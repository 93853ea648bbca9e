"""A backup as a .tar.gz with the paths of the router, as sysupgrade makes and takes it."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fwknopd.config.uci_format import UciPackage, encode_text, format_uci, parse_uci

UCI_FILE = "etc/config/fwknopd"
CLASSIC_FOLDER = "etc/fwknop/"
MAX_UNPACKED = 4 << 20
MAX_FILE = 1 << 20
MAX_MEMBERS = 500

_GZIP = b"\x1f\x8b"


class NoBackup(Exception):
    """There is no configuration of ours in it."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What was in a backup. ``others`` are the names of further files of ours in it."""

    package: UciPackage = field(repr=False)
    others: tuple[str, ...] = ()


def pack(package: UciPackage, others: Mapping[str, str], now: float) -> bytes:
    """The archive: the UCI file, and texts by path. ``now`` (epoch seconds) dates the files."""
    # Loaded for a backup only, like gzip's part of it.
    import tarfile

    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, text in {UCI_FILE: format_uci(package), **others}.items():
            content = encode_text(text)
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o600, int(now)
            member.uname = member.gname = "root"
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def unpack(data: bytes) -> Backup:
    """What is in an archive, or in a UCI file by itself. Raises NoBackup, ConfigError."""
    if not data.startswith(_GZIP):
        return Backup(_parsed(data))
    found = dict(_members(_decompressed(data)))
    if UCI_FILE not in found:
        raise NoBackup
    others = sorted(name for name in found if name.startswith(CLASSIC_FOLDER))
    return Backup(_parsed(found[UCI_FILE]), tuple(others))


def _parsed(data: bytes) -> UciPackage:
    """Raises NoBackup for what isn't even text, ConfigError for a broken UCI file."""
    if b"\0" in data:
        raise NoBackup
    package = parse_uci(data, UCI_FILE)
    if not package.sections:
        raise NoBackup
    return package


def _decompressed(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(31)
    try:
        raw = unpacker.decompress(data, MAX_UNPACKED + 1)
    except zlib.error as error:
        raise NoBackup from error
    if len(raw) > MAX_UNPACKED:
        raise NoBackup
    return raw


def _members(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the plain files, nothing else and not too many."""
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as archive:
            for number, member in enumerate(archive):
                if number >= MAX_MEMBERS:
                    return
                plain = member.isreg() and not member.issparse() and member.size <= MAX_FILE
                file = archive.extractfile(member) if plain else None
                if file is not None:
                    yield member.name.removeprefix("./").lstrip("/"), file.read(MAX_FILE)
    except (tarfile.TarError, ValueError, EOFError, OSError, IndexError) as error:
        raise NoBackup from error
