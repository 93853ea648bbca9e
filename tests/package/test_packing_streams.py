"""Byte code in streams: what comes out is what Python compiled."""

from __future__ import annotations

import marshal
from types import CodeType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.packed import joined
from package.dev.packing_streams import PackingError, free_marks, parted

PARTS = (
    *("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_stacksize", "co_flags"),
    *("co_code", "co_names", "co_varnames", "co_cellvars", "co_freevars", "co_filename"),
    *("co_name", "co_qualname", "co_firstlineno", "co_linetable", "co_exceptiontable"),
)
PROGRAM = '''
class Counter:
    """Counts."""
    def __init__(self, first, /, *rest, step=1, **others):
        super().__init__()
        self.value = first + 2**70 + len(rest)
        def inner(more):
            nonlocal first
            first += more * step
            return [first + self.value for number in range(1000) if number not in (1, 1.0, True)]
        self.inner = inner
def caught(text="äöü", *, long={long!r}):
    try:
        return text in {{"a", "b"}}, 0.0, -0.0, 1j, b"bytes", ..., None, "\\udc80"
    except ValueError as error:
        raise KeyError from error
TABLE = {table}
'''


def code_of(program: str) -> CodeType:
    return compile(program, "p.py", "exec", dont_inherit=True)


def back(*codes: CodeType) -> tuple[CodeType, ...]:
    marks = free_marks([codes])
    whole = joined(parted(codes, marks), marks)
    found: tuple[CodeType, ...] = marshal.loads(whole)  # noqa: S302 - what was just made
    return found


def assert_same(found: object, wanted: object) -> None:
    """Python takes 1, 1.0 and True for the same, and code that differs in its lines."""
    assert type(found) is type(wanted)
    if isinstance(wanted, CodeType):
        for part in PARTS:
            assert getattr(found, part) == getattr(wanted, part), part
        assert_same(found.co_consts, wanted.co_consts)  # type: ignore[attr-defined]
    elif isinstance(wanted, tuple):
        assert len(found) == len(wanted)  # type: ignore[arg-type]
        for one, other in zip(found, wanted, strict=True):  # type: ignore[call-overload]
            assert_same(one, other)
    else:
        assert repr(found) == repr(wanted) or isinstance(wanted, frozenset)
        assert found == wanted


def test_a_program_comes_back_as_it_was_compiled() -> None:
    program = PROGRAM.format(long="x" * 300, table=tuple(range(300)))
    codes = code_of(program), code_of("import os\n"), code_of("")
    assert_same(back(*codes), codes)


def test_what_comes_back_runs() -> None:
    program = PROGRAM.format(long="x" * 300, table=tuple(range(300)))
    (code,) = back(code_of(program + "FOUND = Counter(1, 2, step=3).inner(4)[0], caught()[2:4]\n"))
    names: dict[str, object] = {"__name__": "p"}
    exec(code, names)  # noqa: S102 - that it can be
    assert repr(names["FOUND"]) == f"({15 + 2**70}, (-0.0, 1j))"


def test_equal_values_are_written_once() -> None:
    codes = [code_of(f"a = 'the same text', ('b', {number})") for number in range(20)]
    marks = free_marks([codes])
    assert joined(parted(codes, marks), marks).count(b"the same text") == 1


CONSTANTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.floats(),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=20,
)


@given(st.lists(CONSTANTS, max_size=8))
def test_any_constants_come_back(constants: list[object]) -> None:
    code = code_of("").replace(co_consts=tuple(constants))
    (found,) = back(code)
    assert repr(found.co_consts) == repr(code.co_consts)


def test_a_slice_is_written_as_python_reads_it_since_3_14() -> None:
    """Before, it makes none that is a constant, and reads none."""
    code = code_of("").replace(co_consts=(slice(None, 3), slice(True, 1, None), slice(1)))
    marks = free_marks([[code]])
    written = joined(parted([code], marks), marks)
    one, three = b"i\1\0\0\0", b"i\3\0\0\0"
    assert b":N" + three + b"N" + b":T" + one + b"N" + b":N" + one + b"N" in written


def test_marks_are_none_of_what_is_in_the_code() -> None:
    many = bytes(byte for last in range(240) for byte in (255, last))
    codes = [code_of("").replace(co_consts=(many, b"\xff", "\xff"))]
    assert [mark[1] for mark in free_marks([codes])] == list(range(240, 249))
    assert_same(back(*codes), tuple(codes))
    every = bytes(byte for last in range(255) for byte in (255, last))
    with pytest.raises(PackingError, match="all that could tell its parts"):
        free_marks([[code_of("").replace(co_consts=(every,))]])


def test_what_no_byte_code_has_is_refused() -> None:
    code = code_of("").replace(co_consts=(range(3),))
    with pytest.raises(PackingError, match="a constant of the type range"):
        parted([code], free_marks([]))
