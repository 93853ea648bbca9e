"""Asking the running daemon, with its errors turned into this program's."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from fwknopd.control.client import ControlClient, ControlError
from fwknopd.ctl.answers import Json
from fwknopd.ctl.errors import CtlError


def ask(options: Namespace, verb: str, **arguments: object) -> Json:
    """The result of a verb. Raises CtlError."""
    try:
        return ControlClient(options.control).call(verb, **arguments)
    except ControlError as error:
        raise _ctl_error(error) from None


def follow(options: Namespace, *, after: int, limit: int) -> Iterator[Json]:
    """Past events, then those to come. Raises CtlError when the daemon ends."""
    try:
        yield from ControlClient(options.control).follow(after=after, limit=limit)
    except ControlError as error:
        raise _ctl_error(error) from None


def _ctl_error(error: ControlError) -> CtlError:
    return CtlError(error.message, error.remedy, error.code)
