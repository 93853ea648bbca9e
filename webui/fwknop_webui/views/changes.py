"""The unsaved changes: look at them, apply them, forget them, or put them on a newer file."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.conflict_rows import Command, Row, commands_of, conflict_rows
from fwknop_webui.editing import apply_and_go
from fwknop_webui.hosts import is_local_path
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.merge import Merged, merge
from fwknop_webui.notices import Level
from fwknop_webui.pages import notify, render
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.staging import Draft, Staging
from fwknopd.config.uci_changes import UciChange
from fwknopd.config.uci_differences import differences

MAX_COMMANDS = 1000
"""Lines of each kind on one page."""

AFTER = {
    "preview_backup": N_("Go on with the backup"),
    "preview_import": N_("Go on with the import"),
    "preview_table": N_("Go on with the import"),
    "factory_reset": N_("Go on with the factory reset"),
}
"""Pages that need a decision here first, and the way back to them."""


def changes() -> ResponseReturnValue:
    """The list."""
    draft = current_draft()
    back = request.args.get("back", "")
    stale = bool(draft.changes) and draft.is_stale
    return render(
        "changes.html",
        commands=_commands(draft.changes),
        stale=stale,
        theirs=_commands(_theirs(draft)) if stale else [],
        pending=_commands(draft.current.pending),
        conflicts=_conflicts(draft) if stale else [],
        seen=_seal(draft),
        back=back if is_local_path(back, request.script_root) else url_for("overview"),
        after=_after(request.args),
        after_text=_(AFTER.get(_after(request.args), "")),
    )


def _after(values: Mapping[str, str]) -> str:
    """The page somebody was sent here from, "" for none."""
    wanted = values.get("after", "")
    return wanted if wanted in AFTER else ""


def apply_changes() -> ResponseReturnValue:
    """Save & Apply."""
    return apply_and_go(url_for("overview"))


def revert_changes() -> ResponseReturnValue:
    """Forget them."""
    require_session().staging = Staging()
    notify(Level.INFO, _("Your unsaved changes were reverted."))
    return redirect(url_for(_after(request.form) or "clients"), 303)


def rebase_changes() -> ResponseReturnValue:
    """Put them on top of what somebody else saved meanwhile.

    "do" says whose values to take where both changed the same.
    """
    draft, choice = current_draft(), request.form.get("do", "")
    if not hmac.compare_digest(_seal(draft).encode(), request.form.get("seen", "").encode()):
        notify(Level.WARNING, _("The configuration was changed once more. Look at it again."))
        return _again()
    found = _merged(draft, prefer_mine=choice != "theirs")
    if found.conflicts and choice not in ("mine", "theirs"):
        notify(Level.ERROR, _("Both of you changed the same: choose whose to keep."))
    else:
        wanted = differences(draft.current.package, found.package)
        require_session().staging = Staging(draft.current, wanted) if wanted else Staging()
        notify(Level.INFO, _("Your changes now stand on top of the new version. Look them over."))
    return _again()


def _again() -> ResponseReturnValue:
    return redirect(url_for("changes", after=_after(request.form) or None), 303)


def _seal(draft: Draft) -> str:
    """Which state of the file, so that nobody agrees to a change that was not shown."""
    return services().seal("current", draft.current.etag)


def _merged(draft: Draft, *, prefer_mine: bool = True) -> Merged:
    current = draft.current.package
    return merge(draft.base.package, draft.package, current, prefer_mine=prefer_mine)


def _conflicts(draft: Draft) -> list[Row]:
    return conflict_rows(draft.base.package, draft.current.package, _merged(draft).conflicts)


def _theirs(draft: Draft) -> tuple[UciChange, ...]:
    return differences(draft.base.package, draft.current.package)


def _commands(found: tuple[UciChange, ...]) -> list[Command]:
    return [command for change in found for command in commands_of(change)][:MAX_COMMANDS]


ROUTES = (
    Route("GET", "/changes", changes),
    Route("POST", "/changes/apply", apply_changes),
    Route("POST", "/changes/revert", revert_changes),
    Route("POST", "/changes/rebase", rebase_changes),
)
