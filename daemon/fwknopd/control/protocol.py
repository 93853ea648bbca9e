"""The control protocol: one JSON object a line, in both directions. Pure.

    -> {"verb": "revoke", "arguments": {"client": "phone"}}
    <- {"ok": true, "result": {"revoked": 1}}
    <- {"ok": false, "error": {"code": "...", "message": "...", "remedy": "..."}}

After ``events`` with ``follow`` the daemon goes on sending one event a line, and takes
no further requests on that connection. `verb_table` is all there is: a verb or an
argument that isn't in it is refused before any code sees it. Lines are ASCII.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fwknopd.control.verb_table import MAX_PACKET, MAX_TEXT, VERBS, Argument, Kind, Verb

__all__ = [
    "MAX_ANSWER",
    "MAX_LINE",
    "MAX_PACKET",
    "MAX_TEXT",
    "VERBS",
    "Json",
    "Request",
    "VerbError",
    "decode_answer",
    "decode_event",
    "decode_request",
    "encode_error",
    "encode_event",
    "encode_request",
    "encode_result",
]

Json = dict[str, Any]

MAX_LINE = 4096
"""Bytes of a request, its newline included."""

MAX_ANSWER = 2 * 1024 * 1024
"""Bytes of an answer: some 9,000 open doors."""


class VerbError(Exception):
    """A request is refused or failed. ``code`` is for programs, the rest for people."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}" if remedy else message)
        self.code = code
        self.message = message
        self.remedy = remedy


_BY_NAME = {verb.name: verb for verb in VERBS}


@dataclass(frozen=True, slots=True)
class Request:
    """A request that agrees with the table."""

    verb: str
    arguments: Json


def encode_request(verb: str, arguments: Mapping[str, object]) -> bytes:
    """One request as a line."""
    return _line({"verb": verb, "arguments": dict(arguments)})


def decode_request(line: bytes) -> Request:
    """The request in ``line``, every argument checked. Raises VerbError."""
    request = _object(line)
    if not request.keys() <= {"verb", "arguments"}:
        raise _bad_request('it has other members than "verb" and "arguments"')
    name, arguments = request.get("verb"), request.get("arguments", {})
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise _bad_request('it needs a text "verb" and perhaps an object "arguments"')
    verb = _BY_NAME.get(name)
    if verb is None:
        raise VerbError("unknown-verb", "there is no such verb", f"Use one of: {_names(VERBS)}")
    _check_arguments(verb, arguments)
    return Request(name, arguments)


def encode_result(result: Mapping[str, object]) -> bytes:
    """An answer as a line. Raises VerbError when it is longer than MAX_ANSWER."""
    line = _line({"ok": True, "result": result})
    if len(line) > MAX_ANSWER:
        raise VerbError(
            "too-large",
            f"the answer has {len(line)} bytes, more than the {MAX_ANSWER} that can be sent",
            "Ask for less",
        )
    return line


def encode_error(error: VerbError) -> bytes:
    """A refusal as a line."""
    told = {"code": error.code, "message": error.message, "remedy": error.remedy}
    return _line({"ok": False, "error": told})


def encode_event(event: Mapping[str, object]) -> bytes:
    """One event of a stream as a line."""
    return _line(event)


def decode_event(line: bytes) -> Json:
    """The event in ``line``. Raises VerbError."""
    return _object(line)


def decode_answer(line: bytes) -> Json:
    """The result in an answer. Raises VerbError: the daemon's refusal, or ``bad-answer``."""
    answer = _object(line)
    result = answer.get("result")
    if answer.get("ok") is True and isinstance(result, dict):
        return result
    error = answer.get("error")
    if not isinstance(error, dict):
        raise VerbError(
            "bad-answer", "the answer is not one of the daemon's", "Is this its control socket?"
        )
    told = (error.get(key) for key in ("code", "message", "remedy"))
    raise VerbError(*(part if isinstance(part, str) else "" for part in told))


def _check_arguments(verb: Verb, arguments: Json) -> None:
    known = {argument.name: argument for argument in verb.arguments}
    for name, value in arguments.items():
        if name not in known:
            raise _bad_argument(
                f"{verb.name} has no argument {name[:MAX_TEXT]!a}",
                f"It takes: {_names(verb.arguments) or 'none'}",
            )
        _check_value(known[name], value)
    for argument in verb.arguments:
        if argument.needed and argument.name not in arguments:
            raise _bad_argument(f"{verb.name} needs {argument.name}", argument.help)
    if verb.exactly_one:
        _check_alternatives(verb, arguments)


def _check_alternatives(verb: Verb, arguments: Json) -> None:
    alternatives = tuple(argument for argument in verb.arguments if not argument.beside)
    # One that is switched off says nothing.
    given = [a for a in alternatives if arguments.get(a.name, False) is not False]
    if len(given) != 1:
        message = f"{verb.name} needs exactly one of {_names(alternatives)}"
        raise _bad_argument(message, f"What it does: {verb.help}")


def _check_value(argument: Argument, value: object) -> None:
    if argument.kind is Kind.FLAG:
        if not isinstance(value, bool):
            raise _bad_argument(f"{argument.name} is not true or false", "Give true or false")
    elif argument.kind is Kind.TEXT:
        if not isinstance(value, str) or not 0 < len(value) <= argument.longest:
            raise _bad_argument(
                f"{argument.name} is not a text of 1 to {argument.longest} characters",
                argument.help,
            )
    elif isinstance(value, bool) or not isinstance(value, int):
        raise _bad_argument(f"{argument.name} is not a whole number", argument.help)
    elif not argument.minimum <= value <= argument.maximum:
        limits = f"{argument.minimum} to {argument.maximum}"
        raise _bad_argument(f"{argument.name} is not in the range {limits}", argument.help)


def _line(value: object) -> bytes:
    # Loaded with the first question only: most of the time nobody asks.
    import json

    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def _object(line: bytes) -> Json:
    import json

    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _bad_request("it is not JSON") from None
    if not isinstance(value, dict):
        raise _bad_request("it is not a JSON object")
    return value


def _names(named: tuple[Verb, ...] | tuple[Argument, ...]) -> str:
    return ", ".join(item.name for item in named)


def _bad_request(why: str) -> VerbError:
    return VerbError(
        "bad-request",
        f"the line can't be understood: {why}",
        'Send a line such as {"verb": "status"}',
    )


def _bad_argument(message: str, remedy: str) -> VerbError:
    return VerbError("bad-argument", message, remedy)
