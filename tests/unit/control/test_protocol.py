"""The control protocol's lines: what is understood, and how everything else is refused."""

from __future__ import annotations

import json

import pytest

from fwknopd.control.protocol import (
    MAX_ANSWER,
    MAX_LINE,
    MAX_PACKET,
    MAX_TEXT,
    VERBS,
    Request,
    VerbError,
    decode_answer,
    decode_request,
    encode_error,
    encode_event,
    encode_request,
    encode_result,
)


def refusal(line: bytes) -> VerbError:
    with pytest.raises(VerbError) as raised:
        decode_request(line)
    return raised.value


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("status", {}),
        ("grants", {}),
        ("events", {"limit": 0, "after": 12, "follow": True}),
        ("events", {"before": 12}),
        ("revoke", {"client": "Ann's phone ☎"}),
        ("revoke", {"all": True}),
        ("reload", {}),
        ("explain", {"payload": "QUFB" * 950, "source": "2001:db8::7", "destination": "::"}),
    ],
)
def test_a_request_comes_back_as_it_went(verb: str, arguments: dict[str, object]) -> None:
    line = encode_request(verb, arguments)
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert decode_request(line) == Request(verb, arguments)


def test_the_longest_packet_to_explain_fits_a_line() -> None:
    address = "2001:0db8:1111:2222:3333:4444:5555:6666"
    arguments = {"payload": "Q" * (MAX_PACKET // 3 * 4), "source": address, "destination": address}
    assert len(encode_request("explain", arguments)) < MAX_LINE


def test_arguments_may_be_left_out() -> None:
    assert decode_request(b'{"verb": "status"}') == Request("status", {})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"status",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"status"',
        b"[" * 4000,
        b'{"verb": "status"',
        b'{"verb": 1}',
        b'{"verb": ["status"]}',
        b'{"arguments": {}}',
        b'{"verb": "status", "arguments": []}',
        b'{"verb": "status", "more": 1}',
        b'{"verb": "events", "arguments": {"limit": 1' + b"0" * 4500 + b"}}",
    ],
)
def test_lines_that_are_no_request(line: bytes) -> None:
    assert refusal(line).code == "bad-request"


def test_an_unknown_verb_lists_those_there_are() -> None:
    error = refusal(b'{"verb": "shutdown"}')
    assert error.code == "unknown-verb"
    assert error.remedy == f"Use one of: {', '.join(verb.name for verb in VERBS)}"


@pytest.mark.parametrize(
    ("verb", "arguments", "named"),
    [
        ("status", {"verbose": True}, "status has no argument 'verbose'"),
        ("grants", {"\x1b[31m": 1}, r"grants has no argument '\x1b[31m'"),
        ("events", {"limit": "10"}, "limit is not a whole number"),
        ("events", {"limit": True}, "limit is not a whole number"),
        ("events", {"limit": 1.5}, "limit is not a whole number"),
        ("events", {"limit": -1}, "limit is not in the range 0 to 1000"),
        ("events", {"limit": 1001}, "limit is not in the range 0 to 1000"),
        ("events", {"after": 2**60}, "after is not in the range"),
        ("events", {"follow": 1}, "follow is not true or false"),
        ("events", {"follow": None}, "follow is not true or false"),
        ("revoke", {}, "revoke needs exactly one of id, client, address, all"),
        ("revoke", {"all": False}, "revoke needs exactly one of id, client, address, all"),
        (
            "revoke",
            {"id": "a", "client": "b"},
            "revoke needs exactly one of id, client, address, all",
        ),
        ("revoke", {"client": ""}, "client is not a text of 1 to 256 characters"),
        ("revoke", {"client": "x" * (MAX_TEXT + 1)}, "client is not a text"),
        ("revoke", {"client": {"$ne": 1}}, "client is not a text"),
        ("revoke", {"address": ["192.0.2.1"]}, "address is not a text"),
        ("explain", {}, "explain needs payload"),
        ("rehearse", {"client": 1}, "rehearse needs access"),
        ("rehearse", {"client": 0}, "client is not in the range"),
        ("watch", {"seconds": 301}, "seconds is not in the range 1 to 300"),
        ("explain", {"payload": "QUFB" * 951}, "payload is not a text of 1 to 3800 characters"),
    ],
)
def test_arguments_outside_the_table(verb: str, arguments: dict[str, object], named: str) -> None:
    error = refusal(encode_request(verb, arguments))
    assert error.code == "bad-argument"
    assert named in error.message
    assert error.remedy


def test_every_verb_and_argument_has_help() -> None:
    for verb in VERBS:
        assert verb.help
        assert all(argument.help for argument in verb.arguments)


def test_results_and_refusals_come_back() -> None:
    assert decode_answer(encode_result({"revoked": 3})) == {"revoked": 3}
    with pytest.raises(VerbError) as raised:
        decode_answer(encode_error(VerbError("firewall", "it is stuck", "Restart it")))
    assert (raised.value.code, str(raised.value)) == ("firewall", "it is stuck. Restart it")


@pytest.mark.parametrize(
    "line", [b'{"ok": true}', b'{"ok": true, "result": []}', b'{"ok": false, "error": "no"}']
)
def test_an_answer_of_something_else_is_named(line: bytes) -> None:
    with pytest.raises(VerbError) as raised:
        decode_answer(line)
    assert raised.value.code == "bad-answer"


def test_too_long_an_answer_is_refused_with_its_size() -> None:
    with pytest.raises(VerbError) as raised:
        encode_result({"text": "x" * MAX_ANSWER})
    assert raised.value.code == "too-large"


def test_an_event_stays_one_line_whatever_is_in_it() -> None:
    event = {"detail": "two\nlines \r \x1b[2J \u2028 ü \udcff"}
    line = encode_event(event)
    assert line.count(b"\n") == 1
    assert b"\x1b" not in line
    assert json.loads(line) == event
