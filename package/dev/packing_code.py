"""A module's byte code without what no program looks at.

That is documentation, annotations (of what classes have all but that there is one), places in the
source, and what local variables and the functions of classes are called in full. A traceback
names functions and their first lines.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from inspect import CO_VARARGS, CO_VARKEYWORDS
from pathlib import Path
from types import CodeType
from typing import TypeVar

PACKAGES = ("fwknopd", "fwknop_webui")

_Function = TypeVar("_Function", ast.FunctionDef, ast.AsyncFunctionDef)
_Node = TypeVar("_Node", ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SPECIAL = {"ClassVar", "InitVar", "KW_ONLY"}
"""Of what has such an annotation dataclasses make no field, or another one."""

_LONGEST = 8
"""So many instructions fit one entry of a code object's table of lines."""
_LOCAL = "."
"""What all those local variables are called of which nobody has to know the name."""


def byte_codes(sources: Iterable[Path]) -> list[CodeType]:
    """The byte code of modules, without what no program looks at."""
    codes = [_compiled(source) for source in sources]
    longest = max((len(part.co_code) for code in codes for part in _parts(code)), default=0)
    lines = _one_line(longest // 2)
    return [_reduced(code, lines) for code in codes]


def _compiled(source: Path) -> CodeType:
    return compile(stripped(source), _label(source), "exec", dont_inherit=True, optimize=1)


def _parts(code: CodeType) -> Iterator[CodeType]:
    """The code and all that is in it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _parts(inner)


def _label(source: Path) -> str:
    """What a traceback calls it: fwknopd/spa/packet.py."""
    folders = source.parts
    top = next(i for i, folder in enumerate(folders) if folder in PACKAGES)
    return "/".join(folders[top:])


@cache
def stripped(source: Path) -> ast.Module:
    """The same program without documentation and annotations."""
    tree = _Stripped().visit(ast.parse(source.read_bytes()))
    without: ast.Module = ast.fix_missing_locations(tree)
    return without


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
            return node if _SPECIAL & _names(node.annotation) else _of_any_type(node)
        if node.value is None:
            return ast.Pass()
        return ast.Assign([node.target], node.value)

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_If(self, node: ast.If) -> ast.If | list[ast.stmt]:
        self.generic_visit(node)
        for_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if for_types else node


def _names(annotation: ast.expr) -> set[str]:
    """What is named in an annotation, be it a text."""
    return set(re.findall(r"\w+", ast.unparse(annotation)))


def _of_any_type(node: ast.AnnAssign) -> ast.AnnAssign:
    """Dataclasses and named tuples ask whether there is an annotation, not which."""
    node.annotation = ast.Name("object", ast.Load())
    return node


def _reduced(code: CodeType, lines: bytes) -> CodeType:
    """The same with all instructions of a function on its first line, and without needless names.

    Tables of lines are a fifth of byte code. One for all has more lines than most functions need.
    """
    inner = tuple(_reduced(c, lines) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(
        co_linetable=lines,
        co_consts=inner,
        co_qualname=code.co_name,
        co_varnames=tuple(_names_kept(code)),
    )


def _names_kept(code: CodeType) -> Iterator[str]:
    """Names of local variables: of those that are neither arguments nor shared, none is needed."""
    starred = bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    arguments = code.co_argcount + code.co_kwonlyargcount + starred
    for number, name in enumerate(code.co_varnames):
        yield name if number < arguments or name in code.co_cellvars else _LOCAL


def _one_line(instructions: int) -> bytes:
    """A table of lines: entries without columns (kind 13), none of which leads to another line."""
    return bytes((0x80 | 13 << 3 | _LONGEST - 1, 0)) * -(-instructions // _LONGEST)
