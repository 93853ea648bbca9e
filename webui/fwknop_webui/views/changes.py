"""The list of unsaved changes, and what to do with them."""

from __future__ import annotations

from dataclasses import dataclass

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.apply import apply_staged
from fwknop_webui.hosts import is_local_path
from fwknop_webui.i18n import _
from fwknop_webui.notices import Level
from fwknop_webui.pages import notify, render
from fwknop_webui.rebase import CannotRebase, rebase
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.staging import Staging
from fwknopd.config.uci_changes import DeleteOption, DeleteSection, UciChange, as_commands


@dataclass(frozen=True, slots=True)
class Command:
    """A change as a uci command, and the colour it gets."""

    text: str
    css: str


def changes() -> ResponseReturnValue:
    """The list."""
    draft = current_draft()
    back = request.args.get("back", "")
    return render(
        "changes.html",
        commands=[command for change in draft.changes for command in commands_of(change)],
        stale=bool(draft.changes) and draft.is_stale,
        back=back if is_local_path(back, request.script_root) else url_for("overview"),
    )


def apply_changes() -> ResponseReturnValue:
    """Save & Apply."""
    saved = apply_staged(require_session(), services().store, services().live)
    return redirect(url_for("overview" if saved else "changes"), 303)


def revert_changes() -> ResponseReturnValue:
    """Forget them."""
    require_session().staging = Staging()
    notify(Level.INFO, _("Your unsaved changes were reverted."))
    return redirect(url_for("clients"), 303)


def rebase_changes() -> ResponseReturnValue:
    """Put them on top of what somebody else saved meanwhile."""
    try:
        require_session().staging = rebase(current_draft())
    except CannotRebase:
        notify(
            Level.ERROR,
            _("Both of you changed the same thing"),
            _("Revert your changes, look at what is there now, and make them again."),
        )
    else:
        notify(Level.INFO, _("Your changes now stand on top of the new version. Look them over."))
    return redirect(url_for("changes"), 303)


def commands_of(change: UciChange) -> list[Command]:
    """One change as uci commands, keys masked."""
    css = "removed" if isinstance(change, DeleteSection | DeleteOption) else "added"
    return [Command(text, css) for text in as_commands([change])]


ROUTES = (
    Route("GET", "/changes", changes),
    Route("POST", "/changes/apply", apply_changes),
    Route("POST", "/changes/revert", revert_changes),
    Route("POST", "/changes/rebase", rebase_changes),
)
