"""The control protocol against arbitrary lines: a checked request or one error, nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.control.protocol import (
    VERBS,
    VerbError,
    decode_answer,
    decode_request,
    encode_error,
    encode_event,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NAMES = st.sampled_from([a.name for verb in VERBS for a in verb.arguments]) | st.text()
REQUESTS = st.fixed_dictionaries(
    {"verb": st.sampled_from([verb.name for verb in VERBS])},
    optional={"arguments": st.dictionaries(NAMES, JSON, max_size=3)},
)


def checked(line: bytes) -> None:
    """Whatever gets through is in the table, with values of the declared kinds."""
    try:
        request = decode_request(line)
    except VerbError as error:
        assert error.code in {"bad-request", "bad-argument", "unknown-verb"}
        assert encode_error(error).count(b"\n") == 1
        return
    (verb,) = (verb for verb in VERBS if verb.name == request.verb)
    kinds = {argument.name: argument.kind for argument in verb.arguments}
    types = {"text": str, "number": int, "flag": bool}
    for name, value in request.arguments.items():
        assert type(value) is types[kinds[name]]


@given(line=st.binary())
def test_arbitrary_bytes(line: bytes) -> None:
    checked(line)


@given(request=REQUESTS | JSON)
def test_arbitrary_requests(request: object) -> None:
    checked(json.dumps(request).encode())


@given(line=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_answers(line: bytes) -> None:
    try:
        assert isinstance(decode_answer(line), dict)
    except VerbError as error:
        assert str(error) is not None


@given(event=st.dictionaries(st.text(), JSON))
def test_an_event_is_always_one_ascii_line(event: dict[str, object]) -> None:
    line = encode_event(event)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()


def test_a_value_json_has_no_word_for_is_no_event() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_event({"time": float("nan")})
