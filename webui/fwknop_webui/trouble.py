"""The daemon can't be asked: what that means for a person, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from fwknop_webui.daemon_words import in_words
from fwknop_webui.i18n import _
from fwknopd.control.client import ControlError


@dataclass(frozen=True, slots=True)
class Trouble:
    """A heading, and a sentence with the remedy in it."""

    title: str
    text: str


def trouble_of(error: ControlError, start_command: str, *, editable: bool = True) -> Trouble:
    """The words for an error of the control socket; ``editable``: the file can be read."""
    if not error.is_down:
        return Trouble(
            _("The daemon could not answer"), in_words(f"{error.message}. {error.remedy}")
        )
    start = _("Start it with: {command}").format(command=start_command)
    meanwhile = _("Nobody can knock.")
    if editable:
        meanwhile = _("Nobody can knock. Everything here can still be changed and saved.")
    return Trouble(_("The daemon isn't running"), f"{meanwhile} {start}")
