"""``fwknopctl rpc``: a call of the ubus object fwknopd, handed to the daemon.

rpcd runs it with the call's arguments in JSON on standard input, and takes one JSON object
from standard output; anything else the caller sees as a mere number. So errors are an object
as well.

An object of the daemon's own through python3-ubus would need its connection in the loop, and
that module neither tells the descriptor nor takes calls that leave an argument out.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import BinaryIO

from fwknopd.control.protocol import MAX_LINE, Json, VerbError, decode_event
from fwknopd.ctl.daemon import ask
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import print_json

METHODS: dict[str, tuple[str, ...]] = {
    "status": (),
    "grants": ("limit",),
    "events": ("limit", "after", "before"),
    "revoke": ("id", "client", "address", "all", "cut"),
    "reload": (),
}
"""What may be called, with its arguments; which of them, rpcd decides by its ACL."""

SESSION = "ubus_rpc_session"
"""rpcd's own, in every call that comes over HTTP."""

FEW_DOORS = 500
"""Doors in an answer to `grants`, unless more are asked for: ubus carries 1 MiB at most."""


def answer_call(options: Namespace) -> int:
    """The verb ``rpc``. 0 whatever the answer, for rpcd looks at nothing else."""
    try:
        answer = ask(options, options.method, **_arguments(options.method, sys.stdin.buffer))
    except CtlError as error:
        told = {"code": error.code, "message": error.message, "remedy": error.remedy}
        answer = {"error": told}
    print_json(answer)
    return 0


def _arguments(method: str, stream: BinaryIO) -> Json:
    """What was sent, for a method there is. Raises CtlError."""
    if method not in METHODS:
        raise CtlError(
            "there is no such method", f"Call one of: {', '.join(METHODS)}", "unknown-verb"
        )
    text = stream.read(MAX_LINE + 1)
    if len(text) > MAX_LINE:
        raise CtlError(
            f"the arguments are longer than {MAX_LINE} bytes", "Send fewer", "bad-request"
        )
    try:
        arguments = decode_event(text or b"{}")
    except VerbError as error:
        raise CtlError(error.message, "Send a JSON object", error.code) from None
    arguments.pop(SESSION, None)
    unknown = set(arguments).difference(METHODS[method])
    if unknown:
        raise CtlError(
            f"{method} has no argument {min(unknown)!a}",
            f"It takes: {', '.join(METHODS[method]) or 'none'}",
            "bad-argument",
        )
    # JSON here may have numbers without end, which no line to the daemon can hold.
    for name, value in arguments.items():
        if not isinstance(value, str | int):
            raise CtlError(
                f"{name} is no text, whole number, true or false", "Give one", "bad-argument"
            )
    return {"limit": FEW_DOORS, **arguments} if method == "grants" else arguments
