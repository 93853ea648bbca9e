"""Pack a Python package for a router: byte code in few files that take a quarter of the room.

Usage: python packing.py PACKAGE TARGET

PACKAGE is the folder of its sources, TARGET the folder of the same name that a router gets:
`__init__.pyc`, packs with all other modules, and one archive with whatever is no module. Left
out is what no program looks at: documentation, annotations (but those of classes, which
dataclasses read) and places in the source. A traceback names functions and their first lines.

Needs the standard library alone, and writes for the minor version of Python it is run by.
"""

from __future__ import annotations

import ast
import io
import marshal
import py_compile
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import CodeType
from typing import TypeVar

SERVE = "\nfrom fwknopd.packed import serve as _serve\n_serve(__path__)\n"
"""The end of a package's own module on a router."""

FILES = ("__init__", "packed", "start")
"""Modules that have files of their own. Without two of them nothing is imported out of packs, and
the third must not wait for a pack: it decides what becomes of signals."""

DATA = "data.z"
NO_DATA = (".py", ".pyc", ".po", ".pot", ".typed")

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

WEBUI = Path(__file__).resolve().parents[2] / "webui/fwknop_webui"
"""The page's sources: what it imports of the daemon's is read at once for it."""

_Function = TypeVar("_Function", ast.FunctionDef, ast.AsyncFunctionDef)
_Node = TypeVar("_Node", ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_LONGEST = 8
"""So many instructions fit one entry of a code object's table of lines."""


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0, or 2 for a wrong command line."""
    if len(arguments) != 2:
        print("usage: packing.py PACKAGE TARGET", file=sys.stderr)
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
            modules.pop(f"{package}.{name}")
    for name, pieces in _packs(package, modules).items():
        (target / f"{name}.pack").write_bytes(pack(pieces, modules))
    if data := _data(source):
        (target / DATA).write_bytes(zlib.compress(data, 9))


def _modules(source: Path) -> Iterator[tuple[str, Path]]:
    """Names and sources; a package's own module is called PACKAGE.__init__."""
    for path in sorted(source.rglob("*.py")):
        yield ".".join(path.relative_to(source.parent).with_suffix("").parts), path


def _write_file(source: Path, target: Path) -> None:
    text = source.read_text()
    if source.stem == "__init__":
        text += SERVE
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, source.name)
        whole.write_text(text)
        py_compile.compile(
            str(whole),
            str(target),
            _label(source),
            doraise=True,
            optimize=2,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


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
    return {**packs, "others": [(name,) for name in modules if name not in packed]}


def imported_with(roots: Iterable[str], modules: Mapping[str, Path]) -> set[str]:
    """These modules and all that importing them imports, of those given."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        for name in _with_packages(waiting.pop(), modules):
            if name not in found:
                found.add(name)
                waiting += _imports(_stripped(modules[name]))
    return found


def _with_packages(name: str, modules: Mapping[str, Path]) -> Iterator[str]:
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        part = ".".join(parts[:length])
        yield from (known for known in (part, f"{part}.__init__") if known in modules)


def _imports(tree: ast.AST) -> Iterator[str]:
    """What a module imports while it is loaded; of ``from a import b``, a and a.b."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _imports(node)


def pack(pieces: Iterable[tuple[str, ...]], modules: Mapping[str, Path]) -> bytes:
    """The file fwknopd.packed reads: a list of pieces, and their byte code."""
    listed, codes = [], []
    for names in pieces:
        codes.append(marshal.dumps(tuple(byte_code(modules[name]) for name in names)))
        listed.append((len(codes[-1]), names))
    head = zlib.compress(marshal.dumps(listed), 9)
    return len(head).to_bytes(4, "little") + head + zlib.compress(b"".join(codes), 9)


def byte_code(source: Path) -> CodeType:
    """The byte code of a module without what no program looks at."""
    code = compile(_stripped(source), _label(source), "exec", dont_inherit=True, optimize=1)
    return _without_places(code)


def _label(source: Path) -> str:
    """What a traceback calls it: fwknopd/spa/packet.py."""
    folders = source.parts
    top = next(i for i, folder in enumerate(folders) if folder in TOGETHER)
    return "/".join(folders[top:])


@cache
def _stripped(source: Path) -> ast.Module:
    """The same program without documentation and annotations."""
    tree = _Stripped().visit(ast.parse(source.read_bytes()))
    stripped: ast.Module = ast.fix_missing_locations(tree)
    return stripped


class _Stripped(ast.NodeTransformer):
    _in_class = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        return self._function(node)

    def _function(self, node: _Function) -> _Function:
        node.returns = None
        told: ast.arguments = node.args
        rest: list[ast.arg] = [argument for argument in (told.vararg, told.kwarg) if argument]
        for argument in (*told.posonlyargs, *told.args, *told.kwonlyargs, *rest):
            argument.annotation = None
        return self._body(node, in_class=False)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        documented = ast.get_docstring(node) is not None
        self._body(node, in_class=True)
        if documented and node.decorator_list:
            # A dataclass without any makes up its own when it is defined, which takes long.
            node.body.insert(0, ast.Expr(ast.Constant(".")))
        return node

    def _body(self, node: _Node, *, in_class: bool) -> _Node:
        outer, self._in_class = self._in_class, in_class
        self.generic_visit(node)
        self._in_class = outer
        node.body = node.body or [ast.Pass()]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        if self._in_class:
            return node
        if node.value is None:
            return ast.Pass()
        return ast.Assign([node.target], node.value)

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_If(self, node: ast.If) -> ast.If | list[ast.stmt]:
        self.generic_visit(node)
        for_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if for_types else node


def _without_places(code: CodeType) -> CodeType:
    """Every instruction of a function on its first line: the rest is a fifth of byte code."""
    inner = tuple(_without_places(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_linetable=_one_line(len(code.co_code) // 2), co_consts=inner)


def _one_line(instructions: int) -> bytes:
    """A table of lines: entries without columns (kind 13), none of which leads to another line."""
    table = bytearray()
    while instructions > 0:
        length = min(instructions, _LONGEST)
        table += bytes((0x80 | 13 << 3 | length - 1, 0))
        instructions -= length
    return bytes(table)


def _data(source: Path) -> bytes:
    """An archive, itself not compressed, of all files that are no modules; b"" for none."""
    files = [path for path in sorted(source.rglob("*")) if _is_data(path)]
    if not files:
        return b""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            # The time is 1980 for all.
            archive.writestr(
                zipfile.ZipInfo(path.relative_to(source).as_posix()), path.read_bytes()
            )
    return content.getvalue()


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in NO_DATA and "__pycache__" not in path.parts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
