"""Messages of RFC 5424, read by its grammar and nothing else (section 6)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEAD = re.compile(
    r"<(?P<pri>[0-9]{1,3})>1 "
    r"(?P<time>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) "
    r"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<pid>[!-~]{1,128}) (?P<id>[!-~]{1,32}) "
    r"\[(?P<element>[^\s=\"\]]{1,32})"
)
_PARAM = re.compile(r' (?P<name>[^\s="\]]{1,32})="(?P<value>(?:[^"\\\]]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\([\"\\\]])")


@dataclass(frozen=True, slots=True)
class Message:
    """The parts of one."""

    severity: int
    facility: int
    time: str
    host: str
    app: str
    pid: str
    id: str
    element: str
    facts: dict[str, str]
    text: str


def read(datagram: bytes) -> Message:
    """The one message in ``datagram``. Fails on what is none."""
    whole = datagram.decode("utf-8")
    head = _HEAD.match(whole)
    assert head, whole
    facts, at = {}, head.end()
    while param := _PARAM.match(whole, at):
        assert param["name"] not in facts
        facts[param["name"]] = _ESCAPE.sub(r"\1", param["value"])
        at = param.end()
    assert whole[at : at + 2] == "] ", whole[at:]
    text = whole[at + 2 :]
    assert text.isascii() or text.startswith("\ufeff")
    pri = int(head["pri"])
    assert pri <= 191
    named = {name: head[name] for name in ("time", "host", "app", "pid", "id", "element")}
    return Message(pri % 8, pri // 8, **named, facts=facts, text=text.removeprefix("\ufeff"))
