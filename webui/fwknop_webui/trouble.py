"""The daemon can't be asked: what that means for a person, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from fwknop_webui.i18n import _
from fwknopd.control.client import ControlError


@dataclass(frozen=True, slots=True)
class Trouble:
    """A heading, and a sentence with the remedy in it."""

    title: str
    text: str


def trouble_of(error: ControlError, start_command: str) -> Trouble:
    """The words for an error of the control socket."""
    if not error.is_down:
        return Trouble(_("The daemon could not answer"), f"{error.message}. {error.remedy}")
    start = _("Start it with: {command}").format(command=start_command)
    return Trouble(
        _("The daemon isn't running"),
        _("Nobody can knock. Everything here can still be changed and saved.") + " " + start,
    )
