"""Base64 of packets: one text per value."""

from __future__ import annotations

import pytest

from fwknopd.spa import base64


@pytest.mark.parametrize(
    ("data", "text"), [(b"", b""), (b"a", b"YQ"), (b"ab", b"YWI"), (b"abc", b"YWJj")]
)
def test_values_have_unpadded_texts(data: bytes, text: bytes) -> None:
    assert base64.encode(data) == text
    assert base64.decode(text) == data


@pytest.mark.parametrize(("text", "data"), [(b"YQ==", b"a"), (b"YWI=", b"ab")])
def test_correct_padding_may_be_there(text: bytes, data: bytes) -> None:
    assert base64.decode(text) == data


@pytest.mark.parametrize(
    "text",
    [
        b"Y",
        b"YWJjZ",
        b"YR",
        b"YWJ",
        b"YQ=",
        b"YQ===",
        b"YWJj=",
        b"YWJj====",
        b"YQ==YQ",
        b"YQ==x",
        b"=",
        b"=YQ",
        b"Y-_Q",
        b" YQ",
        b"YQ\n",
        b"Y Q",
        b"\xff\xff",
    ],
)
def test_other_texts_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        base64.decode(text)


@pytest.mark.parametrize(
    ("text", "data"),
    [(b"YR", b"a"), (b"YWJjZ", b"abc"), (b"YQ=junk*", b"a"), (b"Y", b""), (b"=", b"")],
)
def test_lenient_decoding_reads_what_libfko_reads(text: bytes, data: bytes) -> None:
    assert base64.decode_lenient(text) == data


def test_lenient_decoding_still_has_an_alphabet() -> None:
    with pytest.raises(ValueError):
        base64.decode_lenient(b"Y*Jj")
