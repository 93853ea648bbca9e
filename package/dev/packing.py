"""Pack a Python package for a router: byte code in few files that take a fifth of the room.

Usage: python -m package.dev.packing PACKAGE TARGET

PACKAGE is the folder of its sources, TARGET the folder of the same name that a router gets:
`__init__.pyc`, packs with all other modules, and one archive with whatever is no module.

Needs the standard library alone, and writes for the minor version of Python it is run by.
"""

from __future__ import annotations

import ast
import marshal
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import MAGIC_NUMBER
from pathlib import Path

from package.dev.packing_code import byte_codes, stripped
from package.dev.packing_data import archive
from package.dev.packing_streams import free_marks, parted

SERVE = "\nfrom fwknopd.packed import serve as _serve\n_serve(__path__)\n"
"""The end of a package's own module on a router."""

FILES = ("__init__", "packed", "start")
"""Modules that have files of their own. Without two of them nothing is imported out of packs, and
the third must not wait for a pack: it decides what becomes of signals."""

DATA = "data.z"

DAEMON = (
    *("fwknopd.cli", "fwknopd.runner", "fwknopd.service"),
    *("fwknopd.config.uci_config", "fwknopd.uci_store", "fwknopd.spa.cipher"),
    *("fwknopd.capture.pcap", "fwknopd.firewall.nftables", "fwknopd.firewall.nft_judging"),
)
PAGE = ("fwknop_webui.cli", "fwknop_webui.app", "fwknop_webui.serving")
TOGETHER: Mapping[str, Mapping[str, Sequence[str]]] = {
    "fwknopd": {"daemon": DAEMON, "page": PAGE},
    "fwknop_webui": {"page": PAGE},
}
"""Modules that are read at once, with all they import while they are loaded, by the pack's name."""

COMMANDS = "fwknopd.ctl."

WEBUI = Path(__file__).resolve().parents[2] / "webui/fwknop_webui"
"""The page's sources: what it imports of the daemon's is read at once for it."""


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0, or 2 for a wrong command line."""
    if len(arguments) != 2:
        print("usage: packing PACKAGE TARGET", file=sys.stderr)
        return 2
    pack_package(Path(arguments[0]), Path(arguments[1]))
    return 0


def pack_package(source: Path, target: Path) -> None:
    """Write what a router gets of the package in ``source``."""
    target.mkdir(parents=True, exist_ok=True)
    package = source.name
    modules = dict(_modules(source))
    for name in FILES:
        if (source / f"{name}.py").exists():
            _write_file(source / f"{name}.py", target / f"{name}.pyc")
            del modules[f"{package}.{name}"]
    for name, pieces in _packs(package, modules).items():
        (target / f"{name}.pack").write_bytes(pack(pieces, modules))
    if data := archive(source):
        (target / DATA).write_bytes(data)


def _modules(source: Path) -> Iterator[tuple[str, Path]]:
    """Names and sources; a package's own module is called PACKAGE.__init__."""
    for path in sorted(source.rglob("*.py")):
        yield ".".join(path.relative_to(source.parent).with_suffix("").parts), path


def _write_file(source: Path, target: Path) -> None:
    """A file as Python itself would write it."""
    with tempfile.TemporaryDirectory() as folder:
        # Its folder has the package's name, for that is in the byte code.
        whole = Path(folder, source.parent.name, source.name)
        whole.parent.mkdir()
        whole.write_text(source.read_text() + (SERVE if source.stem == "__init__" else ""))
        (code,) = byte_codes([whole])
    # Flags: it is not to be compared with a source. No source's hash.
    head = MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    target.write_bytes(head + marshal.dumps(code))


def _packs(package: str, modules: Mapping[str, Path]) -> dict[str, list[tuple[str, ...]]]:
    """The pieces of each pack by its name: those read at once, and one with all others."""
    known = {**dict(_modules(WEBUI)), **modules}
    wanted = {
        pack: imported_with(roots, known) & modules.keys()
        for pack, roots in TOGETHER[package].items()
    }
    if len(wanted) > 1:
        common = set.intersection(*wanted.values())
        wanted = {"common": common, **{pack: names - common for pack, names in wanted.items()}}
    packs = {pack: [tuple(n for n in modules if n in names)] for pack, names in wanted.items()}
    packed = set.union(*wanted.values())
    late = [name for name in modules if name not in packed]
    return {**packs, "others": _bunches(late, known)}


def _bunches(late: Sequence[str], modules: Mapping[str, Path]) -> list[tuple[str, ...]]:
    """Those modules together of which none is imported without all the others.

    And those of commands, which end before it matters what they have in memory.
    """
    firsts = _first_imported(late, modules)
    bunches: dict[object, list[str]] = {}
    for name in late:
        wanted_by = tuple(name in found for found in firsts)
        bunches.setdefault(name.startswith(COMMANDS) or wanted_by, []).append(name)
    return [tuple(names) for names in bunches.values()]


def _first_imported(late: Sequence[str], modules: Mapping[str, Path]) -> list[set[str]]:
    """What comes with each module that functions import, or that nobody imports by its name."""
    by_functions = {name for path in modules.values() for name in _late_imports(stripped(path))}
    by_modules = {
        part
        for name in late
        for found in _imports(stripped(modules[name]))
        for part in _with_packages(found, modules)
    }
    return [
        imported_with([name], modules)
        for name in late
        if name.removesuffix(".__init__") in by_functions or name not in by_modules
    ]


def imported_with(roots: Iterable[str], modules: Mapping[str, Path]) -> set[str]:
    """These modules and all that importing them imports, of those given."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        for name in _with_packages(waiting.pop(), modules):
            if name not in found:
                found.add(name)
                waiting += _imports(stripped(modules[name]))
    return found


def _with_packages(name: str, modules: Mapping[str, Path]) -> Iterator[str]:
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        part = ".".join(parts[:length])
        yield from (known for known in (part, f"{part}.__init__") if known in modules)


def _imports(node: ast.AST) -> Iterator[str]:
    """What a module imports while it is loaded; of ``from a import b``, a and a.b."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for inner in ast.iter_child_nodes(node):
            yield from _imports(inner)


def _late_imports(tree: ast.AST) -> Iterator[str]:
    """What its functions import when they are called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                yield from _imports(statement)


def pack(pieces: Sequence[tuple[str, ...]], modules: Mapping[str, Path]) -> bytes:
    """The file fwknopd.packed reads: what is in it, and the byte code in compressed streams."""
    names = [name for piece in pieces for name in piece]
    codes = dict(zip(names, byte_codes(modules[name] for name in names), strict=True))
    grouped = [[codes[name] for name in piece] for piece in pieces]
    marks = free_marks(grouped)
    parts = [parted(group, marks) for group in grouped]
    streams = [zlib.compress(b"".join(stream), 9) for stream in zip(*parts, strict=True)]
    listed = [(tuple(map(len, part)), piece) for part, piece in zip(parts, pieces, strict=True)]
    told = marshal.dumps((tuple(marks), tuple(map(len, streams)), listed))
    head = zlib.compress(told, 9)
    return b"".join((len(head).to_bytes(4, "little"), head, *streams))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
